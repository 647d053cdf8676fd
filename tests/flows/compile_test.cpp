#include "flows/compile.hpp"
#include "flows/project_files.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace millrace;

namespace {

const Sources& sources() {
    static const Sources all = [] {
        std::vector<Diagnostic> ignored;
        return read_sources(std::string(MILLRACE_SOURCE_DIR) + "/connectors/sources", ignored);
    }();
    return all;
}

Project project() {
    auto p = default_project();
    p.limits["warehouse_writers"] = 2;
    return p;
}

CompileResult compiled(const std::string& yaml, InferencePort* inference = nullptr) {
    return compile({{"f.yaml", yaml}}, project(), sources(), inference);
}

/// The plan of a flow without mistakes.
FlowPlan plan_of(const std::string& yaml, InferencePort* inference = nullptr) {
    auto result = compiled(yaml, inference);
    for (const auto& d : result.diagnostics) UNSCOPED_INFO(to_text(d));
    REQUIRE(result.flows.size() == 1);
    return result.flows[0].plan;
}

std::string messages(const CompileResult& result) {
    std::string text;
    for (const auto& d : result.diagnostics)
        text += std::to_string(d.line) + ":" + std::to_string(d.column) + " " + d.message + " = " + d.hint + "\n";
    return text;
}

std::vector<std::string> names(const FlowPlan& plan) {
    std::vector<std::string> all;
    for (const auto& task : plan.tasks) all.push_back(task.name);
    return all;
}

/// A host that answers by task name, and remembers what it was asked.
struct FakeHost : InferencePort {
    std::map<std::string, InferResult> results;
    std::vector<InferOrder> orders;

    InferReply infer(const InferOrder& order) override {
        orders.push_back(order);
        InferReply reply;
        for (const auto& task : order.tasks) {
            auto result = results[task.name];
            result.name = task.name;
            if (task.sql.empty() && task.schema_known && !result.schema_known) {
                result.columns = task.columns;
                result.schema_known = true;
            }
            reply.tasks.push_back(result);
        }
        return reply;
    }
};

} // namespace

TEST_CASE("compile: every shipped flow compiles without a word") {
    for (const auto& file : yaml_files(std::string(MILLRACE_SOURCE_DIR) + "/flows/library")) {
        const auto result = compile({{file.filename().string(), read_source_text(file).text()}}, default_project(), sources());
        for (const auto& d : result.diagnostics) UNSCOPED_INFO(to_text(d));
        CAPTURE(file.string());
        CHECK(result.diagnostics.empty());
        CHECK(result.flows.size() == 1);
    }
}

TEST_CASE("compile: the plan of a flow") {
    const auto plan = plan_of(R"(
flow: hours
schedule: {cron: "0 6 * * 1-5", timezone: America/Sao_Paulo}
interval: {every: 1d, lookback: 7d}
params: {workspace: {type: connection, default: clockify}, size: {type: int, default: 50}}
limits: {warehouse_writers: 1}
defaults: {retry: 3, timeout: 10m, memory: 512MB}
tasks:
  stored:
    load: rows
    into: warehouse.hours.entries
    mode: upsert
    key: entry_id
    retry: {attempts: 5, delay: 1m, for: [transient]}
  rows:
    transform: select _id as entry_id, userName from entries join projects p on p.id = projectId where $size > 0
    columns: {entry_id: text unique, userName: text null}
    rejects: {max: 1%, min_rows: 10, to: quarantine}
  entries:
    extract: ${workspace}.detailed_report
    for_each: projects
    with: {project: "${item.id}", from: "${interval.start}", to: "${interval.end}"}
    allow_failed: 2
  projects:
    extract: clockify.projects
    with: {archived: false}
)");
    CHECK(names(plan) == std::vector<std::string>{"projects", "entries", "rows", "stored"});
    CHECK(plan.timezone == "America/Sao_Paulo");
    CHECK(plan.interval->lookback.days == 7);
    CHECK(plan.tasks[1].needs == std::vector<int>{0});
    CHECK(plan.tasks[2].needs == std::vector<int>{0, 1});
    CHECK(plan.tasks[2].timeout == 600);
    CHECK(plan.tasks[2].memory_bytes == 512'000'000);
    CHECK(plan.tasks[2].retry.attempts == 3);
    CHECK(plan.tasks[3].retry.for_classes == std::vector<std::string>{"transient"});
    const auto extract = plan.tasks[1].options.get<ExtractOptions>();
    CHECK(extract.connection == "${workspace}");
    CHECK(extract.for_each->task == "projects");
    CHECK(*extract.allow_failed->count == 2);
    CHECK(plan.tasks[0].options.get<ExtractOptions>().with == Json{{"archived", false}});
    const auto transform = plan.tasks[2].options.get<TransformOptions>();
    CHECK(transform.inputs == std::vector<std::string>{"entries", "projects"});
    CHECK(transform.contract.columns[0].unique);
    CHECK(*transform.contract.rejects.max.percent == 1);
    const auto load = plan.tasks[3].options.get<LoadOptions>();
    CHECK(load.tables[0].table == "hours.entries");
    CHECK(load.tables[0].key == std::vector<std::string>{"entry_id"});
    CHECK(*load.max_deletes.percent == 10);
    CHECK(plan.sources.contains("clockify"));
    CHECK(Json(plan).get<FlowPlan>().tasks.size() == 4);
    CHECK(plan_hash(plan) == plan_hash(Json(plan).get<FlowPlan>()));
}

