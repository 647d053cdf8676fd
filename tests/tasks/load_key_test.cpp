/// Keys: NULL among their values, other writers, tables that hold one twice.
#include "tests/tasks/load_bench.hpp"

using namespace millrace;
using namespace millrace::test;
using postgres::Session;

namespace {

/// A dataset with a contract of one key column.
std::string contracted(Bench& b, const std::string& sql, bool nullable) {
    const Json column = {{"name", "id"}, {"type", "INTEGER"}, {"nullable", nullable}};
    const AttemptDone done = b.host.attempt(order_for(b.run, "c" + std::to_string(++b.batches), "transform",
                                                      {{"sql", sql}, {"contract", {{"columns", Json::array({column})}}}}));
    if (done.error) FAIL(done.error->message);
    return done.manifest;
}

std::string key_of(const Bench& b, const std::string& table) {
    return b.warehouse.value(
        "SELECT pg_get_indexdef(indexrelid) || CASE WHEN indisprimary THEN ' primary' ELSE '' END FROM pg_index WHERE indrelid = '" +
        table + "'::regclass");
}

} // namespace

TEST_CASE("the key of a new table is what the contract says, whatever the first batch holds") {
    Bench b(require_database());
    CHECK(counts(b.host.attempt(b.order(contracted(b, "select 1 as id", true), Json::object()))) == "1 0 0 0");
    CHECK_THAT(key_of(b, "out.t"), Catch::Contains("NULLS NOT DISTINCT"));
    CHECK(counts(b.host.attempt(b.order(contracted(b, "select unnest([1, null]) as id", true), Json::object()))) == "1 0 1 0");
    CHECK(counts(b.host.attempt(b.order(contracted(b, "select 1 as id", false), {{"table", "out.strict"}}))) == "1 0 0 0");
    CHECK_THAT(key_of(b, "out.strict"), Catch::EndsWith("primary"));
    CHECK_THAT(counts(b.load("select unnest([1, null]) as id", {{"table", "out.strict"}})),
               Catch::Contains("key column 'id' is NOT NULL, and the dataset rows holds NULL in 1 row"));
}

TEST_CASE("NULL is one key value in a table that was made by hand") {
    Bench b(require_database());
    Session(b.warehouse.url).run("CREATE SCHEMA out; CREATE TABLE out.t (id int UNIQUE, name text)");
    CHECK_THAT(counts(b.load("select unnest([null, null]::int[]) as id, unnest(['a', 'b']) as name")),
               Catch::Contains("key (id) = (NULL) twice"));
    CHECK(counts(b.load("select unnest([null, 1]) as id, 'a' as name")) == "2 0 0 0");
    CHECK(counts(b.load("select unnest([null, 1]) as id, unnest(['a', 'b']) as name")) == "0 1 1 0");
}

TEST_CASE("a key that somebody else writes meanwhile is found by the next attempt, another constraint is a mistake in the data") {
    Bench b(require_database());
    Session(b.warehouse.url).run("CREATE SCHEMA out; CREATE TABLE out.t (id int PRIMARY KEY, name text UNIQUE)");
    for (const char* where : {"an empty table", "a table with rows"}) {
        INFO(where);
        Session stranger(b.warehouse.url);
        stranger.run("BEGIN; INSERT INTO out.t VALUES (" + std::to_string(b.batches + 100) + ", '" + where + "')");
        HostProcess host;
        const AttemptOrder order =
            b.order(b.dataset("select " + std::to_string(b.batches + 100) + " as id, '" + where + "' as name"), Json::object());
        host.send(to_line("attempt", order));
        REQUIRE(b.warehouse.has_waiting(1));
        stranger.run("COMMIT");
        CHECK_THAT(counts(host.receive("done").get<AttemptDone>()), Catch::StartsWith("transient: somebody else wrote the same key"));
        CHECK(counts(b.host.attempt(order)) == "0 0 1 0");
    }
    CHECK_THAT(counts(b.load("select 1 as id, 'an empty table' as name")), Catch::StartsWith("bad_data: ") && Catch::Contains("name"));
}

TEST_CASE("a table that holds a key twice gets both rows updated, and the counts are of the dataset's rows") {
    Bench b(require_database());
    Session(b.warehouse.url)
        .run("CREATE SCHEMA out; CREATE TABLE out.t (id int, name text); INSERT INTO out.t VALUES (1, 'a'), (1, 'a'), (1, 'b')");
    CHECK(counts(b.load("select unnest([1, 2]) as id, 'b' as name")) == "1 1 0 0");
    CHECK(b.warehouse.rows("out.t") == "(1,b)\n(1,b)\n(1,b)\n(2,b)");
    CHECK(counts(b.load("select i::int as id, case when i < 3 then 'c' else 'b' end as name from range(1, 6001) r(i)")) == "5998 2 0 0");
}

TEST_CASE("a table that holds keys twice and has no index against it is told, with statements that mend it") {
    Bench b(require_database());
    const std::string rows = "select unnest([1, 2, null]) as id";
    CHECK(counts(b.host.attempt(b.order(contracted(b, rows, true), Json::object()))) == "3 0 0 0");
    const auto told = [&] {
        AttemptOrder order = b.order(contracted(b, rows, true), Json::object());
        order.log += std::to_string(b.batches);
        CHECK(counts(b.host.attempt(order)) == "0 0 3 0");
        std::string text;
        for (const Json& line : log_of(order))
            if (line.at("level") == "warning") text += line.at("text").get<std::string>();
        return text;
    };
    CHECK(told().empty());
    Session(b.warehouse.url).run("DROP INDEX out.t_id_idx; INSERT INTO out.t VALUES (2), (2), (NULL)");
    const std::string text = told();
    CHECK_THAT(text, Catch::StartsWith("out.t holds 2 keys more than once (such as id = 2), and has no unique index on (id)"));
    const std::size_t remove = text.find("DELETE FROM"), key = text.find("CREATE UNIQUE INDEX");
    REQUIRE(remove < key);
    REQUIRE(key != std::string::npos);
    Session(b.warehouse.url).run(text.substr(remove, text.find("; then: ") - remove) + "; " + text.substr(key));
    CHECK(b.warehouse.rows("out.t") == "()\n(1)\n(2)");
    CHECK(told().empty());
}

