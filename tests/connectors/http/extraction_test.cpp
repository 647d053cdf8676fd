#include "connectors/http/extraction.hpp"
#include "test_server.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <fmt/format.h>
#include <set>
#include <sys/stat.h>

using namespace millrace;
using test::TestAnswer;
using test::TestRequest;
using test::TestServer;

namespace {

/// A list of `n` entries, paged in the query or the body, with an announced total or a header.
struct Entries {
    int n = 25, size = 10;
    bool total = true, header = false;

    [[nodiscard]] std::string record(int i) const {
        return fmt::format(R"({{"id":"e{0}","hours":{0}.25,"n":{0},"at":"2026-11-01T10:00:00+02:00","tags":["a","b{0}"],"rate":{{"amount":{0},"currency":null}}}})", i);
    }
    [[nodiscard]] TestAnswer page(int number) const {
        TestAnswer answer;
        std::string list;
        for (int i = (number - 1) * size; i < std::min(n, number * size); ++i) list += (list.empty() ? "" : ",") + record(i);
        answer.body = total ? fmt::format(R"({{"totals":[{{"count":{}}}],"items":[{}]}})", n, list) : "[" + list + "]";
        if (header) answer.headers["Last-Page"] = number * size >= n ? "true" : "false";
        return answer;
    }
    [[nodiscard]] TestAnswer operator()(const TestRequest& r) const {
        const auto at = r.target.find("page=");
        return page(at == std::string::npos ? 1 : std::stoi(r.target.substr(at + 5)));
    }
};

int page_of(const TestRequest& r) { return std::stoi(r.target.substr(r.target.find("page=") + 5)); }

struct Fixture {
    Fixture() {
        std::string name = "/tmp/millrace-extract-XXXXXX";
        folder = ::mkdtemp(name.data());
        plan.folder = folder;
        plan.source.source = "test";
        plan.source.connection = {{"url", false, true, {}, ""}, {"key", true, true, {}, ""}};
        plan.source.auth = {"api_key", "X-Api-Key", "", "${connection.key}", "", ""};
        plan.source.rate = {0, 1, 3};
        plan.resource.name = "entries";
        plan.resource.path = "/entries";
        plan.resource.paging.kind = "page_number";
        plan.resource.paging.param = "page";
        plan.resource.paging.size_param = "size";
        plan.resource.paging.size = 10;
        plan.resource.records = "items";
        plan.resource.total = "totals[0].count";
        plan.resource.key = {"id"};
        plan.resource.columns = {{"id", "VARCHAR", false}, {"hours", "DECIMAL(9,2)", false}, {"n", "INTEGER", false}, {"at", "TIMESTAMPTZ", true},
                                 {"tags", "VARCHAR[]", true}, {"rate", "STRUCT(amount BIGINT, currency VARCHAR)", true}};
        plan.retries.first_delay = 0.01;
        plan.retries.longest_delay = 0.05;
        plan.limits.stalled_seconds = 1;
        events.log = [this](std::string_view, const std::string& text) { note(text); };
        events.event = [this](const std::string& kind, const std::string& text, const Json&) { note(kind + ": " + text); };
    }
    ~Fixture() { std::filesystem::remove_all(folder); }

    void note(const std::string& text) {
        const std::lock_guard lock(mutex);
        told += text + "\n";
    }
    void list_without_total() {
        plan.resource.records = "";
        plan.resource.total = "";
    }
    std::vector<SliceManifest> run(TestServer& server) {
        plan.connection = {{"url", server.url()}, {"key", "s3cret-key"}};
        if (plan.slices.empty()) plan.slices = make_slices(plan.resource, Json::object(), Scope(), {}, false);
        return extract(plan, governors, database, events);
    }
    Error failure(TestServer& server) {
        try {
            (void)run(server);
        } catch (const Error& e) {
            return e;
        }
        FAIL("it did not fail");
        throw std::logic_error("not reached");
    }
    Json query(const std::string& select, const std::vector<SliceManifest>& slices) {
        std::string files;
        for (const SliceManifest& s : slices)
            for (const ManifestPart& p : s.parts) files += (files.empty() ? "'" : ", '") + folder + "/" + p.file + "'";
        return database.connect().query("SELECT " + select + " FROM read_parquet([" + files + "])").rows(100000);
    }