TEST_CASE("compile: several tables in one load keep their order, key and mode by table") {
    const auto plan = plan_of(R"(
flow: two
tasks:
  clients: {extract: clockify.clients}
  tags: {extract: clockify.tags}
  stored:
    load: {b: tags, a: clients}
    into: warehouse.s
    mode: {a: upsert, b: append}
    key: {a: [id, workspaceId]}
)");
    const auto load = plan.tasks[2].options.get<LoadOptions>();
    REQUIRE(load.tables.size() == 2);
    CHECK(load.tables[0].table == "s.b");
    CHECK(load.tables[0].mode == "append");
    CHECK(load.tables[1].key == std::vector<std::string>{"id", "workspaceId"});
}

TEST_CASE("compile: waits, approvals and commands, mapped over items") {
    const auto plan = plan_of(R"(
flow: others
tasks:
  clients: {extract: clockify.clients}
  pause: {wait: 5s, for_each: clients}
  until: {wait: {until: "${run.at}"}}
  ok: {approve: "Really ${run.id}?", timeout: 1h, by: [ops]}
  score: {run: [python3, s.py, "${item.id}"], for_each: {sql: select id from clients}, output: csv, columns: {n: int}, needs: [ok]}
)");
    CHECK(plan.tasks[1].map_over->task == "clients");
    CHECK(plan.tasks[1].needs == std::vector<int>{0});
    CHECK(*plan.tasks[1].options.get<WaitOptions>().seconds == 5);
    CHECK(plan.tasks[3].timeout == 0);
    CHECK(plan.tasks[3].options.get<ApproveOptions>().timeout_seconds == 3600);
    CHECK(plan.tasks[4].map_over->sql == "select id from clients");
    CHECK(plan.tasks[4].needs == std::vector<int>{0, 3});
}

TEST_CASE("compile: all mistakes at once, in the order of the file") {
    const auto result =
        compiled("flow: Hours\noverlap: quue\ntasks:\n  a: {wait: soon}\n  b: {wait: 1s, needs: [c]}\n  d: {exract: clockify.clients}\n");
    CHECK(result.flows.empty());
    CHECK(messages(result) == "1:7 `flow` takes a name, not 'Hours' = a name begins with a lower-case letter and has lower-case letters, "
                              "digits and _, at most 63 of them\n"
                              "2:10 `overlap` takes queue, skip, cancel_previous or allow, not 'quue' = did you mean 'queue'?\n"
                              "4:13 `wait` takes a duration such as 90s, 5m, 2h or 7d, or a mapping, not 'soon' = wait: 5m, for example\n"
                              "5:25 no task is called 'c' = there are a, d\n"
                              "6:7 the task 'd' has no key 'exract' = did you mean 'extract'?\n");
}

