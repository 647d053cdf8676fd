#include "connectors/targets/target.hpp"
#include "tests/tasks/load_bench.hpp"

using namespace millrace;
using namespace millrace::test;
using postgres::Session;

namespace {

const std::string every_type = "i as id, 'n' || i as name, (i * 1.25)::decimal(12,4) as amount, -i::bigint * 5000000000 as big, i % 3 = 0 "
                               "as flag, i / 7.0::double as real,"
                               " date '2026-01-01' + i::int as day, timestamptz '2026-01-01 00:00:00+00' + interval (i) minute as at, "
                               "timestamp '1969-12-31 23:59:59.5' as local,"
                               " case when i % 4 = 0 then null else i::smallint end as small, '00112233-4455-6677-8899-aabbccddeeff'::uuid "
                               "as u, 'a\\x00b'::blob as b, time '10:11:12' as clock, i::float as f";

} // namespace

TEST_CASE("upsert: first load, nothing changed, something changed, edited by hand") {
    Bench b(require_database());
    for (const std::string rows : {"100", "20000"}) { // staged as a whole, and by hashes
        INFO(rows);
        const std::string table = "out.t" + rows;
        const Json options = {{"table", table}, {"stamp", {"run_id", "batch_id", "loaded_at"}}};
        const std::string sql = "select " + every_type + " from range(" + rows + ") r(i)";
        CHECK(counts(b.load(sql, options)) == rows + " 0 0 0");
        CHECK(b.warehouse.value("SELECT indisprimary FROM pg_index WHERE indrelid = '" + table + "'::regclass") == "t");
        CHECK(b.warehouse.value("SELECT row(name, amount, big, flag, day, at, local, small, u, b, clock, f, _loaded_at)::text FROM " +
                                table + " WHERE id = 3") ==
              "(n3,3.7500,-15000000000,t,2026-01-04,\"2026-01-01 00:03:00+00\",\"1969-12-31 "
              "23:59:59.5\",3,00112233-4455-6677-8899-aabbccddeeff,\"\\\\x610062\",10:11:12,3,\"2026-11-20 06:00:00+00\")");
        CHECK(b.warehouse.value("SELECT count(*) FROM " + table + " WHERE small IS NULL") == std::to_string(std::stoi(rows) / 4));

        b.warehouse.value("SELECT pg_stat_force_next_flush() IS NULL");
        const std::string before = b.warehouse.value("SELECT max(xmin::text) || max(ctid::text) FROM " + table);
        CHECK(counts(b.load(sql, options)) == "0 0 " + rows + " 0");
        CHECK(b.warehouse.value("SELECT max(xmin::text) || max(ctid::text) FROM " + table) == before);

        b.warehouse.value("WITH x AS (UPDATE " + table +
                          " SET name = 'edited', amount = -amount WHERE id = 7 RETURNING 1), y AS (DELETE FROM " + table +
                          " WHERE id = 8 RETURNING 1) SELECT count(*) FROM x, y");
        CHECK(counts(b.load(sql, options)) == "1 1 " + std::to_string(std::stoi(rows) - 2) + " 0");
        CHECK(b.warehouse.value("SELECT name FROM " + table + " WHERE id = 7") == "n7");

        const std::string changed = "select * replace (case when i % 100 = 5 then 'new' else name end as name) from (select i, " +
                                    every_type + " from range(" + rows + ") r(i))";
        CHECK(counts(b.load("select * exclude (i) from (" + changed + ")", options)) ==
              "0 " + std::to_string(std::stoi(rows) / 100) + " " + std::to_string(std::stoi(rows) / 100 * 99) + " 0");
    }
}

