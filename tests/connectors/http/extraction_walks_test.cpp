#include "tests/connectors/http/extraction_fixture.hpp"

#include <fstream>
#include <set>
#include <sys/stat.h>

using namespace millrace;
using namespace millrace::test;

TEST_CASE_METHOD(Extraction, "a walk with an announced total brings every record once, typed exactly, and spools the raw ones") {
    TestServer server(Entries{2345, 10});
    const auto slices = run(server);
    REQUIRE(slices.size() == 1);
    CHECK(slices[0].records == 2345);
    CHECK(slices[0].announced == 2345);
    CHECK(server.log().size() == 235);
    CHECK(server.log()[0].headers.at("x-api-key") == "s3cret-key");
    const Json row = query("count(DISTINCT id) AS ids, sum(hours) AS hours, sum(n) AS n, min(\"at\") AS at, min(len(tags)) AS tags, "
                           "sum(rate.amount) AS amount, count(rate.currency) AS currencies",
                           slices)[0];
    CHECK(row.at("ids") == 2345);
    CHECK(row.at("hours") == "2748926.25"); // 2345 * 2344 / 2 + 2345 / 4
    CHECK(row.at("at") == "2026-11-01T08:00:00Z");
    CHECK(row.at("tags") == 2);
    CHECK(row.at("currencies") == 0);
    CHECK(row.at("amount").dump().find("2748340") != std::string::npos);
    const Json last = query("tags[2] AS tag", slices);
    CHECK(last.size() == 2345);

    std::set<std::string> raw;
    for (const RawFile& file : slices[0].raw) {
        RawReader reader(folder + "/" + file.file);
        for (std::string_view record; reader.next(record);) raw.emplace(record);
    }
    CHECK(raw.size() == 2345);
    CHECK(raw.contains(Entries{}.record(2344)));
    struct stat mode {};
    REQUIRE(::stat((folder + "/raw").c_str(), &mode) == 0);
    CHECK((mode.st_mode & 0777) == 0700);
}

TEST_CASE_METHOD(Extraction, "finished slices are not asked for again") {
    TestServer server(Entries{25, 10});
    const auto first = run(server);
    const auto requests = server.log().size();
    const auto again = run(server);
    CHECK(server.log().size() == requests);
    CHECK(again[0].parts[0].sha256 == first[0].parts[0].sha256);
    std::filesystem::remove(folder + "/" + first[0].parts[0].file); // a damaged slice is asked for again
    CHECK(run(server)[0].records == 25);
    CHECK(server.log().size() == 2 * requests);
}

TEST_CASE_METHOD(Extraction, "a list ends where its header says, without an extra request") {
    list_without_total();
    plan.resource.paging.last_header = "Last-Page";
    TestServer server(Entries{30, 10, false, true});
    CHECK(run(server)[0].records == 30);
    CHECK(server.log().size() == 3);
}

TEST_CASE_METHOD(Extraction, "an empty source is an empty slice") {
    TestServer server(Entries{0, 10});
    const auto slices = run(server);
    CHECK(slices[0].records == 0);
    CHECK(slices[0].parts.empty());
}

TEST_CASE_METHOD(Extraction, "a page that repeats an earlier one is asked for again, a source that ignores the page number is an error") {
    const Entries entries{25, 10};
    int stale = 1;
    TestServer server([&](const TestRequest& r) { return page_of(r) == 2 && stale-- > 0 ? entries.page(1) : entries(r); });
    const auto slices = run(server);
    CHECK(query("count(DISTINCT id) AS ids", slices)[0].at("ids") == 25);

    list_without_total();
    TestServer deaf([&](const TestRequest&) { return Entries{25, 10, false}.page(1); });
    plan.slices.clear();
    const Error e = failure(deaf);
    CHECK(e.error_class == ErrorClass::BadData);
    CHECK(std::string(e.what()).find("page 2") != std::string::npos);
    CHECK(e.remedy.find("paging") != std::string::npos);
}

TEST_CASE_METHOD(Extraction, "entries that arrive while paging: the walk is repeated, none is lost and none comes twice") {
    Entries entries{25, 10};
    int arrivals = 1;
    TestServer server([&](const TestRequest& r) {
        // A new entry stands in front, so that the pages behind it shift.
        if (page_of(r) == 2 && arrivals-- > 0) entries.n = 26;
        TestAnswer answer = entries(r);
        if (entries.n == 25) return answer;
        std::string list;
        for (int i = (page_of(r) - 1) * 10; i < std::min(26, page_of(r) * 10); ++i)
            list += (list.empty() ? "" : ",") + entries.record(25 - i);
        answer.body = fmt::format(R"({{"totals":[{{"count":26}}],"items":[{}]}})", list);
        return answer;
    });
    const auto slices = run(server);
    CHECK(slices[0].records == 26);
    CHECK(query("count(DISTINCT id) AS ids", slices)[0].at("ids") == 26);
    CHECK(told.find("its pages are fetched again (1 of 2)") != std::string::npos);
}