TEST_CASE("a table with rows and without the key's column is not loaded into, and an empty one gets it") {
    Bench b(require_database());
    Session(b.warehouse.url).run("CREATE SCHEMA out; CREATE TABLE out.t (name text); INSERT INTO out.t VALUES ('a')");
    CHECK_THAT(counts(b.load("select 1 as id, 'a' as name")),
               Catch::StartsWith("permanent: out.t has rows and no column 'id', which is the key"));
    CHECK(b.warehouse.rows("out.t") == "(a)");
    Session(b.warehouse.url).run("TRUNCATE out.t");
    CHECK(counts(b.load("select 1 as id, 'a' as name")) == "1 0 0 0");
}

TEST_CASE("columns are told when they are added, and never added beside one of other letters") {
    Bench b(require_database());
    CHECK(counts(b.load("select 1 as id, 'a' as username")) == "1 0 0 0");
    CHECK_THAT(counts(b.load("select 1 as id, 'a' as \"userName\"")),
               Catch::Contains("out.t has a column 'username', and the dataset has 'userName'"));
    HostProcess host;
    host.send(to_line("attempt", b.order(b.dataset("select 1 as id, 'a' as username, 2 as age, 3 as size"), Json::object())));
    const Json event = host.receive("event");
    REQUIRE(!event.is_null());
    CHECK(event["message"] == "out.t gets the columns age, size, NULL in the rows that it has");
    CHECK(counts(host.receive("done").get<AttemptDone>()) == "0 1 0 0");
}

TEST_CASE("a value that PostgreSQL cannot hold is named by its column and row") {
    Bench b(require_database());
    const std::string rows = "select i::int as id, case when i = 17 then 'a' || chr(0) else 'a' end as name, ";
    CHECK_THAT(counts(b.load(rows + "1 as x from range(30) r(i)")),
               Catch::Contains("column name of the row with the key (17): a text contains the character NUL"));
    CHECK_THAT(counts(b.load(R"(select 5 as id, '{"k": ["a\u0000"]}'::json as doc)")),
               Catch::Contains("column doc of the row with the key (5): a JSON document contains \\u0000"));
    CHECK(counts(b.load(R"(select 5 as id, '{"k": "\ud83d\ude00 \\u0000 \\\\ud83d \u0041"}'::json as doc)")) == "1 0 0 0");
    CHECK(b.warehouse.value("SELECT doc->>'k' FROM out.t") == "\xf0\x9f\x98\x80 \\u0000 \\\\ud83d A");
}

TEST_CASE("a dataset whose parts are not those of its manifest is not loaded") {
    Bench b(require_database());
    const std::string sql = "select i::int as id from range(7000) r(i)";
    for (int i = 0; i < 2; ++i) { // into a new table, and by hashes
        CHECK_THAT(counts(b.host.attempt(b.order(Bench::with(b.dataset(sql), {{"rows", 7001}}), Json::object()))),
                   Catch::Contains("hold 7,000 rows where its manifest says 7,001"));
        CHECK_THAT(counts(b.load(sql)), Catch::EndsWith(i == 0 ? "7000 0 0 0" : "0 0 7000 0"));
    }
    const std::string manifest = b.dataset(sql);
    std::filesystem::resize_file(std::filesystem::path(manifest).parent_path() / read_manifest(manifest).parts.at(0).file, 100);
    CHECK_THAT(counts(b.host.attempt(b.order(manifest, Json::object()))), Catch::Contains("has 100 bytes where its manifest says"));
}

TEST_CASE("a limited run gets a scratch table of its own each time") {
    Bench b(require_database());
    const std::string older = b.dataset("select 1 as id, 'a' as x"), newer = b.dataset("select 1 as id, 2 as x");
    for (const std::string& manifest : {newer, older}) {
        AttemptOrder order = b.order(manifest, Json::object());
        order.context.limit_rows = 10;
        CHECK(counts(b.host.attempt(order)) == "1 0 0 0");
    }
}

TEST_CASE("a target that outgrows the memory for its hashes is merged all the same") {
    Bench b(require_database());
    Session(b.warehouse.url)
        .run("CREATE SCHEMA out; CREATE TABLE out.t WITH (autovacuum_enabled = false) AS SELECT i AS id, 1 AS n FROM generate_series(0, "
             "599999) i; ALTER TABLE out.t ADD PRIMARY KEY (id); "
             "UPDATE pg_class SET reltuples = 100000 WHERE oid = 'out.t'::regclass");
    AttemptOrder order = b.order(
        b.dataset("select i::int as id, case when i = 7 then 2 else 1 end as n from range(599990, 660000) r(i) union all select 7, 2"),
        Json::object());
    order.memory_bytes = 40 << 20;
    CHECK(counts(b.host.attempt(order)) == "60000 1 10 0");
    order.batch_id += " again";
    CHECK(counts(b.host.attempt(order)) == "0 0 60011 0");
}