TEST_CASE("every kind of value is recognised as unchanged by its hash") {
    Bench b(require_database());
    const std::string sql = "select " + every_type +
                            ", (i * 12345678901)::decimal(38,9) as wide, -(i % 10)::decimal(5,1) as short, 0.0::decimal(9,4) as zero, "
                            "repeat('x', (i % 40)::int) as t from range(6000) r(i)";
    CHECK(counts(b.load(sql)) == "6000 0 0 0");
    b.warehouse.value("SELECT 1");
    CHECK(counts(b.load(sql)) == "0 0 6000 0");
    CHECK(b.warehouse.value("SELECT wide::text || ' ' || short::text FROM out.t WHERE id = 11") == "135802467911.000000000 -1.0");
}

TEST_CASE("a batch is loaded once, the same batch with other content is refused, an older one too") {
    Bench b(require_database());
    const std::string one = b.dataset("select 1 as id, 'a' as name"), two = b.dataset("select 1 as id, 'b' as name");
    AttemptOrder order = b.order(one, Json::object());
    CHECK(counts(b.host.attempt(order)) == "1 0 0 0");
    CHECK(counts(b.host.attempt(order)) == "1 0 0 0 already");
    order.inputs["rows"] = two;
    CHECK_THAT(counts(b.host.attempt(order)), Catch::Contains("with other content"));
    CHECK(counts(b.host.attempt(b.order(two, Json::object()))) == "0 1 0 0");
    const AttemptDone older = b.host.attempt(b.order(one, Json::object()));
    CHECK_THAT(counts(older), Catch::Contains("would bring back old values"));
    REQUIRE(older.error);
    CHECK_THAT(older.error->message, Catch::Contains("extracted at " + read_manifest(one).extracted_at + ", but") &&
                                         Catch::Contains("extracted at " + read_manifest(two).extracted_at + ": "));
    CHECK(older.error->remedy.starts_with(new_run_remedy));
    AttemptOrder other_chunk = b.order(one, Json::object());
    other_chunk.context.interval_start = "2026-11-01T00:00:00Z";
    other_chunk.context.interval_end = "2026-11-02T00:00:00Z";
    CHECK(counts(b.host.attempt(other_chunk)) == "0 1 0 0");
}

TEST_CASE("a key that the dataset holds twice is named, in every way of loading") {
    Bench b(require_database());
    CHECK_THAT(counts(b.load("select * from (values (1, 'a'), (17, 'b'), (17, 'c')) v(id, name)")),
               Catch::Contains("key (id) = (17) twice"));
    CHECK(b.warehouse.value("SELECT to_regclass('out.t') IS NULL") == "t");
    CHECK(counts(b.load("select 1 as id, 'a' as name")) == "1 0 0 0");
    CHECK_THAT(counts(b.load("select * from (values (1, 'a'), (17, 'b'), (17, 'c')) v(id, name)")),
               Catch::Contains("key (id) = (17) twice"));
    CHECK(counts(b.load("select i::int as id, 'a' as name from range(6000) r(i)")) == "5999 0 1 0");
    CHECK_THAT(counts(b.load("select i::int as id, 'a' as name from range(6000) r(i) union all select 42, 'a'")),
               Catch::Contains("key (id) = (42) twice"));
    CHECK_THAT(
        counts(b.load("select i::int as id, 'a' as name from range(6000) r(i) union all select 9999, 'a' union all select 9999, 'b'")),
        Catch::Contains("key (id) = (9999) twice"));
    CHECK(counts(b.load("select * from (values (1, 'old', 1), (1, 'new', 2)) v(id, name, version)", {{"newest_by", "version"}})) ==
          "0 1 0 0");
    CHECK(counts(b.load("select 1 as id, 'older' as name, 1 as version", {{"newest_by", "version"}})) == "0 0 1 0");
    CHECK(b.warehouse.value("SELECT name FROM out.t WHERE id = 1") == "new");
}

TEST_CASE("insert_new leaves what is there") {
    Bench b(require_database());
    const Json options = {{"mode", "insert_new"}};
    for (const std::string n : {"10", "7000"}) {
        b.load("select i::int as id, 'first' as name from range(5) r(i)", {{"mode", "replace"}});
        CHECK(counts(b.load("select i::int as id, 'second' as name from range(" + n + ") r(i)", options)) ==
              std::to_string(std::stoi(n) - 5) + " 0 5 0");
        CHECK(b.warehouse.value("SELECT name FROM out.t WHERE id = 3") == "first");
        CHECK(counts(b.load("select i::int as id, 'third' as name from range(" + n + ") r(i)", options)) == "0 0 " + n + " 0");
    }
}

