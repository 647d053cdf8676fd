#include "connectors/http/json_path.hpp"
#include "connectors/http/page_walk.hpp"
#include "connectors/http/request_builder.hpp"
#include "connectors/http/requester.hpp"
#include "connectors/http/retry_after.hpp"
#include "connectors/http/slices.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {
PagingSpec pages(std::int64_t size, const std::string& last_header = "") {
    PagingSpec p;
    p.kind = "page_number";
    p.param = "page";
    p.size_param = "page-size";
    p.size = size;
    p.last_header = last_header;
    return p;
}
PageArrival page(std::int64_t records, std::uint64_t fingerprint, std::optional<std::int64_t> announced = {},
                 std::optional<bool> last = {}) {
    return {records, announced, last, fingerprint};
}
} // namespace

TEST_CASE("Retry-After is a number of seconds or a date") {
    const Instant now = *parse_rfc3339("2026-11-20T06:00:00Z");
    CHECK(retry_after_seconds("120", now) == 120);
    CHECK(retry_after_seconds(" 1.5 ", now) == 1.5);
    CHECK(retry_after_seconds("Fri, 20 Nov 2026 06:01:30 GMT", now) == 90);
    CHECK(retry_after_seconds("Fri, 20 Nov 2026 05:00:00 GMT", now) == 0);
    CHECK_FALSE(retry_after_seconds("soon", now));
    CHECK_FALSE(retry_after_seconds("-5", now));
    CHECK_FALSE(retry_after_seconds("", now));
}

TEST_CASE("an origin is scheme, host and port") {
    CHECK(origin_of("https://API.example.com/v1?x=1") == origin_of("https://api.example.com:443/other"));
    CHECK(origin_of("http://api.example.com") != origin_of("https://api.example.com"));
    CHECK(origin_of("http://a.example:81") != origin_of("http://a.example"));
    CHECK(origin_of("nonsense of all kinds").empty());
    CHECK(resolve_location("https://a.example/v1/x?y", "/v2") == "https://a.example/v2");
    CHECK(resolve_location("https://a.example/v1/", "https://b.example/") == "https://b.example/");
}

TEST_CASE("a walk without a total asks page after page until an empty or shorter one") {
    PageWalk walk(pages(50));
    CHECK(walk.next() == 1);
    CHECK_FALSE(walk.next());
    walk.arrived(page(50, 1));
    CHECK(walk.next() == 2);
    walk.arrived(page(20, 2));
    CHECK_FALSE(walk.next());
    CHECK(walk.over());
    CHECK(walk.drift().empty());
    CHECK(walk.records() == 70);
}

TEST_CASE("a first page shorter than asked for may be the server's own limit") {
    PageWalk walk(pages(5000));
    CHECK(walk.next() == 1);
    walk.arrived(page(200, 1));
    CHECK(walk.next() == 2);
    walk.arrived(page(200, 2));
    CHECK(walk.next() == 3);
    walk.arrived(page(0, 0));
    CHECK(walk.over());
}

TEST_CASE("the header that marks the last page decides, full page or not") {
    PageWalk walk(pages(50, "Last-Page"));
    (void)walk.next();
    walk.arrived(page(30, 1, {}, false));
    CHECK(walk.next() == 2);
    walk.arrived(page(50, 2, {}, true));
    CHECK(walk.over());
    CHECK(walk.drift().empty());
}

TEST_CASE("an announced total lets pages be under way together, and is compared") {
    PageWalk walk(pages(10));
    CHECK(walk.next() == 1);
    CHECK_FALSE(walk.can_share());
    walk.arrived(page(10, 1, 25));
    CHECK(walk.can_share());
    CHECK(walk.next() == 2);
    CHECK(walk.next() == 3);
    CHECK_FALSE(walk.next());
    walk.arrived(page(5, 3, 25));
    CHECK_FALSE(walk.over());
    walk.arrived(page(10, 2, 25));
    CHECK(walk.over());
    CHECK(walk.drift().empty());
}

TEST_CASE("a walk drifts when the total changes, or more or fewer records come than were announced") {
    PageWalk changed(pages(10));
    (void)changed.next();
    changed.arrived(page(10, 1, 20));
    (void)changed.next();
    changed.arrived(page(10, 2, 21));
    CHECK(changed.drift() == "the announced total went from 20 to 21 while paging");

    PageWalk fewer(pages(10));
    (void)fewer.next();
    fewer.arrived(page(10, 1, 20));
    (void)fewer.next();
    fewer.arrived(page(9, 2, 20));
    CHECK(fewer.drift() == "20 records were announced, 19 came");

    PageWalk empty(pages(10));
    (void)empty.next();
    empty.arrived(page(0, 0, 20));
    CHECK(empty.over());
    CHECK_FALSE(empty.drift().empty());

    CHECK(fewer.short_of_total());
    CHECK_FALSE(changed.short_of_total());
    CHECK(changed.is_repeat(1));
    CHECK_FALSE(changed.is_repeat(3));
    CHECK_FALSE(changed.is_repeat(0));
}

