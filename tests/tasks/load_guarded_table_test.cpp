/// Tables that somebody else has made, with a will of their own.
#include "tests/tasks/load_bench.hpp"

using namespace millrace;
using namespace millrace::test;
using Catch::Contains;

namespace {

/// `what`: PL/pgSQL that runs before each row.
void guard(const Warehouse& warehouse, const std::string& table, const std::string& events, const std::string& what) {
    warehouse.value("CREATE OR REPLACE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + what +
                    " END $$; CREATE OR REPLACE TRIGGER guard BEFORE " + events + " ON " + table +
                    " FOR EACH ROW EXECUTE FUNCTION guard(); SELECT 1");
}

const std::string rows = "select i::int as id, 'n' || i as name from range(10) r(i)";

} // namespace

TEST_CASE("a trigger that keeps rows out fails the load, in every way of loading, and nothing is left of it") {
    Bench b(require_database());
    b.warehouse.value("CREATE SCHEMA out; CREATE TABLE out.t (id int PRIMARY KEY, name text); SELECT 1");
    guard(b.warehouse, "out.t", "INSERT OR UPDATE OR DELETE",
          "IF TG_OP = 'DELETE' THEN RETURN NULL; END IF; IF new.id = 3 THEN RETURN NULL; END IF; RETURN new;");
    CHECK_THAT(counts(b.load(rows)), Contains("bad_data: out.t: a trigger or rule of the table keeps out inserts (1 row)"));
    CHECK(b.warehouse.value("SELECT count(*) FROM out.t") == "0");
    CHECK_THAT(counts(b.load("select * from (" + rows + ") where id = 3", {{"mode", "append"}, {"key", Json::array()}})),
               Contains("keeps out inserts (1 row)"));

    const auto by_hand = [&](const std::string& sql) {
        b.warehouse.value("SET session_replication_role = replica; " + sql + "; SELECT 1");
    };
    by_hand("INSERT INTO out.t VALUES (99, 'old')");
    CHECK_THAT(counts(b.load(rows)), Contains("keeps out inserts, such as that of the row with the key (3)"));
    by_hand("INSERT INTO out.t VALUES (3, 'old')");
    CHECK_THAT(counts(b.load(rows)), Contains("keeps out updates (1 row)"));
    CHECK(b.warehouse.value("SELECT count(*) FROM out.t") == "2");
    by_hand("UPDATE out.t SET name = 'n3' WHERE id = 3");
    CHECK(counts(b.load(rows)) == "9 0 1 0"); // what stands there already needs nobody's leave
    CHECK_THAT(counts(b.load(rows, {{"delete_rule", "missing"}, {"max_deletes", {{"percent", 50}}}})),
               Contains("keeps out deletions (1 row)"));
    CHECK_THAT(counts(b.load(rows, {{"mode", "replace"}, {"key", Json::array()}})), Contains("keeps out deletions (11 rows)"));
}

TEST_CASE("a trigger may change rows, or put them into a table that inherits") {
    Bench b(require_database());
    b.warehouse.value("CREATE SCHEMA out; CREATE TABLE out.t (id int, name text, _batch_id text, seen int); CREATE TABLE out.t_part () "
                      "INHERITS (out.t); SELECT 1");
    guard(b.warehouse, "out.t", "INSERT", "new.seen := 1; INSERT INTO out.t_part VALUES (new.*); RETURN NULL;");
    CHECK(counts(b.load(rows, {{"mode", "append"}, {"key", Json::array()}})) == "10 0 0 0");
    CHECK(b.warehouse.value("SELECT count(*) FROM out.t_part WHERE seen = 1") == "10");
}

TEST_CASE("a constraint of the table that the rows break is named with the table and a remedy") {
    Bench b(require_database());
    const auto refused = [&](const std::string& columns) {
        b.warehouse.value("CREATE SCHEMA IF NOT EXISTS out; DROP TABLE IF EXISTS out.t; CREATE TABLE out.t (" + columns + "); SELECT 1");
        const AttemptDone done = b.load(rows);
        REQUIRE(done.error);
        CHECK_THAT(done.error->message, Catch::StartsWith("out.t: PostgreSQL: "));
        CHECK(b.warehouse.value("SELECT count(*) FROM out.t") == "0");
        return done.error->remedy;
    };
    CHECK_THAT(refused("id int PRIMARY KEY, name text, same text DEFAULT 'x' UNIQUE"), Contains("t_same_key"));
    CHECK_THAT(refused("id int PRIMARY KEY, name text CHECK (name <> 'n7')"), Contains("t_name_check"));
    CHECK_THAT(refused("id int PRIMARY KEY, name varchar(1)"), Contains("more room"));
}

TEST_CASE("rows that the connection's user may not see are not compared") {
    Bench b(require_database());
    b.warehouse.value("CREATE SCHEMA out; CREATE TABLE out.t (id int PRIMARY KEY, name text); ALTER TABLE out.t ENABLE ROW LEVEL SECURITY; "
                      "CREATE POLICY visible ON out.t USING (id < 5); SELECT 1");
    const std::string role = "guarded_" + std::to_string(::getpid());
    b.warehouse.value("CREATE ROLE " + role + " LOGIN; GRANT ALL ON SCHEMA out TO " + role + "; GRANT ALL ON out.t TO " + role +
                      "; SELECT 1");
    AttemptOrder order = b.order(b.dataset(rows), Json::object());
    std::string url = b.warehouse.url;
    url.replace(url.find("//") + 2, url.find('@') - url.find("//") - 2, role);
    order.connections["warehouse"]["url"] = url;
    CHECK_THAT(counts(b.host.attempt(order)), Contains("row-level security of out.t"));
    b.warehouse.value("DROP OWNED BY " + role + "; DROP ROLE " + role + "; SELECT 1");
}

TEST_CASE("replace without a key leaves documents that did not change") {
    Bench b(require_database());
    const std::string documents =
        "select i::int as n, {'a': i, 'b': ['x', NULL]} as doc, ('{\"z\": 1.50, \"a\":' || i || '}')::json as js from range(10) r(i)";
    const Json options = {{"mode", "replace"}, {"key", Json::array()}};
    CHECK(counts(b.load(documents, options)) == "10 0 0 0");
    const std::string before = b.warehouse.value("SELECT string_agg(xmin::text || ctid::text, ' ') FROM out.t");
    CHECK(counts(b.load(documents + " order by i desc", options)) == "0 0 10 0");
    CHECK(b.warehouse.value("SELECT string_agg(xmin::text || ctid::text, ' ') FROM out.t") == before);
    CHECK(counts(b.load("select * from (" + documents + ") where n <> 4", options)) == "9 0 0 10");
    CHECK(b.warehouse.value("SELECT count(*) || ' ' || max(doc::text) FROM out.t") == R"(9 {"a": 9, "b": ["x", null]})");
}
