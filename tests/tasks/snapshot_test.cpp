/// What a dataset says of itself to a load that deletes: whether a row that it lacks is gone.
#include "connectors/manifest.hpp"
#include "connectors/targets/postgres/session.hpp"
#include "flows/source_spec.hpp"
#include "tests/connectors/http/test_server.hpp"
#include "tests/skip.hpp"
#include "tests/tasks/host_process.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

/// A source with one resource: a list of records, one slice for each item.
SourceSpec shop() {
    SourceSpec source;
    source.source = "shop";
    source.connection = {{"url", false, true, {}, ""}};
    ResourceSpec resource;
    resource.name = "entries";
    resource.path = "/entries/${project}";
    resource.key = {"id"};
    resource.params = {{"project", "text", false, false, {}}};
    resource.columns = {{"id", "VARCHAR", false}, {"n", "INTEGER", false}};
    source.resources = {resource};
    return source;
}

TestAnswer entry_of(const TestRequest& r) {
    const std::string project = r.target.substr(r.target.rfind('/') + 1);
    if (project == "p1") return {400, R"({"message":"no"})"};
    return {200, R"([{"id":")" + project + R"(-a","n":1},{"id":")" + project + R"(-b","n":)" + (project == "p2" ? R"("x")" : "200") + "}]"};
}

struct Fixture {
    AttemptOrder entries(const std::string& task, const std::string& projects, const Json& more = Json::object()) {
        Json options{{"connection", "shop"},
                     {"resource", "entries"},
                     {"for_each", {{"task", "projects"}, {"sql", ""}}},
                     {"with", {{"project", "${item.id}"}}}};
        options.update(more);
        AttemptOrder order = order_for(run, task, "extract", options);
        order.inputs = {{"projects", projects}};
        order.source = shop();
        order.connections["shop"] = {{"type", "shop"}, {"url", server.url()}};
        return order;
    }
    std::string dataset(const std::string& task, const std::string& sql, const std::map<std::string, std::string>& inputs = {}) {
        AttemptOrder order = order_for(run, task, "transform", {{"sql", sql}});
        order.inputs = inputs;
        const AttemptDone done = host.attempt(order);
        if (done.error) FAIL(done.error->message);
        return done.manifest;
    }
    std::string command(const std::string& task, const std::map<std::string, std::string>& inputs) {
        AttemptOrder order = order_for(run, task, "run", {{"command", "echo id > $MILLRACE_OUTPUT"}, {"output", "csv"}});
        order.inputs = inputs;
        const AttemptDone done = host.attempt(order);
        if (done.error) FAIL(done.error->message);
        return done.manifest;
    }
    Manifest read(const AttemptDone& done) {
        if (done.error) FAIL(done.error->message);
        return read_manifest(done.manifest);
    }

    TempFolder run;
    TestServer server{entry_of};
    HostProcess host{"extract"};
};

using Doubts = std::set<std::string>;

} // namespace

TEST_CASE_METHOD(Fixture, "a failed slice makes an extract doubtful, and all that is made of it") {
    const std::string projects = dataset("projects", "select 'p' || i as id from range(2) r(i)");
    const Manifest m = read(host.attempt(entries("entries", projects, {{"allow_failed", {{"count", 1}}}})));
    CHECK(m.failed == 1);
    CHECK(m.slices == 2);
    CHECK(m.doubts == Doubts{"entries: slices failed"});
    CHECK_FALSE(m.complete);
    const std::map<std::string, std::string> input{{"entries", run.path + "/entries/manifest.json"}};
    const Manifest made = read_manifest(dataset("sums", "select sum(n) as n from entries", input));
    CHECK(made.doubts == m.doubts);
    CHECK(made.failed == 1);
    const Manifest run_by_hand = read_manifest(command("by_hand", input));
    CHECK(run_by_hand.doubts == m.doubts);
    CHECK(run_by_hand.failed == 1);
    CHECK_FALSE(run_by_hand.complete);
    CHECK(run_by_hand.extracted_at == m.extracted_at);
}

