/// What a load may delete, and what it must leave.
#include "tests/tasks/load_bench.hpp"

using namespace millrace;
using namespace millrace::test;
using postgres::Session;

namespace {
const Json all_may_go = {{"percent", 100}};
const Json marked = {{"delete_rule", "gone"}, {"delete_is_sql", true}};
const Json marked_newest = {{"delete_rule", "gone"}, {"delete_is_sql", true}, {"newest_by", "version"}};
} // namespace

TEST_CASE("newest_by and delete when: the newest row of a key decides whether it lives") {
    Bench b(require_database());
    const std::string columns = "v(id, version, gone)";
    CHECK(counts(b.load("select * from (values (1, 9, false), (2, 9, false), (3, 12, false), (4, 9, false)) " + columns)) == "4 0 0 0");
    CHECK(counts(b.load("select * from (values (1, 9, false), (1, 10, true), (2, 9, true), (2, 10, false), (3, 11, true), (5, 10, true), "
                        "(5, 9, false)) " +
                            columns,
                        marked_newest)) == "0 1 0 1");
    CHECK(b.warehouse.rows("out.t") == "(2,10,f)\n(3,12,f)\n(4,9,f)");
}

TEST_CASE("of rows that are equally new the same one wins every time, a deletion before a value") {
    Bench b(require_database());
    const std::string sql = "select (i % 50)::int as id, 7 as version, i // 50 as name, i = 60 as gone from range(5000) r(i)";
    b.load(sql, marked_newest);
    const std::string first = b.warehouse.rows("out.t");
    CHECK(b.warehouse.value("SELECT count(*) FROM pg_index WHERE indrelid = 'out.t'::regclass AND indisprimary") == "1");
    CHECK(b.warehouse.value("SELECT count(*) FROM out.t WHERE id = 10") == "0");
    CHECK(counts(b.load("select * from (" + sql + ") order by random()", marked_newest)) == "0 0 49 0");
    CHECK(b.warehouse.rows("out.t") == first);
}

TEST_CASE("a key that is both marked and alive is a key that the dataset has twice") {
    Bench b(require_database());
    CHECK(counts(b.load("select i::int as id, 'a' as name, false as gone from range(6000) r(i)")) == "6000 0 0 0");
    const std::string live = "select i::int as id, 'a' as name, false as gone from range(", both = ") r(i) union all select 7, 'a', true";
    CHECK_THAT(counts(b.load(live + "10" + both, marked)), Catch::Contains("key (id) = (7) twice"));
    CHECK_THAT(counts(b.load(live + "6000" + both, marked)), Catch::Contains("key (id) = (7) twice"));
    CHECK(b.warehouse.value("SELECT count(*) FROM out.t") == "6000");
}

TEST_CASE("replace keeps the rows that a doubtful or an empty dataset lacks") {
    Bench b(require_database());
    for (const Json& key : {Json::array({"id"}), Json::array()}) {
        const Json options = {{"mode", "replace"}, {"key", key}, {"table", key.empty() ? "out.keyless" : "out.keyed"}};
        const auto load = [&](const std::string& manifest, const Json& more = Json::object()) {
            Json o = options;
            o.update(more);
            return counts(b.host.attempt(b.order(manifest, o)));
        };
        CHECK(load(b.dataset("select i as id from range(10) r(i) limit 0")) == "0 0 0 0");
        CHECK(load(b.dataset("select i as id from range(10) r(i)")) == "10 0 0 0");
        CHECK_THAT(load(Bench::with(b.dataset("select 1::bigint as id"), {{"doubts", {"1 slice failed"}}})),
                   Catch::Contains("1 slice failed"));
        const std::string empty = b.dataset("select 1::bigint as id where false");
        CHECK_THAT(load(empty), Catch::Contains("10 of 10 rows"));
        CHECK_THAT(load(empty, {{"max_deletes", {{"percent", 99}}}}), Catch::Contains("10 of 10 rows"));
        CHECK(b.warehouse.value("SELECT count(*) FROM " + options["table"].get<std::string>()) == "10");
        CHECK(load(empty, {{"max_deletes", all_may_go}}) == "0 0 0 10");
        CHECK(load(b.dataset("select 1::bigint as id where false")) == "0 0 0 0");
    }
}