TEST_CASE("compile: a host's inference gives edges, columns and places of mistakes") {
    const std::string yaml = "flow: f\ntasks:\n  clients: {extract: clockify.clients}\n  rows:\n    transform: |\n      select id,\n       "
                             " nme as name from clients\n    columns: {id: text, name: text}\n";
    FakeHost host;
    host.results["rows"].error = "there is no column 'nme': did you mean 'name'?";
    host.results["rows"].error_offset = 13;
    host.results["rows"].reads = {"clients"};
    CHECK(messages(compiled(yaml, &host)) == "7:9 there is no column 'nme' = did you mean 'name'?\n");
    REQUIRE(host.orders.size() >= 1);
    CHECK(host.orders[0].tasks[0].columns[0].name == "id");
    CHECK(host.orders[0].bindings.contains("run_at"));

    host.results["rows"].error = "Referenced column \"nme\" not found in FROM clause!\nCandidate bindings: \"name\", \"id\"";
    CHECK(messages(compiled(yaml, &host)) ==
          "7:9 Referenced column \"nme\" not found in FROM clause = did you mean \"name\", of 'clients'?\n");
    host.results["rows"].error = "Could not find key \"nme\"\n\nCandidate bindings: : \"name\"";
    CHECK(messages(compiled(yaml, &host)) == "7:9 Could not find key \"nme\" = did you mean \"name\"?\n");

    host.results["rows"].error = "No function matches the given name and argument types.\n\tCandidate functions:\n\tlen(VARCHAR)";
    CHECK(messages(compiled(yaml, &host)) ==
          "7:9 No function matches the given name and argument types = cast what is of another type than it takes, such as x::bigint, "
          "x::date\n");
    host.results["rows"].error = "Cannot access file \"x\" - file system operations are disabled by configuration";
    CHECK(messages(compiled(yaml, &host)).starts_with("7:9 SQL reads no files = "));
    host.results["rows"].error = "Referenced column \"_item\" not found in FROM clause!\nCandidate bindings: \"id\"";
    CHECK(messages(compiled(yaml, &host)).find("where their extract has `for_each`") != std::string::npos);
    host.results["rows"].error = "Referenced column \"Bob\" not found in FROM clause!\nCandidate bindings: \"id\"";
    host.results["rows"].error_offset = 35;
    const auto text = compiled(
        "flow: f\ntasks:\n  clients: {extract: clockify.clients}\n  rows: {transform: 'select * from clients where name = \"Bob\"'}\n",
        &host);
    CHECK(messages(text).find("double quotes are for names; a text stands in single ones: 'Bob'") != std::string::npos);

    FakeHost other;
    other.results["rows"] = {"rows", {"clients"}, {{"id", "VARCHAR"}, {"nme", "VARCHAR"}, {"more", "VARCHAR"}}, true, "", "", -1};
    const auto found = messages(compiled(yaml, &other));
    CHECK(found.find("8:25 the SQL gives no column 'name' = did you mean 'nme'?") != std::string::npos);
    other.results["rows"] = {"rows", {"clients"}, {{"id", "VARCHAR"}, {"hours", "DOUBLE"}}, true, "", "", -1};
    const auto hours = [&](const std::string& sql) {
        return messages(compiled("flow: f\ntasks:\n  clients: {extract: clockify.clients}\n  rows:\n    transform: " + sql +
                                     "\n    columns: {id: text, hours: \"decimal(9,2)\"}\n",
                                 &other));
    };
    CHECK(hours("select id, n / 3600 as hours from clients") ==
          "6:25 the SQL gives 'hours' as DOUBLE, and a value with more digits than decimal(9,2) holds is rejected = write round(..., 2) as "
          "hours in the SQL\n");
    CHECK(hours("select id, round(n / 3600, 2) as hours from clients").empty());
    CHECK(found.find("8:5 the SQL gives 2 columns that `columns` lacks: nme, more") != std::string::npos);
}

TEST_CASE("compile: what DuckDB says without a place stands where the SQL has the name, else where it begins") {
    FakeHost host;
    const auto told = [&](const std::string& error, int offset = -1) {
        host.results["rows"].error = error;
        host.results["rows"].error_offset = offset;
        return messages(compiled("flow: f\ntasks:\n  clients: {extract: clockify.clients}\n  rows:\n    transform: |\n      select name,\n"
                                 "        count(*) as n from clients\n      having name > 'a'\n",
                                 &host));
    };
    CHECK(told("column name must appear in the GROUP BY clause or be used in an aggregate function") ==
          "8:14 column name must appear in the GROUP BY clause or be used in an aggregate function = add it to `group by`, or say which of "
          "its values is meant: any_value(..), max(..)\n");
    CHECK(told("column \"name\" must appear in the GROUP BY clause or must be part of an aggregate function.\nEither add it, or not.", 7) ==
          "6:14 column \"name\" must appear in the GROUP BY clause or must be part of an aggregate function = add it to `group by`, or say "
          "which "
          "of its values is meant: any_value(..), max(..)\n");
    CHECK(told("Could not find key \"N\" in struct\n\nCandidate Entries: \"nn\", \"duration\"") ==
          "7:21 Could not find key \"N\" in struct = did you mean \"nn\"?\n");
    CHECK(told("Set operations can only apply to expressions with the same number of result columns").starts_with("6:7 Set operations"));
}

