#include "tasks/evaluate.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

InferTask source(const std::string& name, std::vector<InferColumn> columns) {
    InferTask t;
    t.name = name;
    t.schema_known = !columns.empty();
    t.columns = std::move(columns);
    return t;
}

InferTask sql(const std::string& name, const std::string& text, std::map<std::string, std::string> expressions = {}) {
    InferTask t;
    t.name = name;
    t.sql = text;
    t.expressions = std::move(expressions);
    return t;
}

InferOrder order(std::vector<InferTask> tasks) {
    InferOrder o;
    o.id = 3;
    o.tasks = std::move(tasks);
    o.bindings = {{"run_at", "TIMESTAMPTZ"}, {"from_day", "DATE"}};
    return o;
}

const InferTask entries =
    source("entries", {{"id", "VARCHAR"}, {"hours", "DECIMAL(9,4)"}, {"at", "TIMESTAMPTZ"}, {"p", "STRUCT(a INTEGER, b VARCHAR[])"}});
const InferTask projects = source("projects", {{"id", "VARCHAR"}, {"name", "VARCHAR"}});

} // namespace

TEST_CASE("SQL is prepared over empty tables: what it reads and what it gives") {
    const InferReply reply =
        infer(order({entries, projects,
                     sql("a", "with projects2 as (select * from Projects) select e.id, e.p.b[1] as first, sum(hours) as h, $run_at as at "
                              "from entries as e join projects2 p on p.id = e.id where e.at >= $from_day group by all"),
                     sql("b", "select a.*, (select count(*) from entries) as n from a")}));
    REQUIRE(reply.tasks.size() == 4);
    const InferResult& a = reply.tasks[2];
    CHECK(a.error == "");
    std::vector<std::string> reads = a.reads;
    std::sort(reads.begin(), reads.end());
    CHECK(reads == std::vector<std::string>{"entries", "projects"});
    REQUIRE(a.columns.size() == 4);
    CHECK(a.columns[1].type == "VARCHAR");
    CHECK(a.columns[2].type == "DECIMAL(38,4)");
    CHECK(a.columns[3].type == "TIMESTAMP WITH TIME ZONE");
    CHECK(reply.tasks[3].columns.size() == 5);
    CHECK(reply.tasks[3].reads.size() == 2);
}

TEST_CASE("mistakes name the nearest thing and their place") {
    const InferReply reply =
        infer(order({projects, sql("a", "select nme from projects"), sql("b", "select 1 from project"), sql("c", "select $from_dy as d"),
                     sql("d", "select $run_at > from_day from projects"), sql("e", "select id frm projects where"),
                     sql("f", "delete from projects"), sql("g", "select * from a; select 2"), sql("self", "select * from self")}));
    CHECK(reply.tasks[1].error_offset == 7);
    CHECK_THAT(reply.tasks[1].error, Catch::Contains("name"));
    CHECK(reply.tasks[2].error == "there is no task 'project' to read: did you mean 'projects'?");
    CHECK(reply.tasks[2].error_offset == 14);
    CHECK(reply.tasks[3].error == "there is no parameter $from_dy: did you mean $from_day?");
    CHECK(reply.tasks[3].error_offset == 7);
    CHECK(reply.tasks[4].error_offset == 17);
    CHECK(reply.tasks[5].error_offset > 0);
    for (const std::size_t i : {6U, 7U, 8U}) CHECK(reply.tasks[i].error != "");
}

TEST_CASE("DuckDB words these mistakes as the compiler expects") {
    const InferReply reply = infer(
        order({entries, sql("a", "select p.bb from entries"), sql("b", "select id, count(*) from entries having id > 'a'"),
               sql("c", "select id, count(*) from entries"), sql("d", "select * from clockify.tags"), sql("e", "select * from a.b.c")}));
    CHECK_THAT(reply.tasks[1].error, Catch::StartsWith("Could not find key \"bb\" in struct") && Catch::Contains("Candidate Entries: \""));
    CHECK_THAT(reply.tasks[2].error, Catch::StartsWith("column id must appear in the GROUP BY clause"));
    CHECK_THAT(reply.tasks[3].error, Catch::StartsWith("column \"id\" must appear in the GROUP BY clause"));
    CHECK(reply.tasks[3].error_offset == 7);
    CHECK_THAT(reply.tasks[4].error, Catch::StartsWith("Table with name \"clockify.tags\" does not exist because schema \"clockify\""));
    CHECK(reply.tasks[4].error_offset == 14);
    CHECK_THAT(reply.tasks[5].error, Catch::StartsWith("Catalog \"a\" does not exist"));
}