TEST_CASE("append replaces the earlier batch of the same interval, and only that") {
    Bench b(require_database());
    const Json options = {{"mode", "append"}, {"key", Json::array()}};
    CHECK(counts(b.load("select unnest([1, 1, 2]) as x", options)) == "3 0 0 0");
    CHECK(counts(b.load("select 5 as x", options)) == "1 0 0 3");
    AttemptOrder other = b.order(b.dataset("select 6 as x"), options);
    other.interval_key = "k2";
    CHECK(counts(b.host.attempt(other)) == "1 0 0 0");
    CHECK(b.warehouse.rows("out.t", "x") == "5\n6");
}

TEST_CASE("replace: with a key by difference, without one as a whole, and not at all when nothing changed") {
    Bench b(require_database());
    CHECK(counts(b.load("select i as id, 'a' as name from range(10) r(i)", {{"mode", "replace"}})) == "10 0 0 0");
    CHECK(counts(b.load("select i as id, case when i = 2 then 'b' else 'a' end as name from range(1, 5) r(i)", {{"mode", "replace"}})) ==
          "0 1 3 6");
    const Json keyless = {{"mode", "replace"}, {"key", Json::array()}, {"table", "out.k"}};
    CHECK(counts(b.load("select unnest([1, 1, 2]) as x", keyless)) == "3 0 0 0");
    CHECK(counts(b.load("select unnest([2, 1, 1]) as x", keyless)) == "0 0 3 0");
    CHECK(counts(b.load("select unnest([2, 2, 1]) as x", keyless)) == "3 0 0 3");
}

TEST_CASE("deletes: missing within a scope, marked rows, and their limits") {
    Bench b(require_database());
    const std::string rows = "select i as id, date '2026-01-01' + (i // 10)::int as day, 'p' as name from range(100) r(i)";
    CHECK(counts(b.load(rows)) == "100 0 0 0");
    Json scoped = {{"delete_rule", "missing"},
                   {"scope", "day >= $from and \"day\" < $interval_start_date and name in ('p', 'q')"},
                   {"max_deletes", {{"percent", 50}}}};
    AttemptOrder order = b.order(b.dataset("select * from (" + rows + ") where day = '2026-01-03' and id <> 25"), scoped);
    order.context.params = {{"from", "2026-01-03"}};
    order.context.param_types = {{"from", "date"}};
    order.context.interval_start = "2026-01-04T03:00:00Z";
    CHECK(counts(b.host.attempt(order)) == "0 0 9 1");
    CHECK(b.warehouse.value("SELECT count(*) FROM out.t") == "99");
    CHECK_THAT(counts(b.load(rows + " limit 50", {{"delete_rule", "missing"}})), Catch::Contains("max_deletes is 10 %"));
    CHECK_THAT(counts(b.load(rows + " limit 0", {{"delete_rule", "missing"}})), Catch::Contains("99 of 99 rows"));
    CHECK(counts(b.load(rows + " limit 0", {{"delete_rule", "none"}})) == "0 0 0 0");
    CHECK(counts(b.load("select *, id < 3 as gone from (" + rows + ") where id < 5", {{"delete_rule", "gone"}, {"delete_is_sql", true}})) ==
          "0 2 0 3"); // the new column is false where it was NULL
    CHECK_THAT(counts(b.load(rows, {{"delete_rule", "missing"}, {"scope", "day ~ 3"}})),
               Catch::Contains("scope: a comparison (=, <>, <, <=, >, >=, in, is null) belongs here: '~ 3'"));
}