TEST_CASE("compile: a column that is not grouped stands where the select list has it bare") {
    FakeHost host;
    const auto place = [&](const std::string& sql) {
        host.results["rows"].error =
            "column \"t\" must appear in the GROUP BY clause or must be part of an aggregate function.\nEither not.";
        const auto told = messages(
            compiled("flow: f\ntasks:\n  clients: {extract: clockify.clients}\n  rows:\n    transform: |\n      " + sql + "\n", &host));
        return told.substr(0, told.find(' '));
    };
    CHECK(place("select id, t.start::date as day, sum(t.n) as n from clients group by id") == "6:18");
    CHECK(place("select sum(round(t.n, 2)), t from clients group by id") == "6:34");
    CHECK(place("select t.a as x, lower(t.b), t.c from clients group by x, lower(t.b)") == "6:36");
    CHECK(place("select id, sum(t.n) as n from clients group by id order by t") == "6:66"); // nowhere bare: the last one
}

TEST_CASE("compile: SQL that reads a connection or a schema is told to name a task") {
    FakeHost host;
    const auto told = [&](const std::string& table, const std::string& error, int offset = -1) {
        host.results["rows"].error = error;
        host.results["rows"].error_offset = offset;
        return messages(compiled(
            "flow: f\ntasks:\n  clients: {extract: clockify.clients}\n  rows: {transform: select id from " + table + "}\n", &host));
    };
    const auto no_schema = [](const std::string& schema, const std::string& table) {
        return "Table with name \"" + schema + "." + table + "\" does not exist because schema \"" + schema + "\" does not exist.";
    };
    CHECK(
        told("clockify.tags", no_schema("clockify", "tags"), 15) ==
        "4:36 'clockify.tags' is no task, and SQL reads the datasets of tasks = extract it in a task, tags: {extract: clockify.tags}, and "
        "name that task here\n");
    CHECK(told("clockify.clients", no_schema("clockify", "clients"), 15).find("the task 'clients' extracts it: from clients") !=
          std::string::npos);
    CHECK(told("demo.clients", no_schema("demo", "clients"), 15).find("a task's name stands alone: from clients") != std::string::npos);
    CHECK(told("warehouse.demo.x", "Catalog \"warehouse\" does not exist!") ==
          "4:36 'warehouse.demo.x' is no task, and SQL reads the datasets of tasks = name the task that makes these rows; tables of a "
          "database are not read yet\n");
}

TEST_CASE("compile: a type of the contract that no value of the SQL has") {
    FakeHost host;
    host.results["rows"] = {
        "rows", {}, {{"a", "BIGINT"}, {"b", "DATE"}, {"c", "INTEGER[]"}, {"d", "VARCHAR"}, {"e", "BOOLEAN"}, {"f", "BIGINT"}}, true, "",
        "",     -1};
    const auto found = messages(compiled("flow: f\ntasks:\n  rows:\n    transform: select 1\n    columns: {a: date, b: bigint, c: text, d: "
                                         "date, e: int, f: \"decimal(9,2)\"}\n",
                                         &host));
    CHECK(found ==
          "5:15 the SQL gives 'a' as BIGINT: a number is not a date or time = declare it as bigint, or make it a date or time in the "
          "SQL\n5:24 the SQL gives 'b' as DATE: a date or time is not a number = declare it as date, or make it a number in the SQL\n");
}

TEST_CASE("compile: a load into a connection that nothing fills in is told") {
    auto here = project();
    for (auto& [name, spec] : here.connections) spec.unset = name != "warehouse";
    const auto told = [&](const std::string& into) {
        return messages(compile({{"f.yaml", "flow: f\ntasks:\n  clients: {extract: clockify.clients}\n  stored: {load: clients, into: " +
                                                into + ", mode: replace}\n"}},
                                here, sources()));
    };
    CHECK(told("postgres.demo.clients") ==
          "4:33 the connection 'postgres' is not declared, and the environment here does not fill it in = targets here: warehouse "
          "(postgres); "
          "another one is declared in millrace.yaml: connections: {postgres: {type: postgres, url: \"${secret.POSTGRES_URL}\"}}\n");
    CHECK(told("warehouse.demo.clients").empty());
}

