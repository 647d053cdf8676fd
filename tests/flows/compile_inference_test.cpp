/// What a host says of the SQL of a flow, and where it is told.
#include "compiled.hpp"

using namespace millrace;
using namespace millrace::test;

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
          "6:25 the SQL gives 'hours' as double, and a value with more digits than decimal(9,2) holds is rejected = write round(..., 2) as "
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
          "5:15 the SQL gives 'a' as bigint: a number is not a date or time = declare it as bigint, or make it a date or time in the "
          "SQL\n5:24 the SQL gives 'b' as date: a date or time is not a number = declare it as date, or make it a number in the SQL\n");
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
    CHECK(found == "6:7 the SQL gives 'a' as timestamp: a local time is no instant = say which zone it is of: "
                   "the_time::timestamptz takes the flow's, timezone('America/Sao_Paulo', the_time) another\n"
                   "7:7 the SQL gives 'b' as date: a date is no instant = say which zone's midnight it is: the_date::timestamptz takes "
                   "the flow's, timezone('America/Sao_Paulo', the_date::timestamp) another\n"
                   "8:7 the SQL gives 'c' as timestamptz: an instant is no date = say which zone's calendar: "
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

TEST_CASE("compile: a sum over more than a step of the interval, which a load replaces, is warned of") {
    FakeHost host;
    host.results["rows"] = {"rows", {"clients"}, {{"m", "DATE"}, {"n", "BIGINT"}}, true, "", "", -1};
    const auto told = [&](const std::string& every, const std::string& sql, const std::string& mode = "upsert, key: m") {
        return messages(compiled("flow: f\ninterval: {every: " + every +
                                     "}\ntasks:\n  clients: {extract: clockify.clients}\n  rows:\n    transform: " + sql +
                                     "\n  out: {load: rows, into: warehouse.t, mode: " + mode + "}\n",
                                 &host));
    };
    const std::string by_month = "select date_trunc('month', d) as m, count(*) as n from clients group by 1";
    CHECK(
        told("1d", by_month) ==
        "6:34 this groups by month, and the interval's `every` is 1d: a run whose interval holds only a part of a month replaces the rows "
        "of the whole = write every: 1mo, or group by what lies within a step\n");
    CHECK(told("1mo", by_month).empty());
    CHECK(told("1y", by_month).empty());
    CHECK(told("1d", by_month, "append").empty());
    CHECK(told("1d", "select date_trunc('day', d) as m, count(*) as n from clients group by 1").empty());
    CHECK(told("1d", "select date_trunc('month', d) as m, 1::bigint as n from clients").empty());
    CHECK(told("1d", "select date_trunc('WEEK', d) as m, count(*) as n from clients group by 1").starts_with("6:34 this groups by week"));
}

TEST_CASE("compile: a host that does not answer is one clear error") {
    struct Broken : InferencePort {
        InferReply infer(const InferOrder&) override { throw Error(ErrorClass::Crashed, "the host ended", "run `millrace doctor`"); }
    } broken;
    CHECK(messages(compiled("flow: f\ntasks:\n  a: {wait: 1s}\n", &broken)) ==
          "0:0 the SQL could not be checked: the host ended = run `millrace doctor`\n");
}
