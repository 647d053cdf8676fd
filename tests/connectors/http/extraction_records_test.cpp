#include "tests/connectors/http/extraction_fixture.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

using namespace millrace;
using namespace millrace::test;

TEST_CASE_METHOD(Extraction, "records that break their contract are told with page and position, and kept raw") {
    plan.most_rejects = 100;
    TestServer server([&](const TestRequest&) {
        return TestAnswer{
            200,
            R"({"totals":[{"count":7}],"items":[{"id":"a","hours":1.5,"n":1},{"id":"b","hours":"2.25","n":2},{"id":"c","hours":1.5,"n":"3"},
            {"id":"d","n":4},{"id":"e","hours":1.505,"n":5},{"id":"f","hours":1,"n":99999999999},{"id":"g","hours":1,"n":1,"at":"2026-11-01T10:00:00"}]})"};
    });
    const auto slices = run(server);
    CHECK(slices[0].records == 2);
    CHECK(slices[0].rejected == 5);
    CHECK(slices[0].mistakes ==
          std::vector<std::string>{"page 1, record 3: 'n' is \"3\", which is a text, declared int", "page 1, record 4: 'hours' is missing",
                                   "page 1, record 5: 'hours' is 1.505, which does not fit decimal(9,2)",
                                   "page 1, record 6: 'n' is 99999999999, which is no int",
                                   "page 1, record 7: 'at' is '2026-11-01T10:00:00', which is no instant with Z or an offset"});
    CHECK(slices[0].raw.at(0).records == 7);
    CHECK_FALSE(slices[0].quarantine.empty());
    CHECK(query("sum(hours) AS h", slices)[0].at("h") == "3.75");
}

TEST_CASE_METHOD(Extraction, "a value that breaks the contract is shown on one line, cut between characters") {
    std::string umlauts;
    for (int i = 0; i < 60; ++i) umlauts += "\u00fc";
    TestServer server([&](const TestRequest&) {
        return TestAnswer{200, R"({"totals":[{"count":3}],"items":[{"id":"a","hours":1,"n":")" + umlauts +
                                   R"("},{"id":"b","hours":1,"n":{"x":)" + "\n" + R"(1}},{"id":7,"hours":1,"n":1}]})"};
    });
    const auto mistakes = run(server)[0].mistakes;
    REQUIRE(mistakes.size() == 3);
    CHECK(mistakes[0] == "page 1, record 1: 'n' is \"" + umlauts.substr(0, 76) + "..., which is a text, declared int");
    CHECK(mistakes[1] == "page 1, record 2: 'n' is {\"x\": 1}, which is an object, declared int");
    CHECK(mistakes[2] == "page 1, record 3: 'id' is 7, which is a number, declared text");
}

TEST_CASE_METHOD(Extraction, "of the records that break their contract as many are kept as the plan says, and all are counted") {
    plan.most_rejects = 2;
    TestServer server([&](const TestRequest&) {
        return TestAnswer{200, R"({"totals":[{"count":4}],"items":[{"id":"a","n":1},{"id":"b","n":2},{"id":"c","n":3},{"id":"d","n":4}]})"};
    });
    const auto slices = run(server);
    CHECK(slices[0].rejected == 4);
    CHECK(slices[0].mistakes.size() == 4);
    std::ifstream kept(plan.folder + "/" + slices[0].quarantine);
    std::string lines(std::istreambuf_iterator<char>(kept), {});
    CHECK(std::count(lines.begin(), lines.end(), '\n') == 2);
}

TEST_CASE_METHOD(Extraction, "rejected records lie in files of their slice, and a slice that lost them is fetched again") {
    plan.most_rejects = 10;
    plan.resource.window = WindowSpec{Span{0, 1, 0}};
    plan.resource.params = {{"from", "timestamptz", true, false, {}}, {"to", "timestamptz", true, false, {}}};
    plan.slices = make_slices(plan.resource, {{"from", "2026-11-01"}, {"to", "2026-11-03"}}, Scope(), {}, false);
    TestServer server([](const TestRequest&) {
        return TestAnswer{200, R"({"totals":[{"count":2}],"items":[{"id":"a","n":1},{"id":"b","hours":1,"n":1}]})"};
    });
    const auto slices = run(server);
    for (const SliceManifest& slice : slices) CHECK(slice.quarantine == "raw/rejected-" + slice.slice + "-1-0.ndjson");
    CHECK(server.log().size() == 2);
    (void)run(server);
    CHECK(server.log().size() == 2);
    std::filesystem::remove(folder + "/" + slices[0].quarantine);
    CHECK(run(server)[0].quarantine == slices[0].quarantine);
    CHECK(server.log().size() == 3);
    CHECK(std::filesystem::exists(folder + "/" + slices[0].quarantine));
}