TEST_CASE("deletes beyond the limit are not done: the rows can be looked at, and a person may let this run delete that many") {
    Bench b(require_database());
    const auto [mode, key] = GENERATE(table<std::string, Json>({{"upsert", {"id"}}, {"replace", Json::array()}}));
    const std::string rows = "select i as id, 12345678901234567890.25::decimal(38,2) as amount from range(40) r(i)";
    const int left = mode == "replace" ? 0 : 3; // without a key it is only refused to exchange all rows for none
    Json options = {{"mode", mode}, {"key", key}, {"delete_rule", mode == "replace" ? "none" : "missing"}};
    REQUIRE(counts(b.load(rows, options)) == "40 0 0 0");
    const int gone = 40 - left;
    AttemptOrder order = b.order(b.dataset(rows + " limit " + std::to_string(left)), options);
    order.origin = {"flows/f.yaml", 7, 0};
    const AttemptDone stopped = b.host.attempt(order);
    REQUIRE(stopped.error);
    CHECK_THAT(stopped.error->message,
               Catch::StartsWith(fmt::format("out.t: {} of 40 rows ({} %) would be deleted, since ", gone, left > 0 ? "92.5" : "100")) &&
                   Catch::EndsWith("max_deletes is 10 %"));
    CHECK_THAT(stopped.error->remedy, Catch::Contains("millrace data head 7.load --rejected") &&
                                          Catch::Contains(fmt::format("millrace runs rerun 7 --failed --allow-deletes {};", gone)) &&
                                          Catch::EndsWith("`max_deletes` of task load (flows/f.yaml:7)"));
    CHECK(stopped.rejected == gone);
    const auto shown = rows_of_dataset(b.host, stopped.rejects, "select _rule, _raw from d order by _position::int");
    REQUIRE(shown.size() == static_cast<std::size_t>(gone));
    CHECK(shown.back()["_rule"] == "would be deleted from out.t");
    CHECK(shown.back()["_raw"] == R"({"id":39,"amount":12345678901234567890.25})");
    CHECK(b.warehouse.value("SELECT count(*) FROM out.t") == "40");

    order.context.chunk_of_run = 5;
    order.context.allow_deletes = gone - 1;
    const AttemptDone again = b.host.attempt(order);
    REQUIRE(again.error);
    CHECK_THAT(again.error->remedy, Catch::Contains("runs rerun 5 --failed"));
    order.context.allow_deletes = gone;
    CHECK(counts(b.host.attempt(order)) == fmt::format("0 0 {} {}", left, gone));
}

TEST_CASE("the share of deletes is one of the rows that the scope held, whatever is inserted beside it") {
    Bench b(require_database());
    CHECK(counts(b.load("select i as id, 1 as day from range(10) r(i)")) == "10 0 0 0");
    const std::string moved_on = "select i as id, case when i < 10 then 1 else 2 end as day from range(1, 110) r(i)";
    CHECK_THAT(counts(b.load(moved_on, {{"delete_rule", "missing"}, {"scope", "day = 1"}, {"max_deletes", {{"percent", 9}}}})),
               Catch::Contains("1 of 10 rows"));
    CHECK(counts(b.load(moved_on, {{"delete_rule", "missing"}, {"scope", "day = 1"}, {"max_deletes", {{"percent", 10}}}})) == "100 0 9 1");
}

TEST_CASE("rows that lie outside the scope are written, and told: the dataset may hold them only in part") {
    Bench b(require_database());
    const Json scoped = {{"delete_rule", "missing"}, {"scope", "day >= 2"}};
    for (const std::string rows : {"(1, 1), (2, 2), (3, 2)", "(1, 1), (2, 2), (3, 3)"}) { // the first load and a merge
        HostProcess host;
        host.send(to_line("attempt", b.order(b.dataset("select * from (values " + rows + ") v(id, day)"), scoped)));
        const Json event = host.receive("event");
        REQUIRE(!event.is_null());
        CHECK(event["message"].get<std::string>().starts_with("out.t: 1 of 3 rows of `rows` lie outside the scope (day >= 2)"));
        CHECK(host.receive("done")["outcome"] == "completed");
    }
    CHECK(b.warehouse.value("SELECT count(*) FROM out.t") == "3");
}

