#include "tests/connectors/http/extraction_fixture.hpp"

using namespace millrace;
using namespace millrace::test;

TEST_CASE_METHOD(Extraction, "what fails once is tried again: errors, cut and truncated answers, HTML, a stalled answer") {
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

TEST_CASE_METHOD(Extraction, "a service may think before it answers, but not for ever") {
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
    std::filesystem::remove_all(folder + "/slices");
    const Error e = failure(server);
    CHECK(std::string(e.what()).find("after 3 tries") != std::string::npos); // fewer than of an error that costs no time
    CHECK(e.error_class == ErrorClass::Timeout);
    CHECK(std::string(e.what()).find("the service sent nothing") != std::string::npos);
}

TEST_CASE_METHOD(Extraction,
                 "what keeps failing ends in an error that names the request, the reason and the remedy, and leaves nothing loaded") {
    plan.retries.tries = 3;
    const Entries entries{25, 10};
    TestServer server([&](const TestRequest& r) { return page_of(r) == 3 ? TestAnswer{500, R"({"message":"boom"})"} : entries(r); });
    const Error e = failure(server);
    CHECK(e.error_class == ErrorClass::Transient);
    CHECK(std::string(e.what()) == "GET " + server.url() + "/entries?page=3&size=10 (entries, page 3): 500 boom, after 3 tries");
    CHECK_FALSE(e.remedy.empty());
    CHECK(std::filesystem::is_empty(folder + "/slices"));
}

TEST_CASE_METHOD(Extraction, "an answer in another encoding is told as one") {
    plan.retries.tries = 2;
    TestServer server([](const TestRequest&) { return TestAnswer{200, "[{\"id\": \"1\", \"name\": \"Jos\xE9\"}]"}; });
    const Error e = failure(server);
    CHECK(e.error_class == ErrorClass::Transient);
    CHECK_THAT(std::string(e.what()), Catch::Contains("200 with an answer that is no JSON: it is not UTF-8"));
    CHECK_THAT(e.remedy, Catch::StartsWith("the service sends another encoding"));
}

TEST_CASE_METHOD(Extraction, "refused credentials are not tried again") {
    TestServer server([](const TestRequest&) { return TestAnswer{401, R"({"message":"Api key does not exist"})"}; });
    CHECK(failure(server).error_class == ErrorClass::Auth);
    CHECK(server.log().size() == 1);
}

TEST_CASE_METHOD(Extraction, "a short pause that the server asks for is kept inside the attempt, a long one is the engine's") {
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

TEST_CASE_METHOD(Extraction, "a service that asks for a long pause fails no slice: everybody stops asking and the attempt ends") {
    plan.resource.window = WindowSpec{Span{0, 1, 0}};
    plan.resource.params = {{"from", "timestamptz", true, false, {}}, {"to", "timestamptz", true, false, {}}};
    plan.slices = make_slices(plan.resource, {{"from", "2026-11-01"}, {"to", "2026-11-21"}}, Scope(), {}, false);
    plan.allow_failed = Share{90.0, {}};
    plan.source.rate.concurrency = 1;
    TestServer server([](const TestRequest& r) {
        return r.number < 3 ? Entries{5, 10}.page(1) : TestAnswer{429, "", {{"Retry-After", "3600"}}};
    });
    CHECK(failure(server).error_class == ErrorClass::RateLimited);
    CHECK(server.log().size() == 3);
    const Error again = failure(server); // another attempt asks nothing either
    CHECK(again.error_class == ErrorClass::RateLimited);
    CHECK(again.retry_after > 3500);
    CHECK(server.log().size() == 3);
}

TEST_CASE_METHOD(Extraction, "a rate below nothing is a mistake, not a licence") {
    TestServer server(Entries{5, 10});
    plan.slices = make_slices(plan.resource, Json::object(), Scope(), {}, false);
    plan.connection = {{"url", server.url()}, {"key", "k"}, {"requests_per_second", -1}};
    CHECK_THROWS_WITH(extract(plan, governors, database, events), "requests_per_second of the connection is no rate: -1");
}

TEST_CASE_METHOD(Extraction, "a cancelled extraction ends soon") {
    std::atomic<bool> cancel{false};
    events.cancelled = [&] { return cancel.load(); };
    TestServer server([&](const TestRequest& r) {
        if (page_of(r) == 2) cancel = true;
        return Entries{1000, 10}(r);
    });
    CHECK(failure(server).error_class == ErrorClass::Cancelled);
    CHECK(server.log().size() < 20);
}

TEST_CASE_METHOD(Extraction, "an object in the place of a list of pages is an answer of another shape, no record") {
    list_without_total();
    plan.resource.columns = {{"id", "VARCHAR", true}};
    TestServer server([](const TestRequest&) { return TestAnswer{200, R"({"message":"try again"})"}; });
    const Error e = failure(server);
    CHECK(e.error_class == ErrorClass::BadData);
    CHECK(std::string(e.what()).find("200 with an answer of another shape: it is an object") != std::string::npos);
}

TEST_CASE_METHOD(Extraction, "a key that a refusal repeats is hidden, wherever its text is cut") {
    plan.retries.tries = 1;
    for (const int before : {290, 195}) {
        const std::string filler(static_cast<std::size_t>(before), 'x');
        TestServer server([&](const TestRequest&) {
            return TestAnswer{400, before > 200 ? R"({"message":")" + filler + R"( s3cret-key"})" : filler + " s3cret-key"};
        });
        plan.slices.clear();
        CHECK(std::string(failure(server).what()).find("s3c") == std::string::npos);
    }
}

TEST_CASE_METHOD(Extraction, "a redirect keeps the key from another host") {
    TestServer other(Entries{5, 10});
    TestServer server([&](const TestRequest& r) { return TestAnswer{302, "", {{"Location", other.url("localhost") + r.target}}}; });
    CHECK(run(server)[0].records == 5);
    REQUIRE(other.log().size() == 1);
    CHECK_FALSE(other.log()[0].headers.contains("x-api-key"));
}

TEST_CASE_METHOD(Extraction, "an answer beyond the limit is refused") {
    plan.limits.body_bytes = 1000;
    TestServer server(Entries{100, 100});
    const Error e = failure(server);
    CHECK(e.error_class == ErrorClass::Permanent);
    CHECK(std::string(e.what()).find("larger than") != std::string::npos);
}

TEST_CASE_METHOD(Extraction, "a host that does not answer is a transient error with its address") {
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

TEST_CASE_METHOD(Extraction, "null in the place of a page is no end of the list") {
    list_without_total();
    TestServer server([](const TestRequest& r) { return page_of(r) == 2 ? TestAnswer{200, "null"} : Entries{25, 10, false}(r); });
    const Error e = failure(server);
    CHECK(e.error_class == ErrorClass::BadData);
    CHECK(std::string(e.what()).find("it is no list of records: null") != std::string::npos);
}

TEST_CASE_METHOD(Extraction, "an answer of another shape shows how it begins") {
    TestServer server([](const TestRequest&) { return TestAnswer{200, R"({"message": "Workspace is locked"})"}; });
    CHECK(std::string(failure(server).what()).find(R"(it has no list 'items': {"message": "Workspace is locked"})") != std::string::npos);
}

TEST_CASE_METHOD(Extraction, "a host that a redirect leads to, and that asks for credentials, is named") {
    TestServer other([](const TestRequest&) { return TestAnswer{401, R"({"message":"Api key does not exist"})"}; });
    TestServer server([&](const TestRequest& r) { return TestAnswer{302, "", {{"Location", other.url("localhost") + r.target}}}; });
    const Error e = failure(server);
    CHECK(std::string(e.what()).find("401 from " + other.url("localhost")) != std::string::npos);
    CHECK(e.remedy.find("url") != std::string::npos);
}