TEST_CASE_METHOD(Fixture, "rejected records count through the contract of their extract, and stay in its quarantine") {
    const std::string projects = dataset("projects", "select 'p' || i as id from range(2, 4) r(i)");
    const Json column_id = {{"name", "id"}, {"type", "VARCHAR"}};
    const Json columns = Json::array(
        {column_id, {{"name", "n"}, {"type", "INTEGER"}, {"check", "n < 100"}}, {{"name", "_item"}, {"type", "STRUCT(id VARCHAR)"}}});
    const Json rejects = {{"max", {{"count", 2}}}, {"to", "quarantine"}};
    const AttemptDone done = host.attempt(entries("entries", projects, {{"contract", {{"columns", columns}, {"rejects", rejects}}}}));
    const Manifest m = read(done);
    CHECK(m.rows == 2);
    CHECK(m.rejected == 2);
    CHECK(done.rejected == 2);
    CHECK(m.doubts == Doubts{"entries: records were rejected", "entries: rows were rejected"});
    const auto why = rows_of_dataset(host, done.rejects, "select * from d order by _column, _rule");
    REQUIRE(why.size() == 2);
    CHECK(why[0]["_column"] == "n");
    CHECK(why[0]["_rule"] == "breaks check (n < 100)");
    CHECK(why[0]["_value"] == "200");
    CHECK(why[1]["_rule"] == "is a text, declared int");
    CHECK_THAT(why[1]["_position"].get<std::string>(), Catch::StartsWith("page 1, record "));

    const AttemptDone beyond = host.attempt(
        entries("more", projects, {{"contract", {{"columns", columns}, {"rejects", {{"max", {{"count", 1}}}, {"to", "quarantine"}}}}}}));
    REQUIRE(beyond.error);
    CHECK_THAT(beyond.error->message, Catch::StartsWith("2 of 4 rows break the contract, at most 1 are allowed"));
    CHECK(rows_of_dataset(host, beyond.rejects).size() == 2);
}

TEST_CASE_METHOD(Fixture, "items that may be missing leave records out, a row limit leaves rows out") {
    Manifest narrowed = read_manifest(dataset("projects", "select 'p3' as id"));
    narrowed.complete = false;
    (void)write_manifest(run.path + "/projects", narrowed);
    const Manifest m = read(host.attempt(entries("entries", run.path + "/projects/manifest.json")));
    CHECK_FALSE(m.complete);
    CHECK(m.doubts.empty());
    narrowed.doubt("projects: slices failed");
    (void)write_manifest(run.path + "/projects", narrowed);
    CHECK(read(host.attempt(entries("again", run.path + "/projects/manifest.json"))).doubts == Doubts{"projects: slices failed"});
    AttemptOrder limited = entries("limited", run.path + "/projects/manifest.json");
    limited.context.limit_rows = 1;
    CHECK(read(host.attempt(limited)).doubts == Doubts{"projects: slices failed", "the run has a row limit"});
}

TEST_CASE_METHOD(Fixture, "delete: missing takes a narrowed dataset with a scope, a doubtful one never") {
    const std::string url = require_database(), schema = "snapshot_" + std::to_string(::getpid());
    const auto load = [&](const std::string& manifest, const std::string& batch, const std::string& scope) {
        AttemptOrder order =
            order_for(run, "load", "load",
                      {{"connection", "warehouse"},
                       {"delete_rule", "missing"},
                       {"scope", scope},
                       {"max_deletes", {{"percent", 100}}},
                       {"tables", Json::array({{{"table", schema + ".t"}, {"task", "rows"}, {"mode", "upsert"}, {"key", {"id"}}}})}});
        order.inputs = {{"rows", manifest}};
        order.connections = {{"warehouse", {{"type", "postgres"}, {"url", url}}}};
        order.batch_id = batch;
        return host.attempt(order);
    };
    const AttemptDone first = load(dataset("rows", "select unnest([1, 2, 3]) as id"), "a", "");
    if (first.error) FAIL(first.error->message);
    Manifest m = read_manifest(dataset("less", "select 1 as id"));
    const std::string less = run.path + "/less/manifest.json";
    m.complete = false;
    (void)write_manifest(run.path + "/less", m);
    CHECK_THAT(error_of(load(less, "b", "")).message, Catch::Contains("is not a complete snapshot"));
    CHECK(load(less, "b", "id < 3").loads.at(0).deleted == 1);
    m.doubt("entries: slices failed");
    (void)write_manifest(run.path + "/less", m);
    const AttemptDone refused = load(less, "c", "id <= 3");
    REQUIRE(refused.error);
    CHECK(refused.error->error_class == "bad_data");
    CHECK_THAT(refused.error->message, Catch::Contains("would look like deleted ones (entries: slices failed)"));
    CHECK(postgres::Session(url).value("SELECT count(*) FROM " + schema + ".t") == "2");
    postgres::Session(url).run("DROP SCHEMA " + schema + " CASCADE");
}