TEST_CASE("keys may hold NULL, reserved and long names") {
    Bench b(require_database());
    const Json options = {{"key", {"select", "Order"}}, {"table", "out.user"}};
    const std::string sql = "select unnest([1, null, 3]) as \"select\", 'x' as \"Order\", 5 as \"table\"";
    CHECK(counts(b.load(sql, options)) == "3 0 0 0");
    CHECK(counts(b.load(sql, options)) == "0 0 3 0");
    CHECK(counts(b.load("select null::int as \"select\", 'x' as \"Order\", 6 as \"table\"", options)) == "0 1 0 0");
    CHECK_THAT(counts(b.load("select 1 as id", {{"table", "out." + std::string(64, 'x')}})), Catch::Contains("64 bytes"));
    CHECK_THAT(counts(b.load("select 1 as id, 2 as \"" + std::string(64, 'y') + "\"")), Catch::Contains("64 bytes"));
}

TEST_CASE("columns: new ones are added, retyped ones are refused, others are left alone") {
    Bench b(require_database());
    CHECK(counts(b.load("select 1 as id, 'a' as name")) == "1 0 0 0");
    b.warehouse.value("WITH x AS (SELECT 1) SELECT 1");
    Session(b.warehouse.url).run("ALTER TABLE out.t ADD COLUMN note text DEFAULT 'mine'");
    CHECK(counts(b.load("select 1 as id, 'a' as name, 2.5::decimal(5,2) as price, {'k': [1, 2]} as extra")) == "0 1 0 0");
    CHECK(b.warehouse.rows("out.t") == "(1,a,mine,2.50,\"{\"\"k\"\": [1, 2]}\")");
    CHECK(counts(b.load("select 1 as id, 'a' as name, 2.5::decimal(5,2) as price, {'k': [1, 2]} as extra")) == "0 0 1 0");
    const AttemptDone retyped = b.load("select 1 as id, 7 as name");
    CHECK_THAT(counts(retyped), Catch::Contains("column name of out.t is text, and the dataset has int, which is compared"));
    REQUIRE(retyped.error);
    const std::string remedy = retyped.error->remedy, alter = remedy.substr(std::min(remedy.find("ALTER TABLE"), remedy.size()));
    CHECK(alter == "ALTER TABLE \"out\".\"t\" ALTER COLUMN \"name\" TYPE integer USING \"name\"::integer");
    Session(b.warehouse.url).run("BEGIN; UPDATE out.t SET name = '7'; " + alter + "; ROLLBACK");
    CHECK_THAT(counts(b.load("select 1::bigint as id")), Catch::Contains("column id of out.t is integer, and not every bigint"));
    CHECK_THAT(counts(b.load("select 1 as id, 2.123::decimal(5,3) as price")), Catch::Contains("numeric(5,2)"));
    CHECK_THAT(counts(b.load("select 1 as id, 2 as fresh", {{"create", false}})), Catch::Contains("no column 'fresh'"));
    CHECK_THAT(counts(b.load("select 1 as id", {{"create", false}, {"table", "out.none"}})), Catch::Contains("no table out.none"));
    CHECK_THAT(counts(b.load("select 1 as idd")), Catch::Contains("key column 'id'"));
}

TEST_CASE("a stamped column of the dataset is written with a change but makes none") {
    Bench b(require_database());
    const Json options = {{"stamp", {"import_timestamp"}}};
    CHECK(counts(b.load("select unnest([1, 2]) as id, 'a' as name, timestamptz '2026-01-01 00:00:00+00' as import_timestamp", options)) ==
          "2 0 0 0");
    CHECK(counts(b.load("select unnest([1, 2]) as id, unnest(['a', 'b']) as name, timestamptz '2026-02-02 00:00:00+00' as import_timestamp",
                        options)) == "0 1 1 0");
    CHECK(b.warehouse.rows("out.t", "id, import_timestamp::date") == "(1,2026-01-01)\n(2,2026-02-02)");
}