TEST_CASE("compile: the whole steps that a lookback is told to take are never shorter than it") {
    const auto remedy = [](const std::string& interval) {
        const auto told = messages(compiled("flow: f\ninterval: {" + interval + "}\ntasks:\n  pause: {wait: 1s}\n"));
        return told.substr(told.find(" = ") + 3);
    };
    CHECK(remedy("every: 1d, lookback: 72h") == "write 3d\n");
    CHECK(remedy("every: 1d, lookback: 36h") == "write 2d\n");
    CHECK(remedy("every: 7d, lookback: 169h") == "write 14d\n");
    CHECK(remedy("every: 3mo, lookback: 4mo") == "write 6mo\n");
    CHECK(remedy("every: 1mo, lookback: 1000h") == "write it in steps of 1mo\n");
}

TEST_CASE("compile: a parameter in a string of any kind is text") {
    const auto found = messages(compiled("flow: f\ntasks:\n  a: {transform: \"select e'it\\\\'s $x' as b, '$y' as c, $$ $z $$ as d\"}\n"));
    CHECK(found.empty());
}

TEST_CASE("compile: behind a list of CTEs only the first word says what a statement does") {
    const auto told = [](const std::string& sql) { return messages(compiled("flow: f\ntasks:\n  a: {transform: \"" + sql + "\"}\n")); };
    for (const char* query : {"with c as (select 1) select * from (select 2) load", "with c as (select 1) select (select 2) set, (3) copy",
                              "with recursive c(n) using key (n) as (select 1 union all select 2) select n from c",
                              "with c(n) as not materialized (select 1), d as (select 2) (select * from d)"})
        CHECK(told(query).empty());
    for (const char* other :
         {"with c as (select 1) insert into x select * from c", "with c(n) as materialized (select 1), d as (select 2) copy d", "load x",
          "with c as (select (1)) delete from c"})
        CHECK_THAT(told(other), Catch::Contains("is no query: SQL of a flow only reads"));
}

TEST_CASE("compile: further mistakes of a host, names that come twice, columns of a query of items") {
    FakeHost host;
    host.results["rows"] = {"rows", {"clients"}, {{"id", "VARCHAR"}, {"ID", "VARCHAR"}}, true, "no column 'x'", "check one", 4};
    const std::string rows = "flow: f\ntasks:\n  clients: {extract: clockify.clients}\n  rows: {transform: select id from clients, checks: "
                             "[{name: one, sql: the x}]}\n";
    CHECK(messages(compiled(rows, &host)) ==
          "4:21 the SQL gives two columns called 'ID' = give one of them another name with `as`, or leave it out\n4:75 no column 'x' = \n");

    FakeHost items;
    items.results["projects items"] = {"projects items", {"projects"}, {{"client", "VARCHAR"}}, true, "", "", -1};
    const auto found = messages(compiled(
        "flow: f\ntasks:\n  projects: {extract: clockify.projects, for_each: {sql: select 1}, with: {name: \"${item.clint}\"}}\n", &items));
    CHECK(found.find("the query of `for_each` has no column 'clint' = did you mean 'client'?") != std::string::npos);
    CHECK(found.find("the items of 'projects' come from 'projects' itself") != std::string::npos);
}

TEST_CASE("compile: instants, local times and dates are three types") {
    FakeHost host;
    host.results["rows"] = {
        "rows", {}, {{"a", "TIMESTAMP"}, {"b", "DATE"}, {"c", "TIMESTAMP WITH TIME ZONE"}, {"d", "DATE"}, {"e", "VARCHAR"}}, true, "",
        "",     -1};
    const auto found = messages(compiled("flow: f\ntasks:\n  rows:\n    transform: select 1\n    columns:\n      a: timestamptz\n      b: "
                                         "timestamptz\n      c: date\n      d: timestamp\n      e: timestamptz\n",
                                         &host));
    CHECK(found == "6:7 the SQL gives 'a' as TIMESTAMP: a local time is no instant = say which zone it is of: "
                   "the_time::timestamptz takes the flow's, timezone('America/Sao_Paulo', the_time) another\n"
                   "7:7 the SQL gives 'b' as DATE: a date is no instant = say which zone's midnight it is: the_date::timestamptz takes "
                   "the flow's, timezone('America/Sao_Paulo', the_date::timestamp) another\n"
                   "8:7 the SQL gives 'c' as TIMESTAMP WITH TIME ZONE: an instant is no date = say which zone's calendar: "
                   "the_instant::date takes the flow's, timezone('America/Sao_Paulo', the_instant)::date another\n");
}