TEST_CASE("beyond a table without a schema only the edges are known") {
    const InferReply reply = infer(
        order({source("raw", {}), projects, sql("a", "select x from raw join projects using (id) where y in (select z from projects)"),
               sql("b", "select * from a")}));
    CHECK(reply.tasks[2].error == "");
    CHECK_FALSE(reply.tasks[2].schema_known);
    CHECK(reply.tasks[2].reads == std::vector<std::string>{"raw", "projects"});
    CHECK(reply.tasks[3].reads == std::vector<std::string>{"a"});
    CHECK_FALSE(reply.tasks[3].schema_known);
}

TEST_CASE("expressions: when, checks over `this`, column rules") {
    const InferReply reply = infer(order({projects,
                                          sql("a", "select id, name from projects",
                                              {{"when", "(select count(*) from projects) > 0 and $run_at is not null"},
                                               {"check few", "select * from this where length(name) > 3"},
                                               {"column id", "length(id) > 3"}}),
                                          sql("b", "select id from projects", {{"column id", "length(idd) > 3"}}),
                                          sql("c", "select 1 as x", {{"when", "(select max(n) from a) > 1"}})}));
    CHECK(reply.tasks[1].error == "");
    CHECK(reply.tasks[2].expression == "column id");
    CHECK(reply.tasks[2].error_offset == 7);
    CHECK(reply.tasks[3].expression == "when");
    CHECK(reply.tasks[3].reads == std::vector<std::string>{"a"});
    CHECK(reply.tasks[3].columns.size() == 1);
}

TEST_CASE("each text of SQL has its own mistake, further ones of a task come last") {
    const InferReply reply =
        infer(order({projects, sql("a", "select idd from projects", {{"when", "(select nme from projects) = 'x'"}}),
                     sql("b", "select id from projects",
                         {{"check one", "select * from this where i = 1"}, {"check two", "select * from this where j = 1"}})}));
    REQUIRE(reply.tasks.size() == 5);
    CHECK(reply.tasks[1].expression == "");
    CHECK(reply.tasks[2].expression == "check one");
    CHECK(reply.tasks[2].columns.size() == 1);
    CHECK(reply.tasks[3].name == "a");
    CHECK(reply.tasks[3].expression == "when");
    CHECK(reply.tasks[4].name == "b");
    CHECK(reply.tasks[4].expression == "check two");
}

TEST_CASE("an instant that there is not is a mistake at its place, before a run comes to it") {
    const InferReply reply =
        infer(order({projects, sql("a", "select id, date '2026-02-30' as day from projects"),
                     sql("b", "select id from projects", {{"when", "$run_at > timestamptz '2026-13-01 00:00Z'"}}),
                     sql("c", "select try_cast('2026-02-30' as date) as d, date '2026-02-28' + interval '3 days' as e"),
                     sql("d", "select cast(id as date) as d, interval 'a while' as e from projects")}));
    CHECK(reply.tasks[1].error == "there is no 2026-02-30: February 2026 has 28 days");
    CHECK(reply.tasks[1].error_offset == 16);
    CHECK_THAT(reply.tasks[2].error, Catch::Contains("2026-13-01"));
    CHECK(reply.tasks[2].expression == "when");
    CHECK(reply.tasks[3].error == "");
    CHECK_THAT(reply.tasks[4].error, Catch::Equals("'a while' is no interval"));
}

TEST_CASE("a rule over a column that the contract calls otherwise is not a second mistake") {
    InferTask task =
        sql("a", "select id, name from projects", {{"column naem", "length(name) > 3"}, {"check few", "from this where name = ''"}});
    task.columns = {{"id", "VARCHAR"}, {"naem", "VARCHAR"}};
    const InferReply reply = infer(order({projects, task}));
    CHECK(reply.tasks.size() == 2);
    CHECK(reply.tasks[1].error == "");
}

TEST_CASE("a condition is a boolean") {
    const InferReply reply = infer(order({projects, sql("a", "select id from projects", {{"when", "(select count(*) from projects)"}}),
                                          sql("b", "select id from projects", {{"column id", "id"}}),
                                          sql("c", "select id from projects", {{"when", "$from_day < '2026-01-01'"}})}));
    CHECK_THAT(reply.tasks[1].error, Catch::Contains("of type bigint"));
    CHECK_THAT(reply.tasks[2].error, Catch::Contains("of type text"));
    CHECK(reply.tasks[3].error == "");
}

TEST_CASE("a statement with parameters is typed, not computed") {
    const InferReply reply = infer(order({sql("endless", "with recursive t as (select 1 as a union all select a + 1 from t) select a, "
                                                         "$from_day as d from t where $from_day is null; -- forever"),
                                          sql("self", "select * from self")}));
    CHECK(reply.tasks[0].error == "");
    REQUIRE(reply.tasks[0].columns.size() == 2);
    CHECK(reply.tasks[0].columns[1].type == "DATE");
    CHECK(reply.tasks[1].error == "'self' reads itself");
}
