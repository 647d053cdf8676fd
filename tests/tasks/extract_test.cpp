#include "connectors/manifest.hpp"
#include "flows/project_files.hpp"
#include "tests/connectors/http/test_server.hpp"
#include "tests/tasks/host_process.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

SourceSpec clockify() {
    std::vector<Diagnostic> diagnostics;
    return read_sources(std::string(MILLRACE_SOURCE_DIR) + "/connectors/sources", diagnostics).at("clockify");
}

AttemptOrder extract_order(const TempFolder& run, const TestServer& server, const std::string& task, const Json& options) {
    AttemptOrder order = order_for(run, task, "extract", options);
    order.source = clockify();
    order.source_file = "/opt/clockify.yaml";
    order.connections["clockify"] = {{"type", "clockify"},
                                     {"api_key", "secret-key"},
                                     {"workspace_id", "w1"},
                                     {"url", server.url() + "/api"},
                                     {"reports_url", server.url() + "/reports"},
                                     {"requests_per_second", 1000}};
    return order;
}

/// One user with one project and two tags a day; the second day is empty.
TestAnswer summary(const TestRequest& r) {
    const Json body = Json::parse(r.body);
    if (body.at("dateRangeStart").get<std::string>().starts_with("2026-11-19")) return {200, R"({"totals":[null],"groupOne":[]})"};
    return {200, R"json({"totals":[{"_id":"","totalTime":7200,"entriesCount":2,"totalAmount":40055.555555555555,"amounts":[]}],
      "groupOne":[{"_id":"u1","name":"Zoë \"Z\"","duration":7200,"amount":40055.555555555555,"amounts":[],"children":[
        {"_id":"p1","name":"Mill","clientId":"c1","clientName":"Race","duration":7200,"amount":40055.555555555555,"amounts":[],"children":[
          {"_id":"t1","name":"wheel","duration":3600,"amount":100,"amounts":[]},
          {"_id":"","name":"(Without tag)","duration":3600,"amounts":[]}]}]}]})json"};
}

} // namespace

TEST_CASE("extract: one request a day, records with their window, exact amounts, a later attempt asks nothing again") {
    const TempFolder run;
    TestServer server(summary);
    HostProcess host("extract");
    AttemptOrder order = extract_order(
        run, server, "report",
        {{"connection", "${workspace}"}, {"resource", "summary"}, {"with", {{"from", "${interval.start}"}, {"to", "${interval.end}"}}}});
    order.context.params = {{"workspace", "clockify"}};
    order.context.interval_start = "2026-11-18T03:00:00Z";
    order.context.interval_end = "2026-11-20T03:00:00Z";
    const AttemptDone done = host.attempt(order);
    if (done.error) FAIL(done.error->message);
    CHECK(done.rows == 1);
    CHECK(done.progress.requests == 2);
    REQUIRE(server.log().size() == 2);
    for (const TestRequest& r : server.log()) {
        const Json body = Json::parse(r.body);
        CHECK(r.target == "/reports/workspaces/w1/reports/summary");
        CHECK(r.headers.at("x-api-key") == "secret-key");
        CHECK(body.at("timeZone") == "America/Sao_Paulo");
        CHECK(body.at("dateRangeEnd").get<std::string>().substr(10) == "T23:59:59.999Z");
    }
    const Json row =
        rows_of_dataset(
            host, done.manifest,
            "select name, amount, _window.date as day, children[1].clientName as client, children[1].children[2].amount as nothing, "
            "len(children[1].children) as tags from d")
            .at(0);
    CHECK(row["name"] == "Zoë \"Z\"");
    CHECK(row["amount"] == "40055.555555555555000000");
    CHECK(row["day"] == "2026-11-18");
    CHECK(row["client"] == "Race");
    CHECK(row["nothing"].is_null());
    CHECK(row["tags"] == 2);
    const Manifest manifest = read_manifest(done.manifest);
    CHECK_FALSE(manifest.complete); // it is the days of the interval
    CHECK(manifest.doubts.empty());
    CHECK(manifest.slices == 2);
    for (const ManifestColumn& c : manifest.columns) // as the spec promises
        if (c.name == "duration" || c.name == "amount") CHECK(c.nullable == (c.name == "duration" ? std::optional(false) : std::nullopt));

    order.id += 1000;
    order.attempt = 2;
    CHECK(host.attempt(order).rows == 1);
    CHECK(server.log().size() == 2);
    for (const Json& line : log_of(order)) CHECK(line.dump().find("secret-key") == std::string::npos);
}