TEST_CASE("compile: the items of an extract become the type of its _item column") {
    const std::string yaml = R"(
flow: f
interval: {every: 1d}
tasks:
  projects: {extract: clockify.projects, columns: {id: text, name: text}}
  entries: {extract: clockify.detailed_report, for_each: projects, with: {project: "${item.id}", from: "${interval.start}", to: "${interval.end}"}}
  rows: {transform: select _item.name as project from entries}
)";
    FakeHost host;
    host.results["rows"] = {"rows", {"entries"}, {{"project", "VARCHAR"}}, true, "", "", -1};
    const auto plan = plan_of(yaml, &host);
    CHECK(names(plan) == std::vector<std::string>{"projects", "entries", "rows"});
    const auto& entries = host.orders.back().tasks[1];
    CHECK(entries.schema_known);
    CHECK(entries.columns.back().type == "STRUCT(\"id\" VARCHAR, \"name\" VARCHAR)");
}

TEST_CASE("compile: a host that does not answer is one clear error") {
    struct Broken : InferencePort {
        InferReply infer(const InferOrder&) override { throw Error(ErrorClass::Crashed, "the host ended", "run `millrace doctor`"); }
    } broken;
    CHECK(messages(compiled("flow: f\ntasks:\n  a: {wait: 1s}\n", &broken)) ==
          "0:0 the SQL could not be checked: the host ended = run `millrace doctor`\n");
}

TEST_CASE("compile: two flows of one name") {
    const auto result =
        compile({{"a.yaml", "flow: f\ntasks: {a: {wait: 1s}}\n"}, {"b.yaml", "flow: f\ntasks: {a: {wait: 1s}}\n"}}, project(), sources());
    CHECK(result.flows.size() == 1);
    CHECK(messages(result) == "1:7 a flow called 'f' is already in a.yaml = flows of one project have different names\n");
}

TEST_CASE("compile: the same flow has the same hash, another one another") {
    const std::string yaml = "flow: f\ntasks: {a: {wait: 1s}, b: {wait: 2s}}\n";
    CHECK(compiled(yaml).flows[0].hash == compiled("# remark\n" + yaml).flows[0].hash);
    CHECK(compiled(yaml).flows[0].hash != compiled("flow: f\ntasks: {a: {wait: 1s}, b: {wait: 3s}}\n").flows[0].hash);
}

TEST_CASE("compile: a thousand tasks and a long chain are quick") {
    std::string yaml = "flow: f\ntasks:\n  t0: {wait: 1s}\n";
    for (int i = 1; i < 2000; ++i) yaml += "  t" + std::to_string(i) + ": {wait: 1s, needs: [t" + std::to_string(i - 1) + "]}\n";
    CHECK(plan_of(yaml).tasks.back().name == "t1999");
}

TEST_CASE("compile: a file of nothing but mistakes ends soon, with the first of them") {
    std::string yaml = "flow: f\ntasks:\n";
    for (int i = 0; i < 10'000; ++i) yaml += "  t" + std::to_string(i) + ": {wait: 1s, needs: [u" + std::to_string(i) + "]}\n";
    const auto result = compiled(yaml);
    CHECK(result.flows.empty());
    CHECK(result.diagnostics.size() == 301);
    CHECK(result.diagnostics.back().message == "there may be more mistakes");
}

TEST_CASE("without a retry policy extract and load wait for a short outage, other verbs have one attempt") {
    const auto tasks = plan_of(R"(
flow: f
tasks:
  a:
    extract: clockify.clients
  b:
    transform: select id from a
  c:
    load: b
    into: warehouse.t
    mode: upsert
    key: id
)")
                           .tasks;
    CHECK(tasks[0].retry.attempts == 3);
    CHECK(tasks[0].retry.for_classes == std::vector<std::string>{"transient", "rate_limited"});
    CHECK(tasks[1].retry.attempts == 1);
    CHECK(tasks[2].retry.attempts == 3);
}