    std::string folder;
    ExtractionPlan plan;
    Governors governors;
    ExtractionEvents events;
    std::mutex mutex;
    std::string told;
    duckdb::Database database{[this] {
        duckdb::DatabaseOptions o;
        o.folders = {"/tmp"};
        return o;
    }()};
};

} // namespace

TEST_CASE_METHOD(Fixture, "a walk with an announced total brings every record once, typed exactly, and spools the raw ones") {
    TestServer server(Entries{2345, 10});
    const auto slices = run(server);
    REQUIRE(slices.size() == 1);
    CHECK(slices[0].records == 2345);
    CHECK(slices[0].announced == 2345);
    CHECK(server.log().size() == 235);
    CHECK(server.log()[0].headers.at("x-api-key") == "s3cret-key");
    const Json row = query("count(DISTINCT id) AS ids, sum(hours) AS hours, sum(n) AS n, min(\"at\") AS at, min(len(tags)) AS tags, sum(rate.amount) AS amount, count(rate.currency) AS currencies", slices)[0];
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

TEST_CASE_METHOD(Fixture, "finished slices are not asked for again") {
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

TEST_CASE_METHOD(Fixture, "a list ends where its header says, without an extra request") {
    list_without_total();
    plan.resource.paging.last_header = "Last-Page";
    TestServer server(Entries{30, 10, false, true});
    CHECK(run(server)[0].records == 30);
    CHECK(server.log().size() == 3);
}

TEST_CASE_METHOD(Fixture, "an empty source is an empty slice") {
    TestServer server(Entries{0, 10});
    const auto slices = run(server);
    CHECK(slices[0].records == 0);
    CHECK(slices[0].parts.empty());
}

TEST_CASE_METHOD(Fixture, "what fails once is tried again: errors, cut and truncated answers, HTML, a stalled answer") {
    const Entries entries{45, 10};
    std::map<int, int> seen;
    TestServer server([&](const TestRequest& r) {
        TestAnswer good = entries(r);
        if (seen[page_of(r)]++ > 0) return good;
        switch (page_of(r)) {
        case 1: return TestAnswer{503, "down"};
        case 2: good.cut_after = 40; return good;
        case 3: good.body.resize(good.body.size() / 2); return good;
        case 4: return TestAnswer{200, "<html>log in</html>", {{"Content-Type", "text/html"}}};
        default: good.drip_ms = 300; return good;
        }
    });
    const auto slices = run(server);
    CHECK(slices[0].records == 45);
    CHECK(query("count(DISTINCT id) AS ids", slices)[0].at("ids") == 45);
    for (const char* word : {"503", "the connection broke", "no whole JSON", "HTML instead of JSON", "no whole answer in time"}) {
        INFO(word << " in " << told);
        CHECK(told.find(word) != std::string::npos);
    }
    CHECK(told.find("s3cret") == std::string::npos);
}

TEST_CASE_METHOD(Fixture, "a service may think before it answers, but not for ever") {
    const Entries entries{5, 10};
    plan.limits.stalled_seconds = 0.2;
    TestServer server([&](const TestRequest& r) {
        TestAnswer answer = entries(r);
        answer.think_ms = 1500;
        return answer;
    });
    CHECK(run(server)[0].records == 5);
    CHECK(server.log().size() == 1);
    plan.limits.thinking_seconds = 0.2;
    plan.retries.tries = 1;
    std::filesystem::remove_all(folder + "/slices");
    const Error e = failure(server);
    CHECK(e.error_class == ErrorClass::Timeout);
    CHECK(std::string(e.what()).find("the service sent nothing") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "what keeps failing ends in an error that names the request, the reason and the remedy, and leaves nothing loaded") {
    plan.retries.tries = 3;
    const Entries entries{25, 10};
    TestServer server([&](const TestRequest& r) { return page_of(r) == 3 ? TestAnswer{500, R"({"message":"boom"})"} : entries(r); });
    const Error e = failure(server);
    CHECK(e.error_class == ErrorClass::Transient);
    CHECK(std::string(e.what()) == "GET " + server.url() + "/entries?page=3&size=10 (entries, page 3, all): 500 boom, after 3 tries");
    CHECK_FALSE(e.remedy.empty());
    CHECK(std::filesystem::is_empty(folder + "/slices"));
}

TEST_CASE_METHOD(Fixture, "refused credentials are not tried again") {
    TestServer server([](const TestRequest&) { return TestAnswer{401, R"({"message":"Api key does not exist"})"}; });
    CHECK(failure(server).error_class == ErrorClass::Auth);
    CHECK(server.log().size() == 1);
}

TEST_CASE_METHOD(Fixture, "a short pause that the server asks for is kept inside the attempt, a long one is the engine's") {
    const Entries entries{5, 10};
    bool first = true;
    TestServer server([&](const TestRequest& r) {
        if (!std::exchange(first, false)) return entries(r);
        return TestAnswer{429, "", {{"Retry-After", "1"}}};
    });
    const auto start = std::chrono::steady_clock::now();
    CHECK(run(server)[0].records == 5);
    CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(990));

    TestServer strict([](const TestRequest&) { return TestAnswer{429, "", {{"Retry-After", "3600"}}}; });
    const Error e = failure(strict);
    CHECK(e.error_class == ErrorClass::RateLimited);
    CHECK(e.retry_after == 3600);
}

TEST_CASE_METHOD(Fixture, "a service that asks for a long pause fails no slice: everybody stops asking and the attempt ends") {
    plan.resource.window = WindowSpec{Span{0, 1, 0}};
    plan.resource.params = {{"from", "timestamptz", true, false, {}}, {"to", "timestamptz", true, false, {}}};
    plan.slices = make_slices(plan.resource, {{"from", "2026-11-01"}, {"to", "2026-11-21"}}, Scope(), {}, false);
    plan.allow_failed = Share{90.0, {}};
    plan.source.rate.concurrency = 1;
    TestServer server([](const TestRequest& r) { return r.number < 3 ? Entries{5, 10}.page(1) : TestAnswer{429, "", {{"Retry-After", "3600"}}}; });
    CHECK(failure(server).error_class == ErrorClass::RateLimited);
    CHECK(server.log().size() == 3);
    const Error again = failure(server); // another attempt asks nothing either
    CHECK(again.error_class == ErrorClass::RateLimited);
    CHECK(again.retry_after > 3500);
    CHECK(server.log().size() == 3);
}

TEST_CASE_METHOD(Fixture, "a page that repeats an earlier one is asked for again; a source that ignores the page number is an error") {
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

TEST_CASE_METHOD(Fixture, "entries that arrive while paging: the walk is repeated, none is lost and none comes twice") {
    Entries entries{25, 10};
    int arrivals = 1;
    TestServer server([&](const TestRequest& r) {
        // A new entry stands in front, so that the pages behind it shift.
        if (page_of(r) == 2 && arrivals-- > 0) entries.n = 26;
        TestAnswer answer = entries(r);
        if (entries.n == 25) return answer;
        std::string list;
        for (int i = (page_of(r) - 1) * 10; i < std::min(26, page_of(r) * 10); ++i) list += (list.empty() ? "" : ",") + entries.record(25 - i);
        answer.body = fmt::format(R"({{"totals":[{{"count":26}}],"items":[{}]}})", list);
        return answer;
    });
    const auto slices = run(server);
    CHECK(slices[0].records == 26);
    CHECK(query("count(DISTINCT id) AS ids", slices)[0].at("ids") == 26);
    CHECK(told.find("the walk is repeated (1 of 2)") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "entries that never stop arriving: after two repeats all that came is taken, each key once, with a warning") {
    int n = 25;
    TestServer server([&](const TestRequest& r) {
        if (page_of(r) > 1) ++n;
        Entries entries{n, 10};
        std::string list;
        for (int i = (page_of(r) - 1) * 10; i < std::min(n, page_of(r) * 10); ++i) list += (list.empty() ? "" : ",") + entries.record(n - 1 - i);
        return TestAnswer{200, fmt::format(R"({{"totals":[{{"count":{}}}],"items":[{}]}})", n, list)};
    });
    const auto slices = run(server);
    const Json row = query("count(*) AS n, count(DISTINCT id) AS ids, count(*) FILTER (n < 25) AS old", slices)[0];
    CHECK(row.at("n") == row.at("ids"));
    CHECK(row.at("old") == 25);
    CHECK(told.find("drifted: ") != std::string::npos);
    CHECK(slices[0].records == row.at("n").get<std::int64_t>());
}

TEST_CASE_METHOD(Fixture, "a source that gives fewer records than it announces, again and again, is an error") {
    TestServer server([&](const TestRequest& r) { return page_of(r) > 2 ? TestAnswer{200, R"({"totals":[{"count":45}],"items":[]})"} : Entries{45, 10}(r); });
    const Error e = failure(server);
    CHECK(e.error_class == ErrorClass::BadData);
    CHECK(std::string(e.what()) == "entries, all: 45 records were announced, 20 came, in each of 3 walks");
}

TEST_CASE_METHOD(Fixture, "records that break their contract are told with page and position, and kept raw") {
    plan.keep_rejects = true;
    TestServer server([&](const TestRequest&) {
        return TestAnswer{200, R"({"totals":[{"count":7}],"items":[{"id":"a","hours":1.5,"n":1},{"id":"b","hours":"2.25","n":2},{"id":"c","hours":1.5,"n":"3"},
            {"id":"d","n":4},{"id":"e","hours":1.505,"n":5},{"id":"f","hours":1,"n":99999999999},{"id":"g","hours":1,"n":1,"at":"2026-11-01T10:00:00"}]})"};
    });
    const auto slices = run(server);
    CHECK(slices[0].records == 2);
    CHECK(slices[0].rejected == 5);
    CHECK(slices[0].mistakes == std::vector<std::string>{
                                    "page 1, record 3: 'n' is a text, declared INTEGER", "page 1, record 4: 'hours' is missing",
                                    "page 1, record 5: 'hours' is 1.505, which does not fit DECIMAL(9,2)", "page 1, record 6: 'n' is 99999999999, which is no INTEGER",
                                    "page 1, record 7: 'at' is '2026-11-01T10:00:00', which is no instant with Z or an offset"});
    CHECK(slices[0].raw.at(0).records == 7);
    CHECK_FALSE(slices[0].quarantine.empty());
    CHECK(query("sum(hours) AS h", slices)[0].at("h") == "3.75");
}

TEST_CASE_METHOD(Fixture, "undeclared members are an event, an error or a reason to set the record aside") {
    TestServer server([&](const TestRequest&) {
        return TestAnswer{200, R"({"totals":[{"count":2}],"items":[{"id":"a","hours":1,"n":1,"rate":{"amount":1,"vat":true}},{"id":"b","hours":1,"n":1,"new":{"x":1}}]})"};
    });
    const auto slices = run(server);
    CHECK(slices[0].records == 2);
    CHECK(slices[0].unknown == std::map<std::string, std::string>{{"new", "object"}, {"rate.vat", "boolean"}});
    plan.on_drift = "freeze";
    CHECK(std::string(failure(server).what()).find("undeclared member 'rate.vat'") != std::string::npos);
    plan.on_drift = "quarantine";
    CHECK(run(server)[0].rejected == 2);
}

TEST_CASE_METHOD(Fixture, "windows become slices with their column; a failed slice may be left out") {
    plan.resource.window = WindowSpec{Span{0, 1, 0}};
    plan.resource.params = {{"from", "timestamptz", true, false, {}}, {"to", "timestamptz", true, false, {}}};
    plan.resource.query = {{"day", "${window.start:%Y-%m-%d}"}};
    plan.slices = make_slices(plan.resource, {{"from", "2026-11-01"}, {"to", "2026-11-06"}}, Scope(), {}, false);
    const Entries entries{12, 10};
    TestServer server([&](const TestRequest& r) { return r.target.find("day=2026-11-03") != std::string::npos ? TestAnswer{400, R"({"message":"no"})"} : entries(r); });
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

TEST_CASE_METHOD(Fixture, "a row limit stops early and says that the slice is not complete") {
    plan.limit_rows = 12;
    TestServer server(Entries{1000, 10});
    const auto slices = run(server);
    CHECK(slices[0].records == 12);
    CHECK_FALSE(slices[0].complete);
    CHECK(server.log().size() < 20);
}

TEST_CASE_METHOD(Fixture, "a row limit that is reached begins no further slice") {
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

TEST_CASE_METHOD(Fixture, "a rate below nothing is a mistake, not a licence") {
    TestServer server(Entries{5, 10});
    plan.slices = make_slices(plan.resource, Json::object(), Scope(), {}, false);
    plan.connection = {{"url", server.url()}, {"key", "k"}, {"requests_per_second", -1}};
    CHECK_THROWS_WITH(extract(plan, governors, database, events), "requests_per_second of the connection is no rate: -1");
}

TEST_CASE_METHOD(Fixture, "a cancelled extraction ends soon") {
    std::atomic<bool> cancel{false};
    events.cancelled = [&] { return cancel.load(); };
    TestServer server([&](const TestRequest& r) {
        if (page_of(r) == 2) cancel = true;
        return Entries{1000, 10}(r);
    });
    CHECK(failure(server).error_class == ErrorClass::Cancelled);
    CHECK(server.log().size() < 20);
}

TEST_CASE_METHOD(Fixture, "an object in the place of a list of pages is an answer of another shape, no record") {
    list_without_total();
    plan.resource.columns = {{"id", "VARCHAR", true}};
    TestServer server([](const TestRequest&) { return TestAnswer{200, R"({"message":"try again"})"}; });
    const Error e = failure(server);
    CHECK(e.error_class == ErrorClass::BadData);
    CHECK(std::string(e.what()).find("200 with an answer of another shape: it is an object") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "a slice whose manifest is of another shape is asked for again") {
    TestServer server(Entries{5, 10});
    const auto slices = run(server);
    std::ofstream(folder + "/slices/" + slices[0].slice + ".json") << R"({"slice": 7, "parts": "none"})";
    CHECK(run(server)[0].records == 5);
    CHECK(server.log().size() == 2);
}

TEST_CASE_METHOD(Fixture, "a walk that drifts without one good record is settled with none") {
    std::atomic<int> total{3};
    TestServer server([&](const TestRequest&) { return TestAnswer{200, fmt::format(R"({{"totals":[{{"count":{}}}],"items":[{{"id":7}}]}})", ++total)}; });
    const auto slices = run(server);
    CHECK(slices[0].records == 0);
    CHECK(slices[0].rejected > 0);
    CHECK_FALSE(slices[0].complete);
}

TEST_CASE_METHOD(Fixture, "a key that a refusal repeats is hidden, wherever its text is cut") {
    plan.retries.tries = 1;
    for (const int before : {290, 195}) {
        const std::string filler(static_cast<std::size_t>(before), 'x');
        TestServer server([&](const TestRequest&) { return TestAnswer{400, before > 200 ? R"({"message":")" + filler + R"( s3cret-key"})" : filler + " s3cret-key"}; });
        plan.slices.clear();
        CHECK(std::string(failure(server).what()).find("s3c") == std::string::npos);
    }
}

TEST_CASE_METHOD(Fixture, "a redirect keeps the key from another host") {
    TestServer other(Entries{5, 10});
    TestServer server([&](const TestRequest& r) { return TestAnswer{302, "", {{"Location", other.url("localhost") + r.target}}}; });
    CHECK(run(server)[0].records == 5);
    REQUIRE(other.log().size() == 1);
    CHECK_FALSE(other.log()[0].headers.contains("x-api-key"));
}

TEST_CASE_METHOD(Fixture, "an answer beyond the limit is refused") {
    plan.limits.body_bytes = 1000;
    TestServer server(Entries{100, 100});
    const Error e = failure(server);
    CHECK(e.error_class == ErrorClass::Permanent);
    CHECK(std::string(e.what()).find("larger than") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "a host that does not answer is a transient error with its address") {
    plan.retries.tries = 2;
    plan.slices = make_slices(plan.resource, Json::object(), Scope(), {}, false);
    plan.connection = {{"url", "http://127.0.0.1:1"}, {"key", "k"}};
    try {
        (void)extract(plan, governors, database, events);
        FAIL("it did not fail");
    } catch (const Error& e) {
        CHECK(e.error_class == ErrorClass::Transient);
        CHECK(std::string(e.what()).find("http://127.0.0.1:1/entries") != std::string::npos);
    }
}