TEST_CASE("extract: for_each asks once per item and each record carries its item") {
    const TempFolder run;
    TestServer server([](const TestRequest& r) {
        const std::string project = Json::parse(r.body).at("projects").at("ids").at(0);
        return TestAnswer{
            200, R"({"totals":[{"entriesCount":1}],"timeentries":[{"_id":"e-)" + project +
                     R"(","userId":"u","billable":true,"projectId":")" + project +
                     R"(","timeInterval":{"start":"2026-11-19T10:00:00-03:00","end":"2026-11-19T11:00:00-03:00","duration":3600}}]})"};
    });
    HostProcess host("extract");
    const AttemptDone projects = host.attempt(
        order_for(run, "projects", "transform", {{"sql", "select 'p' || i % 3 as id, i % 3 * 1.5 as factor from range(5) r(i)"}}));
    AttemptOrder order = extract_order(run, server, "entries",
                                       {{"connection", "clockify"},
                                        {"resource", "detailed_report"},
                                        {"for_each", {{"task", "projects"}, {"sql", ""}}},
                                        {"with", {{"project", "${item.id}"}, {"from", "${interval.start}"}, {"to", "${interval.end}"}}}});
    order.inputs = {{"projects", projects.manifest}};
    host.send(to_line("attempt", order));
    const Json event = host.receive("event");
    REQUIRE(!event.is_null());
    CHECK(event["message"] == "2 rows of `for_each` are another row again: each is done once (`select distinct` leaves them out)");
    const auto done = host.receive("done").get<AttemptDone>();
    if (done.error) FAIL(done.error->message);
    CHECK(done.rows == 3);
    CHECK(server.log().size() == 3);
    const Json row =
        rows_of_dataset(
            host, done.manifest,
            "select count(*) filter (_item.id = projectId) as same, sum(_item.factor) as factor, min(timeInterval.start) as at from d")
            .at(0);
    CHECK(row["same"] == 3);
    CHECK(row["factor"] == "4.5");
    CHECK(row["at"] == "2026-11-19T13:00:00Z");
    CHECK_FALSE(read_manifest(done.manifest).complete); // `project` narrows the report
}

TEST_CASE("extract: records that break the contract fail the task, or are set aside within the limit") {
    const TempFolder run;
    TestServer server([](const TestRequest&) {
        return TestAnswer{
            200,
            R"([{"id":"1","name":"a","workspaceId":"w1","archived":false},{"id":"2","name":"b","workspaceId":"w1","archived":"no"}])",
            {{"Content-Type", "application/json"}, {"Last-Page", "true"}}};
    });
    HostProcess host("extract");
    const AttemptDone failed = host.attempt(extract_order(run, server, "tags", {{"connection", "clockify"}, {"resource", "tags"}}));
    REQUIRE(failed.error);
    CHECK(failed.error->error_class == "bad_data");
    CHECK(failed.error->message ==
          "1 of 2 records of tags break its contract, none is allowed: page 1, record 2: 'archived' is \"no\", which "
          "is a text, declared bool");
    CHECK_THAT(failed.error->remedy, Catch::Contains("correct `columns` of tags in /opt/clockify.yaml"));
    CHECK(failed.rejected == 1);
    const Json rejected = rows_of_dataset(host, failed.rejects).at(0);
    CHECK(rejected["_column"] == "archived");
    CHECK(rejected["_rule"] == "is a text, declared bool");
    CHECK(rejected["_value"] == "\"no\"");
    CHECK(rejected["_position"] == "page 1, record 2");
    CHECK(Json::parse(rejected["_raw"].get<std::string>())["archived"] == "no");

    const AttemptDone sensitive =
        host.attempt(extract_order(run, server, "tags3", {{"connection", "clockify"}, {"resource", "tags"}, {"sensitive", true}}));
    CHECK(read_manifest(sensitive.rejects).sensitive);
    CHECK(rows_of_dataset(host, sensitive.rejects).at(0)["_value"].is_null());
    REQUIRE(sensitive.error);
    CHECK(sensitive.error->message.find("\"no\"") == std::string::npos);

    AttemptOrder order = extract_order(
        run, server, "tags2",
        {{"connection", "clockify"}, {"resource", "tags"}, {"contract", {{"rejects", {{"max", {{"count", 5}}}, {"to", "quarantine"}}}}}});
    const AttemptDone done = host.attempt(order);
    if (done.error) FAIL(done.error->message);
    CHECK(done.rows == 1);
    CHECK(done.rejected == 1);
    const Manifest manifest = read_manifest(done.manifest);
    CHECK_FALSE(manifest.complete);
    CHECK(done.rejects == order.staging + "/" + manifest.quarantine);
    CHECK(read_manifest(done.rejects).rows == 1);
}

