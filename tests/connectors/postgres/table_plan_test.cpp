#include "connectors/duckdb/database.hpp"
#include "connectors/duckdb/row_source.hpp"
#include "connectors/targets/postgres/merge_sql.hpp"
#include "connectors/targets/postgres/table_plan.hpp"
#include "tests/skip.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using namespace millrace::test;
using namespace millrace::postgres;

TEST_CASE("the rows of a partitioned table are those of its partitions, analysed or not") {
    Session session(require_database());
    session.run("BEGIN; CREATE SCHEMA parts; CREATE TABLE parts.t (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE parts.a "
                "PARTITION OF parts.t FOR VALUES FROM (0) TO (10000); "
                "CREATE TABLE parts.b PARTITION OF parts.t FOR VALUES FROM (10000) TO (20000); INSERT INTO parts.t SELECT "
                "generate_series(0, 19999)");
    const duckdb::Database database({});
    duckdb::Connection db = database.connect();
    LoadRequest::Table table;
    table.spec = {"parts.t", "rows", "upsert", {"id"}};
    const auto rows = [&] {
        return plan_table(session, {}, table, {}, "public", duckdb::resolve_columns(db, {{"id", "INTEGER"}})).estimated_rows;
    };
    CHECK(rows() > 1000);
    session.run("ANALYZE parts.a; ANALYZE parts.b");
    CHECK(rows() == 20000);
    session.run("ROLLBACK");
}

TEST_CASE("a unique index on the key or a part of it keeps the key from being there twice, whatever it carries along") {
    Session session(require_database());
    session.run("BEGIN; CREATE SCHEMA own; CREATE TABLE own.t (id int NOT NULL, day date NOT NULL, note text)");
    const duckdb::Database database({});
    duckdb::Connection db = database.connect();
    LoadRequest::Table table;
    table.spec = {"own.t", "rows", "upsert", {"id", "day"}};
    const auto plan = [&](const std::string& index) {
        session.run("SAVEPOINT s; " + index);
        const TablePlan found =
            plan_table(session, {}, table, {}, "public", duckdb::resolve_columns(db, {{"id", "INTEGER"}, {"day", "DATE"}}));
        session.run("ROLLBACK TO SAVEPOINT s");
        return found;
    };
    CHECK_FALSE(plan("").is_unique);
    CHECK_FALSE(plan("CREATE UNIQUE INDEX ON own.t (id, note)").is_unique);
    CHECK_FALSE(plan("CREATE INDEX ON own.t (id)").is_unique);
    const TablePlan by_part = plan("CREATE UNIQUE INDEX ON own.t (id)");
    CHECK(by_part.is_unique);
    CHECK(by_part.key_indexes.empty());
    const TablePlan carrying = plan("CREATE UNIQUE INDEX own_key ON own.t (day, id) INCLUDE (note)");
    CHECK(carrying.is_unique);
    CHECK(carrying.key_indexes == std::set<std::string>{"own_key"});
    session.run("ROLLBACK");
}

TEST_CASE("a key that may be NULL is one value where the server can do that, and no syntax error where it cannot") {
    TablePlan plan;
    plan.name = {"out", "t"};
    plan.key = {"id"};
    CHECK(create_key(plan, NullsInKey::None, 140000) == "ALTER TABLE \"out\".\"t\" ADD PRIMARY KEY (\"id\")");
    CHECK(create_key(plan, NullsInKey::Possible, 150000) == "CREATE UNIQUE INDEX ON \"out\".\"t\" (\"id\") NULLS NOT DISTINCT");
    CHECK(create_key(plan, NullsInKey::Possible, 140000) == "CREATE UNIQUE INDEX ON \"out\".\"t\" (\"id\")");
}
