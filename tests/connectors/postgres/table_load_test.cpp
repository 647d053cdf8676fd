#include "tests/connectors/postgres/target_fixture.hpp"

using namespace millrace;
using namespace millrace::test;
using Catch::Contains;

namespace {

std::string people(const std::string& alice, const std::string& bob, const std::string& also = "") {
    const auto row = [&](const std::string& name, const std::string& value) {
        return "SELECT '" + name + "' AS name, " + value + " AS value, 1.50::decimal(9,2) AS rate, NULL::int AS nothing" + also;
    };
    return row("Alice", alice) + " UNION ALL " + row("Bob", bob);
}

} // namespace

TEST_CASE_METHOD(Loading, "replace without a key sees that values of one column changed places") {
    const std::string document = GENERATE("", R"(, '{"a": 1.0}'::json AS document)"); // which only the server can compare
    const auto [one, other] = GENERATE(table<std::string, std::string>(
        {{"true", "false"}, {"1::int", "2::int"}, {"1::bigint", "2::bigint"}, {"'x'", "'y'"}, {"DATE '2026-11-01'", "DATE '2026-11-02'"}}));
    INFO(one << document);
    const LoadTable replaced{"out.t", "rows", "replace", {}};
    CHECK(load(people(one, other, document), replaced) == "2 0 0 0");
    const std::string before = value("SELECT string_agg(xmin::text || ctid::text, ' ') FROM out.t");
    CHECK(load("SELECT * FROM (" + people(one, other, document) + ") ORDER BY name DESC", replaced) == "0 0 2 0");
    CHECK(value("SELECT string_agg(xmin::text || ctid::text, ' ') FROM out.t") == before);
    CHECK(load(people(other, one, document), replaced) == "2 0 0 2");
    CHECK(value("SELECT value::text FROM out.t WHERE name = 'Bob'") == value("SELECT (" + one + ")::text"));
}

TEST_CASE_METHOD(Loading, "two keys of the dataset that are one to an empty table are bad data, with a remedy") {
    postgres::Session(url).run("CREATE SCHEMA out; CREATE TABLE out.padded (id char(3) PRIMARY KEY)");
    for (const auto& [name, select] : {std::pair{"out.padded", "SELECT unnest(['a', 'a ']) AS id"},
                                       std::pair{"out.created", R"(SELECT unnest(['{"a":1}', '{"a": 1}'])::json AS id)"}}) {
        const Error e = refusal(select, {name, "rows", "upsert", {"id"}});
        CHECK(e.error_class == ErrorClass::BadData);
        CHECK_THAT(e.what(), Contains(std::string(name) + " takes two keys of the dataset rows for one: Key (id)=("));
        CHECK_FALSE(e.remedy.empty());
    }
    CHECK(value("SELECT count(*) FROM out.padded") == "0");
}

TEST_CASE_METHOD(Loading, "a key that somebody else writes during the load is found by the next attempt") {
    postgres::Session somebody(url);
    somebody.run("CREATE SCHEMA out; CREATE TABLE out.t (id int PRIMARY KEY)");
    somebody.run("BEGIN; INSERT INTO out.t VALUES (1)");
    bool waited = false;
    monitor.progress = [&](const std::string& step, std::int64_t, std::int64_t) {
        if (step.starts_with("waiting") && !std::exchange(waited, true)) somebody.run("COMMIT");
    };
    const LoadTable upserted{"out.t", "rows", "upsert", {"id"}};
    const Error e = refusal("SELECT unnest([1, 2]) AS id", upserted);
    CHECK(waited);
    CHECK(e.error_class == ErrorClass::Transient);
    CHECK_THAT(e.what(), Contains("somebody else wrote the same key into out.t meanwhile: Key (id)=(1)"));
    CHECK_FALSE(e.remedy.empty());
    CHECK(load("SELECT unnest([1, 2]) AS id", upserted) == "1 0 1 0");
}

TEST_CASE_METHOD(Loading, "progress of a copy moves within a small dataset too, and tells of its end") {
    std::map<std::string, std::int64_t> copied;
    monitor.progress = [&](const std::string& step, std::int64_t rows, std::int64_t total) {
        copied[step] = rows;
        CHECK((rows == 0 || total == 1000));
    };
    CHECK(load("SELECT i AS n FROM range(1000) r(i)", {"out.t", "rows", "append", {}}) == "1000 0 0 0");
    CHECK(copied.at("copying") == 896);
    CHECK(copied.at("finishing the copy") == 1000);
}

TEST_CASE_METHOD(Loading, "a row that the rule deletes in the flow's zone may be NULL where the table may not") {
    postgres::Session(url).run("CREATE SCHEMA out; CREATE TABLE out.t (id int PRIMARY KEY, moment timestamptz, name text NOT NULL); "
                               "INSERT INTO out.t VALUES (1, now(), 'gone')");
    options.delete_rule = "hour(moment) = 0";
    options.delete_is_sql = true;
    context.timezone = "Asia/Tokyo";
    const std::string rows = "SELECT 1::int AS id, TIMESTAMPTZ '2026-11-20 00:00:00+09' AS moment, NULL::varchar AS name UNION ALL "
                             "SELECT 2, TIMESTAMPTZ '2026-11-20 00:00:00+00', 'stays'";
    CHECK(load(rows, {"out.t", "rows", "upsert", {"id"}}) == "1 0 0 1");
}

TEST_CASE_METHOD(Loading, "append tells of rows that another cut of the same time brought, while they are there") {
    std::string warnings;
    monitor.event = [&](const std::string&, const std::string& message, const Json&) { warnings += message + "\n"; };
    const auto append = [&](const char* start, const char* end) {
        context.interval_start = start, context.interval_end = end;
        warnings.clear();
        ++context.run_id;
        return load("SELECT 1 AS n", {"out.t", "rows", "append", {}});
    };
    CHECK(append("2026-01-01T00:00:00Z", "2026-01-15T00:00:00Z") == "1 0 0 0");
    CHECK(append("2026-01-15T00:00:00Z", "2026-01-29T00:00:00Z") == "1 0 0 0");
    CHECK(warnings.empty());
    CHECK(append("2026-01-08T00:00:00Z", "2026-01-15T00:00:00Z") == "1 0 0 0");
    CHECK_THAT(warnings, Contains("run 1 appended the rows of 2026-01-01T00:00:00Z to 2026-01-15T00:00:00Z"));
    postgres::Session(url).run("DELETE FROM out.t");
    CHECK(append("2026-01-10T00:00:00Z", "2026-01-20T00:00:00Z") == "1 0 0 0");
    CHECK(warnings.empty());
}

TEST_CASE_METHOD(Loading, "columns of other types are told of all at once") {
    postgres::Session(url).run("CREATE SCHEMA out; CREATE TABLE out.t (id text PRIMARY KEY, a integer, b integer)");
    const Error e = refusal("SELECT 'x' AS id, 'y' AS a, true AS b", {"out.t", "rows", "upsert", {"id"}});
    CHECK_THAT(e.what(), Contains("column a of ") && Contains("column b of "));
    CHECK_THAT(e.remedy, Contains("ALTER COLUMN \"a\"") && Contains("ALTER COLUMN \"b\""));
}