TEST_CASE("several tables are one transaction, a limited run loads aside") {
    Bench b(require_database());
    AttemptOrder order = b.order(b.dataset("select 1 as id"),
                                 {{"tables", Json::array({{{"table", "out.a"}, {"task", "rows"}, {"mode", "upsert"}, {"key", {"id"}}},
                                                          {{"table", "out.b"}, {"task", "bad"}, {"mode", "upsert"}, {"key", {"id"}}}})}});
    order.inputs["bad"] = b.dataset("select unnest([1, 1]) as id");
    CHECK_THAT(counts(b.host.attempt(order)), Catch::Contains("twice"));
    CHECK(b.warehouse.value("SELECT to_regclass('out.a') IS NULL") == "t");
    AttemptOrder limited = b.order(b.dataset("select 1 as id"), {{"delete_rule", "missing"}});
    limited.context.limit_rows = 10;
    CHECK(counts(b.host.attempt(limited)) == "1 0 0 0");
    CHECK(b.warehouse.value("SELECT to_regclass('out.t') IS NULL AND to_regclass('millrace_scratch.t') IS NOT NULL") == "t");
}

TEST_CASE("text with NUL, a wrong password, no server: errors that say what to do") {
    Bench b(require_database());
    CHECK_THAT(counts(b.load("select 1 as id, 'a' || chr(0) || 'b' as name")), Catch::Contains("NUL"));
    AttemptOrder order = b.order(b.dataset("select 1 as id"), Json::object());
    order.connections["warehouse"]["url"] = "postgresql://postgres@/postgres?host=/nowhere";
    CHECK_THAT(counts(b.host.attempt(order)), Catch::StartsWith("transient: connection warehouse: PostgreSQL cannot be reached"));
    order.connections["warehouse"]["url"] = b.warehouse.url + "&dbname=missing_database";
    CHECK_THAT(counts(b.host.attempt(order)), Catch::StartsWith("permanent: "));
    order.connections["warehouse"] = {{"type", "oracle"}};
    CHECK_THAT(counts(b.host.attempt(order)), Catch::Contains("cannot be loaded into yet"));
    const auto checks = open_target("w", {{"type", "postgres"}, {"url", b.warehouse.url}})->check();
    CHECK(checks.size() == 5);
    for (const CheckResult& c : checks) CHECK(c.passed);
}

TEST_CASE("a host killed at any moment of a load leaves all of it or nothing, and the next attempt completes it") {
    Bench b(require_database());
    const std::string first = b.dataset("select i as id, 'a' || i as name, i * 2 as n from range(30000) r(i)");
    const std::string second =
        b.dataset("select i as id, case when i % 3 = 0 then 'changed' else 'a' || i end as name, i * 2 as n from range(1000, 33000) r(i)");
    const Json options = {{"delete_rule", "missing"}, {"max_deletes", {{"percent", 100}}}};
    CHECK(counts(b.host.attempt(b.order(first, options))) == "30000 0 0 0");
    CHECK(counts(b.host.attempt(b.order(second, options))) == "3000 9666 19334 1000");
    const std::string expected = b.warehouse.value("SELECT md5(string_agg(x::text, ',' ORDER BY id)) FROM out.t x");
    int killed_before_commit = 0;
    for (int i = 0; i < 12; ++i) {
        const std::string table = "out.crash" + std::to_string(i);
        Json crash = options;
        crash["table"] = table;
        REQUIRE(counts(b.host.attempt(b.order(first, crash))) == "30000 0 0 0");
        const AttemptOrder order = b.order(second, crash);
        {
            HostProcess victim;
            victim.send(to_line("attempt", order));
            ::usleep(static_cast<useconds_t>(10000 + i * 45000));
            victim.kill();
        }
        const AttemptDone again = b.host.attempt(order);
        if (again.error) FAIL(again.error->message);
        killed_before_commit += again.loads.at(0).already_loaded ? 0 : 1;
        CHECK(b.warehouse.value("SELECT md5(string_agg(x::text, ',' ORDER BY id)) FROM " + table + " x") == expected);
    }
    CHECK(killed_before_commit > 0);
}