TEST_CASE_METHOD(Extraction, "entries that never stop arriving: after two repeats all that came is taken, each key once, with a warning") {
    int n = 25;
    TestServer server([&](const TestRequest& r) {
        if (page_of(r) > 1) ++n;
        Entries entries{n, 10};
        std::string list;
        for (int i = (page_of(r) - 1) * 10; i < std::min(n, page_of(r) * 10); ++i)
            list += (list.empty() ? "" : ",") + entries.record(n - 1 - i);
        return TestAnswer{200, fmt::format(R"({{"totals":[{{"count":{}}}],"items":[{}]}})", n, list)};
    });
    const auto slices = run(server);
    const Json row = query("count(*) AS n, count(DISTINCT id) AS ids, count(*) FILTER (n < 25) AS old", slices)[0];
    CHECK(row.at("n") == row.at("ids"));
    CHECK(row.at("old") == 25);
    CHECK(told.find("drifted: ") != std::string::npos);
    CHECK(slices[0].records == row.at("n").get<std::int64_t>());
}

TEST_CASE_METHOD(Extraction, "a source that gives fewer records than it announces, again and again, is an error") {
    TestServer server([&](const TestRequest& r) {
        return page_of(r) > 2 ? TestAnswer{200, R"({"totals":[{"count":45}],"items":[]})"} : Entries{45, 10}(r);
    });
    const Error e = failure(server);
    CHECK(e.error_class == ErrorClass::BadData);
    CHECK(std::string(e.what()) == "entries: 45 records were announced, 20 came, each of the 3 times that the pages were fetched");
    CHECK_THAT(e.remedy, Catch::EndsWith("take out `total` of entries in the spec of test"));
}

TEST_CASE_METHOD(Extraction, "a row limit stops early and says that the slice is not complete") {
    plan.limit_rows = 12;
    TestServer server(Entries{1000, 10});
    const auto slices = run(server);
    CHECK(slices[0].records == 12);
    CHECK_FALSE(slices[0].complete);
    CHECK(server.log().size() < 20);
}

TEST_CASE_METHOD(Extraction, "a row limit that is reached begins no further slice") {
    plan.resource.window = WindowSpec{Span{0, 1, 0}};
    plan.resource.params = {{"from", "timestamptz", true, false, {}}, {"to", "timestamptz", true, false, {}}};
    plan.slices = make_slices(plan.resource, {{"from", "2024-01-01"}, {"to", "2026-01-01"}}, Scope(), {}, false);
    plan.limit_rows = 12;
    TestServer server(Entries{5, 10});
    const auto slices = run(server);
    REQUIRE(slices.size() == 731);
    CHECK(server.log().size() < 20);
    std::int64_t records = 0;
    for (const SliceManifest& slice : slices) records += slice.records;
    CHECK(records == 12);
    CHECK_FALSE(slices.back().complete);
    CHECK(slices.back().slice.size() == slices.front().slice.size());
}

TEST_CASE_METHOD(Extraction, "a slice whose manifest is of another shape is asked for again") {
    TestServer server(Entries{5, 10});
    const auto slices = run(server);
    std::ofstream(folder + "/slices/" + slices[0].slice + ".json") << R"({"slice": 7, "parts": "none"})";
    CHECK(run(server)[0].records == 5);
    CHECK(server.log().size() == 2);
}

TEST_CASE_METHOD(Extraction, "a walk that drifts without one good record is settled with none") {
    std::atomic<int> total{3};
    TestServer server([&](const TestRequest&) {
        return TestAnswer{200, fmt::format(R"({{"totals":[{{"count":{}}}],"items":[{{"id":7}}]}})", ++total)};
    });
    const auto slices = run(server);
    CHECK(slices[0].records == 0);
    CHECK(slices[0].rejected > 0);
    CHECK_FALSE(slices[0].complete);
}

TEST_CASE_METHOD(Extraction, "an empty page that says that more follow: a hole is an error, an end is an end") {
    list_without_total();
    plan.resource.paging.last_header = "Last-Page";
    const Entries entries{45, 10, false, true};
    int empty_for = 1000;
    TestServer holed([&](const TestRequest& r) {
        return page_of(r) == 3 && empty_for-- > 0 ? TestAnswer{200, "[]", {{"Last-Page", "false"}}} : entries(r);
    });
    const Error e = failure(holed);
    CHECK(e.error_class == ErrorClass::BadData);
    CHECK(std::string(e.what()).find(
              "an empty page says that more follow, and more did, each of the 3 times that the pages were fetched") != std::string::npos);
    empty_for = 1;
    CHECK(run(holed)[0].records == 45);

    TestServer never_last([](const TestRequest& r) {
        TestAnswer answer = Entries{20, 10, false}(r);
        answer.headers["Last-Page"] = "false";
        return answer;
    });
    plan.slices.clear();
    CHECK(run(never_last)[0].records == 20);
}

TEST_CASE_METHOD(Extraction, "where nothing is paged, an announced total without any record is an answer cut short") {
    plan.resource.paging.kind = "none";
    int cut = 1;
    TestServer server([&](const TestRequest&) {
        return TestAnswer{200, cut-- > 0 ? R"({"totals":[{"count":3}],"items":[]})"
                                         : R"({"totals":[{"count":3}],"items":[{"id":"g","hours":1,"n":3}]})"};
    });
    CHECK(run(server)[0].records == 1); // a record may be a group of what was counted
    CHECK(server.log().size() == 2);
    cut = 1000;
    std::filesystem::remove_all(folder + "/slices");
    const Error e = failure(server);
    CHECK(e.error_class == ErrorClass::BadData);
    CHECK(std::string(e.what()) == "entries: 3 records were announced, 0 came, each of the 3 times that the pages were fetched");
}