TEST_CASE("extract: a record that is no JSON is rejected beside those that break the contract of the task") {
    const TempFolder run;
    TestServer server([](const TestRequest&) {
        return TestAnswer{200,
                          R"([{"id":"1","name":"a","workspaceId":"w1","archived":false},{"id":"2","name":"b","workspaceId":"w1",)"
                          R"("archived":false},{"id":"3","name":"c","workspaceId":"w1","archived":tru}])",
                          {{"Content-Type", "application/json"}, {"Last-Page", "true"}}};
    });
    HostProcess host("extract");
    const Json columns = Json::array(
        {{{"name", "id"}, {"type", "VARCHAR"}, {"unique", true}}, {{"name", "name"}, {"type", "VARCHAR"}, {"check", "name <> 'b'"}}});
    const AttemptDone done =
        host.attempt(extract_order(run, server, "tags",
                                   {{"connection", "clockify"},
                                    {"resource", "tags"},
                                    {"contract", {{"columns", columns}, {"rejects", {{"max", {{"count", 5}}}, {"to", "quarantine"}}}}}}));
    if (done.error) FAIL(done.error->message);
    CHECK(done.rows == 1);
    CHECK(done.rejected == 2);
    CHECK(rows_of_dataset(host, done.rejects, "select * from d where _raw like '%tru}'").size() == 1);
}

TEST_CASE("extract: a contract takes the columns that it names") {
    const TempFolder run;
    TestServer server([](const TestRequest&) {
        return TestAnswer{200,
                          R"([{"id":"1","name":"a","workspaceId":"w1","archived":false}])",
                          {{"Content-Type", "application/json"}, {"Last-Page", "true"}}};
    });
    HostProcess host("extract");
    const Json id{{"name", "id"}, {"type", "VARCHAR"}, {"unique", true}};
    const AttemptDone done = host.attempt(
        extract_order(run, server, "tags", {{"connection", "clockify"}, {"resource", "tags"}, {"contract", {{"columns", {id}}}}}));
    if (done.error) FAIL(done.error->message);
    CHECK(done.rows == 1);
    CHECK(read_manifest(done.manifest).columns.size() == 1);
}

TEST_CASE("extract: mistakes of a flow are told by name") {
    const TempFolder run;
    TestServer server([](const TestRequest&) { return TestAnswer{200, "[]"}; });
    HostProcess host("extract");
    const auto message = [&](const Json& options) {
        const AttemptDone done = host.attempt(extract_order(run, server, "x", options));
        return done.error ? done.error->message + " / " + done.error->remedy : "";
    };
    CHECK(message({{"connection", "clockify"}, {"resource", "client"}}) ==
          "the source clockify has no resource 'client' / did you mean 'clients'?");
    CHECK(message({{"connection", "clockify"}, {"resource", "clients"}, {"with", {{"archivd", true}}}}) ==
          "resource 'clients' takes no parameter 'archivd' / did you mean 'archived'?");
    CHECK(message({{"connection", "other"}, {"resource", "clients"}}).starts_with("there is no connection 'other'"));
}