TEST_CASE("a page that two workers took at once has drifted the walk, whatever the total says") {
    PageWalk walk(pages(10));
    (void)walk.next();
    walk.arrived(page(10, 1, 30));
    (void)walk.next();
    (void)walk.next();
    CHECK_FALSE(walk.is_repeat(2)); // says each of them, before the other's has arrived
    walk.arrived(page(10, 2, 30));
    CHECK(walk.drift().find("came twice") == std::string::npos);
    walk.arrived(page(10, 2, 30));
    CHECK(walk.over());
    CHECK(walk.drift() == "a page came twice");

    PageWalk empty(pages(10, "Last-Page"));
    (void)empty.next();
    empty.arrived(page(10, 1, {}, false));
    for (int i = 0; i < 2; ++i) {
        (void)empty.next();
        empty.arrived(page(0, 0, {}, i > 0));
    }
    CHECK(empty.drift() == "an empty page says that more follow"); // two empty pages are no page that came twice
}

TEST_CASE("a total that is too small ends no walk whose last page was full") {
    PageWalk walk(pages(10));
    (void)walk.next();
    walk.arrived(page(10, 1, 9));
    CHECK(walk.next() == 2);
    walk.arrived(page(10, 2, 9));
    CHECK(walk.next() == 3);
    walk.arrived(page(1, 3, 9));
    CHECK(walk.over());
    CHECK(walk.drift() == "9 records were announced, 21 came");
}

TEST_CASE("requests are built from the spec: encoded path, query without nulls, page in query or body") {
    SourceSpec source;
    source.auth = {"api_key", "X-Api-Key", "", "${connection.api_key}", "", ""};
    ResourceSpec resource;
    resource.name = "clients";
    resource.path = "/workspaces/${connection.workspace_id}/clients";
    resource.query = {{"archived", "${archived}"}, {"name", "${name}"}};
    resource.paging = pages(50);
    const Json connection{{"api_key", "s3cret"}, {"workspace_id", "a/b c"}, {"url", "https://api.example.com/v1/"}};
    Scope scope;
    scope.set("connection", connection);
    scope.set("archived", false);
    scope.set("name", nullptr);
    resource.headers = {{"X-Version", "2"}, {"X-Token", "t-${connection.api_key}"}};
    const HttpRequest get = RequestBuilder(source, resource, connection, scope).page(3);
    CHECK(get.headers.at("X-Version") == "2");
    CHECK(get.credentials.at("X-Token") == "t-s3cret"); // no other origin sees it
    CHECK_FALSE(get.headers.contains("X-Token"));
    CHECK(get.url == "https://api.example.com/v1/workspaces/a%2Fb%20c/clients?archived=false&page=3&page-size=50");
    CHECK(get.credentials.at("X-Api-Key") == "s3cret");
    CHECK_FALSE(get.has_body);

    resource.method = "POST";
    resource.query = Json::object();
    resource.body = {{"projects", {{"ids", {"${name}"}}, {"contains", "CONTAINS"}}}, {"none", "${name}"}};
    resource.paging.in = "body";
    resource.paging.param = "detailedFilter.page";
    resource.paging.size_param = "detailedFilter.pageSize";
    const HttpRequest post = RequestBuilder(source, resource, connection, scope).page(2);
    CHECK(Json::parse(post.body) ==
          Json::parse(R"({"projects":{"ids":[],"contains":"CONTAINS"},"detailedFilter":{"page":2,"pageSize":50}})"));
    CHECK(post.headers.at("Content-Type") == "application/json");
}

TEST_CASE("secrets do not show") {
    SourceSpec source;
    source.connection.push_back({"api_key", true, true, {}, ""});
    const SecretMask mask(source, {{"api_key", "s3 cret"}});
    CHECK(mask("GET https://x?key=s3%20cret: bad key 's3 cret'") == "GET https://x?key=***: bad key '***'");
}