TEST_CASE_METHOD(Extraction, "what is told of a sensitive record that breaks its contract holds no value") {
    TestServer server([&](const TestRequest&) {
        return TestAnswer{200, R"({"totals":[{"count":2}],"items":[{"id":"a","hours":1.505,"n":1},{"id":"b","hours":1,"n":"Ada"}]})"};
    });
    plan.sensitive = true;
    CHECK(run(server)[0].mistakes ==
          std::vector<std::string>{"page 1, record 1: 'hours' does not fit decimal(9,2)", "page 1, record 2: 'n' is a text, declared int"});
}

TEST_CASE_METHOD(Extraction, "undeclared members are an event, an error or a reason to set the record aside") {
    TestServer server([&](const TestRequest&) {
        return TestAnswer{
            200,
            R"({"totals":[{"count":2}],"items":[{"id":"a","hours":1,"n":1,"rate":{"amount":1,"vat":true}},{"id":"b","hours":1,"n":1,"new":{"x":1}}]})"};
    });
    const auto slices = run(server);
    CHECK(slices[0].records == 2);
    CHECK(slices[0].unknown == std::map<std::string, std::string>{{"new", "object"}, {"rate.vat", "boolean"}});
    plan.on_drift = "freeze";
    CHECK(std::string(failure(server).what()).find("undeclared member 'rate.vat'") != std::string::npos);
    plan.on_drift = "quarantine";
    CHECK(run(server)[0].rejected == 2);
}

TEST_CASE_METHOD(Extraction, "windows become slices with their column, a failed slice may be left out") {
    plan.resource.window = WindowSpec{Span{0, 1, 0}};
    plan.resource.params = {{"from", "timestamptz", true, false, {}}, {"to", "timestamptz", true, false, {}}};
    plan.resource.query = {{"day", "${window.start:%Y-%m-%d}"}};
    plan.slices = make_slices(plan.resource, {{"from", "2026-11-01"}, {"to", "2026-11-06"}}, Scope(), {}, false);
    const Entries entries{12, 10};
    TestServer server([&](const TestRequest& r) {
        return r.target.find("day=2026-11-03") != std::string::npos ? TestAnswer{400, R"({"message":"no"})"} : entries(r);
    });
    CHECK(failure(server).error_class == ErrorClass::Permanent);
    plan.allow_failed = Share{{}, 1};
    const auto slices = run(server);
    REQUIRE(slices.size() == 5);
    CHECK(slices[2].failed.find("400 no") != std::string::npos);
    const Json row = query("count(*) AS n, count(DISTINCT _window.date) AS days, max(_window.\"end\") AS until", slices)[0];
    CHECK(row.at("n") == 48);
    CHECK(row.at("days") == 4);
    CHECK(row.at("until") == "2026-11-06T00:00:00Z");
}

TEST_CASE_METHOD(Extraction, "an integer is an integer however JSON writes it, and JSON is JSON whatever it is called") {
    TestServer server([](const TestRequest&) {
        return TestAnswer{
            200,
            "\xEF\xBB\xBF"
            R"({"totals":[{"count":4}],"items":[{"id":"a","hours":1,"n":3600.0},{"id":"b","hours":1,"n":-3.6e3},{"id":"c","hours":1,"n":0.5},
            {"id":"d","hours":1,"n":2147483648.0}]})",
            {{"Content-Type", "text/html"}}};
    });
    const auto slices = run(server);
    CHECK(slices[0].mistakes == std::vector<std::string>{"page 1, record 3: 'n' is 0.5, which is no int",
                                                         "page 1, record 4: 'n' is 2147483648.0, which is no int"});
    CHECK(query("max(n) AS most, min(n) AS least", slices)[0] == Json{{"most", 3600}, {"least", -3600}});
}
