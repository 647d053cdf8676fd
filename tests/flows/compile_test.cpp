/// What a flow becomes, and what is said of it without asking a host.
#include "compiled.hpp"

using namespace millrace;
using namespace millrace::test;

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

TEST_CASE("compile: two flows of one name") {
    const auto result =
        compile({{"a.yaml", "flow: f\ntasks: {a: {wait: 1s}}\n"}, {"b.yaml", "flow: f\ntasks: {a: {wait: 1s}}\n"}}, project(), sources());
    CHECK(result.flows.size() == 1);
    CHECK(messages(result) == "1:7 a flow called 'f' is already in a.yaml = flows of one project have different names\n");
    const auto by_name =
        compile({{"a.yaml", "flow: f\ntasks: {a: {wait: 1s}}\n"}, {"f.yaml", "flow: f\ntasks: {a: {wait: 1s}}\n"}}, project(), sources());
    REQUIRE(by_name.flows.size() == 1);
    CHECK(by_name.flows[0].file == "f.yaml"); // whose name it is
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

TEST_CASE("where `retry` is written, an attempt of a command whose host is lost counts") {
    const auto tasks =
        plan_of("flow: f\ntasks:\n  a: {run: echo a, retry: 1}\n  b: {run: echo b}\n  c: {transform: select 1 as n, retry: 1}\n").tasks;
    const auto by_default = plan_of("flow: f\ndefaults: {retry: 2}\ntasks:\n  a: {run: echo a}\n").tasks;
    CHECK(tasks[0].retry.charges_lost);
    CHECK_FALSE(tasks[1].retry.charges_lost);
    CHECK_FALSE(tasks[2].retry.charges_lost);
    CHECK(by_default[0].retry.charges_lost);
}

TEST_CASE("a retry policy has a ceiling on its total time where `within` is written, and its JSON only there") {
    const auto plan =
        plan_of("flow: f\nretry: {delay: 15m, within: 6h}\ntasks:\n  a: {run: echo a, retry: {within: 1h}}\n  b: {run: echo b}\n");
    CHECK(plan.retry.within == 6 * 3600);
    CHECK(plan.tasks[0].retry.within == 3600);
    const Json json(plan);
    CHECK(json.get<FlowPlan>().tasks[0].retry.within == 3600);
    CHECK(json.at("retry").at("within") == 6 * 3600);
    CHECK_FALSE(json.at("tasks")[1].at("retry").contains("within"));
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

TEST_CASE("compile: what a flow expects, and a plan that expects nothing says nothing of it") {
    const std::string text = R"(
flow: hours
schedule: {every: 1h, pause_after: 3}
expect: {start_within: 10m, finish_within: 2h, fresh: 26h, new_rows: 3d, rows: {rows: {min: 1, max: 100}, more: {min: 2}}}
tasks:
  rows: {transform: select 1 as id}
  more: {transform: select 2 as id}
  target: {load: rows, into: warehouse.public.t, mode: append}
)";
    const auto plan = plan_of(text);
    CHECK(plan.schedules[0].pause_after == 3);
    CHECK(plan.expect.start_within == 600);
    CHECK(plan.expect.finish_within == 7200);
    CHECK(plan.expect.fresh == 26 * 3600);
    CHECK(plan.expect.new_rows == 3 * 86400);
    const auto again = Json(plan).get<FlowPlan>();
    CHECK(Json(again) == Json(plan));
    REQUIRE(again.expect.rows.size() == 2);
    CHECK(again.expect.rows[0].task == "more");
    CHECK(again.expect.rows[0].min == 2);
    CHECK_FALSE(again.expect.rows[0].max);
    CHECK(again.expect.rows[1].max == 100);
    CHECK(Json(FlowPlan()).at("expect") == Json::object());
}