TEST_CASE("a scope is compared as it is written: nothing is cut, rounded or moved to another day") {
    Bench b(require_database());
    Session(b.warehouse.url)
        .run("CREATE SCHEMA out; CREATE TABLE out.t (id int PRIMARY KEY, code varchar(3), fixed char(3), amount numeric(9,2), day date, at "
             "timestamptz, local timestamp)");
    const std::string rows = "select i::int as id, 'abc' as code, 'ab' as fixed, 1.00::decimal(9,2) as amount, date '2026-11-01' as day, "
                             "timestamptz '2026-11-01 00:00:00+00' as at, timestamp '2026-11-01' as local from range(4) r(i)";
    REQUIRE(counts(b.load(rows)) == "4 0 0 0");
    const auto deleting = [&](const std::string& scope) {
        AttemptOrder order =
            b.order(b.dataset(rows + " where i < 2"), {{"delete_rule", "missing"}, {"scope", scope}, {"max_deletes", all_may_go}});
        order.context.timezone = "Asia/Tokyo";
        order.context.interval_start = "2026-10-31T15:00:00Z"; // the first of November there
        order.context.run_at = "2026-10-31T20:00:00Z";
        order.context.params = {{"names", {"abc", "x"}}, {"n", 1}, {"from", "2026-11-01"}, {"amount", "1.0"}};
        order.context.param_types = {{"names", "list"}, {"n", "int"}, {"from", "date"}, {"amount", "decimal"}};
        return counts(b.host.attempt(order));
    };
    for (const char* empty :
         {"code = 'abcd'", "fixed = 'abc'", "amount = 1.004", "amount = 0.999", "day > $interval_start_date", "day < '2026-11-01'",
          "at > '2026-11-01 09:00:00+09:00'", "day > $run_at::date", "day = cast($run_at as date) and id > 5"}) {
        INFO(empty);
        CHECK(deleting(empty) == "0 0 2 0");
    }
    CHECK_THAT(deleting("day >= $interval_start"), Catch::Contains("scope: day is of type date, and $interval_start is an instant"));
    CHECK_THAT(deleting("local >= $interval_start"),
               Catch::Contains("local is of type timestamp without time zone, and $interval_start is an instant"));
    CHECK_THAT(deleting("code <> $interval_start"),
               Catch::Contains("code is of type character varying(3), and $interval_start is an instant"));
    CHECK_THAT(deleting("day >= '2026-10-31 15:00:00+00'"), Catch::Contains("'2026-10-31 15:00:00+00' is no date"));
    CHECK_THAT(deleting("day = 'today'"), Catch::Contains("'today' is no date"));
    CHECK_THAT(deleting("at >= $from"), Catch::Contains("at is of type timestamp with time zone, and $from is a date"));
    CHECK_THAT(deleting("at >= '2026-11-01'"), Catch::Contains("without an offset"));
    CHECK_THAT(deleting("code in ($names)"), Catch::Contains("$names is a list"));
    CHECK_THAT(deleting("id = 'x'::int"), Catch::Contains("scope: 'x'::int: ") && Catch::Contains("convert"));
    CHECK_THAT(deleting("day = date_trunc('day', $run_at)"), Catch::Contains("scope: a scope has no functions: 'date_trunc("));
    CHECK(deleting("day = $run_at::date and at >= $from::timestamptz and local = $from::timestamp and id >= $amount and amount = "
                   "$amount and code = 'abc'::text and id = cast('2' as int)") == "0 0 2 1");
    CHECK(b.load(rows).outcome == "completed");
    CHECK(deleting("day = $interval_start_date and day = $from and at >= $interval_start and code in ('abc') and amount = 1 and fixed = "
                   "'ab' and id > $n and local = '2026-11-01'") == "0 0 2 2");
}

TEST_CASE("the condition of a delete reads days in the flow's zone, and what is loaded are the instants") {
    Bench b(require_database());
    const std::string rows =
        "select * from (values (1, timestamptz '2026-11-20 02:30:00Z'), (2, timestamptz '2026-11-20 03:00:00Z')) v(id, moment)";
    for (const char* zone : {"UTC", "Europe/Berlin", "America/Sao_Paulo"}) {
        AttemptOrder order = b.order(b.dataset(rows), {{"table", "out.t"}});
        order.context.timezone = zone;
        CHECK(counts(b.host.attempt(order)) == (zone == std::string("UTC") ? "2 0 0 0" : "0 0 2 0"));
    }
    CHECK(b.warehouse.rows("out.t") == "(1,\"2026-11-20 02:30:00+00\")\n(2,\"2026-11-20 03:00:00+00\")");
    AttemptOrder order =
        b.order(b.dataset(rows), {{"table", "out.t"}, {"delete_rule", "moment::date < date '2026-11-20'"}, {"delete_is_sql", true}});
    order.context.timezone = "America/Sao_Paulo";
    CHECK(counts(b.host.attempt(order)) == "0 0 1 1");
    CHECK(b.warehouse.rows("out.t") == "(2,\"2026-11-20 03:00:00+00\")");
}