TEST_CASE("a refusal is what the spec's rules say, else what HTTP says") {
    SourceSpec source;
    source.errors.push_back({{401}, {}, "auth", "check CLOCKIFY_API_KEY"});
    source.errors.push_back({{400}, 501, "permanent", "check the ids"});
    const Instant now = *parse_rfc3339("2026-11-20T06:00:00Z");
    const Error auth = refusal_of(source, 401, R"({"message":"Api key does not exist","code":4003})", "", now);
    CHECK(auth.error_class == ErrorClass::Auth);
    CHECK(std::string(auth.what()) == "401 Api key does not exist (code 4003)");
    CHECK(auth.remedy == "check CLOCKIFY_API_KEY");
    CHECK(refusal_of(source, 400, R"({"message":"x","code":501})", "", now).remedy == "check the ids");
    for (const long status : {302, 400, 404, 418, 503})
        CHECK_FALSE(refusal_of(source, status, R"({"message":"x","code":3000})", "", now).remedy.empty());
    CHECK(refusal_of(source, 503, "<html><body>Down  for\nmaintenance</body></html>", "7", now).retry_after == 7);
    CHECK(std::string(refusal_of(source, 503, "<html><body>Down  for\nmaintenance</body></html>", "", now).what()) ==
          "503 Down for maintenance");
    CHECK(refusal_of(source, 429, "", "", now).error_class == ErrorClass::RateLimited);
    CHECK(refusal_of(source, 404, "", "", now).error_class == ErrorClass::Permanent);
}

TEST_CASE("slices are windows of the interval, by the calendar of the zone, times items") {
    ResourceSpec resource;
    resource.name = "summary";
    resource.window = WindowSpec{Span{0, 1, 0}};
    resource.params = {
        {"from", "timestamptz", true, false, {}}, {"to", "timestamptz", true, false, {}}, {"project", "text", false, true, {}}};
    Scope run("Europe/Berlin");
    run.set("interval", {{"start", "2026-03-27T23:00:00Z"}, {"end", "2026-03-29T22:00:00Z"}});
    const Json with{{"from", "${interval.start}"}, {"to", "${interval.end}"}, {"project", "${item.id}"}};
    const auto slices = make_slices(resource, with, run, {Json{{"id", "p1"}}, Json{{"id", "p2"}}, Json{{"id", "p1"}}}, true);
    REQUIRE(slices.size() == 4); // the third item is the first one again
    CHECK(to_rfc3339(slices[1].window->start) == "2026-03-28T23:00:00Z");
    CHECK(to_rfc3339(slices[1].window->end) == "2026-03-29T22:00:00Z"); // the day of the change has 23 hours
    CHECK(slices[0].label == "2026-03-28 .. 2026-03-29, item 1");
    CHECK(slices[2].values.at("project") == "p2");
    CHECK(is_narrowed(resource, slices[0].values));
    const Scope scope = slice_scope(slices[0], Json::object(), "Europe/Berlin");
    CHECK(substitute_text("${window.start:%Y-%m-%dT%H:%M:%S}.000 ${window.last:%Y-%m-%dT%H:%M:%S}.999", scope) ==
          "2026-03-28T00:00:00.000 2026-03-28T23:59:59.999");
}

TEST_CASE("parameters are checked against the resource") {
    ResourceSpec resource;
    resource.name = "clients";
    resource.params = {{"archived", "bool", false, true, {}}, {"from", "timestamptz", true, false, {}}};
    CHECK_THROWS_WITH(resource_parameters(resource, {{"archivd", true}}), "resource 'clients' takes no parameter 'archivd'");
    CHECK_THROWS_WITH(resource_parameters(resource, {{"archived", true}}), "resource 'clients' needs the parameter 'from'");
    CHECK_THROWS(resource_parameters(resource, {{"from", "2026-01-01"}, {"archived", "maybe"}}));
    CHECK(resource_parameters(resource, {{"from", "2026-01-01"}}).at("archived").is_null());
}

TEST_CASE("a governor spaces permits and keeps a pause") {
    Governor governor({50, 2});
    const auto start = Governor::Clock::now();
    for (int i = 0; i < 4; ++i) (void)governor.acquire(60, {}, {});
    CHECK(Governor::Clock::now() - start >= std::chrono::milliseconds(55));
    governor.pause(0.1);
    const auto paused = Governor::Clock::now();
    (void)governor.acquire(60, {}, {});
    CHECK(Governor::Clock::now() - paused >= std::chrono::milliseconds(95));
    governor.pause(1000);
    CHECK_THROWS_WITH(governor.acquire(2000, [] { return true; }, {}), "the request was cancelled");
    try {
        (void)governor.acquire(60, {}, {});
        FAIL("it did not refuse");
    } catch (const Error& e) {
        CHECK(e.error_class == ErrorClass::RateLimited);
        CHECK(e.retry_after > 990);
    }
}

TEST_CASE("a path names where something stands") {
    const Json value = Json::parse(R"({"totals":[{"n":3}],"a":{"b":1}})");
    CHECK(*find_in(value, parse_json_path("totals[0].n")) == 3);
    CHECK(*find_in(value, parse_json_path("a.b")) == 1);
    CHECK(find_in(value, parse_json_path("totals[1].n")) == nullptr);
    CHECK(*find_in(value, parse_json_path("")) == value);
    CHECK_THROWS(parse_json_path("a..b"));
    CHECK_THROWS(parse_json_path("a[x]"));
}
