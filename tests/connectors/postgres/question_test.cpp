#include "connectors/targets/postgres/question.hpp"
#include "tests/skip.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using namespace millrace::test;
using postgres::placed;
using postgres::Session;

namespace {

Question question(const std::string& sql) {
    Question q;
    q.sql = sql;
    q.values = {{"day", {"2026-11-20", {}, "date"}},
                {"n", {"3", {}, "int"}},
                {"name", {"O'Brien", {}, "text"}},
                {"list", {{}, std::vector<std::string>{"a", "b \"c\\", ""}, "list"}},
                {"none", {}}};
    q.asker = "millrace run 7 of f";
    return q;
}

Answer answer(const std::string& sql) {
    Session session(require_database());
    return postgres::answer_of(session, question(sql));
}

/// Its class, and what stands at its place.
std::string refusal(const std::string& sql) {
    try {
        (void)answer(sql);
    } catch (const QuestionRefused& e) {
        return std::string(to_string(e.error_class)) + ": " + (e.offset ? sql.substr(*e.offset) : "nowhere");
    }
    return "none";
}

} // namespace

TEST_CASE("values of a question are bound by name, each once, and not in texts and comments") {
    const auto query = placed(question("select $day, '$day', $n -- $name\n where $day > $name"));
    CHECK(query.sql == "select $1::date, '$day', $2::bigint -- $name\n where $1::date > $3");
    CHECK(query.params == postgres::Params{"2026-11-20", "3", "O'Brien"});
    CHECK_THROWS_AS(placed(question("select $nobody")), Error);
}

TEST_CASE("a place in the query that was sent is found in the one that was written") {
    const std::string written = "select $day, x where $n = y";
    const auto query = placed(question(written));
    CHECK(written.substr(query.written_at(query.sql.find('x'))) == "x where $n = y");
    CHECK(written.substr(query.written_at(query.sql.find('y'))) == "y");
    CHECK(written.substr(query.written_at(query.sql.find("$2"))) == "$n = y");
}

TEST_CASE("a question holds by the first value of its first row") {
    const auto [sql, holds, told] = GENERATE(table<const char*, bool, const char*>({
        {"select true", true, "true"},
        {"select false", false, "false"},
        {"select null", false, "NULL"},
        {"select 1 where false", false, "no row"},
        {"select count(*) from pg_class where false", false, "0"},
        {"select 0.00::numeric(9, 2)", false, "0.00"},
        {"select -0.5::float8", true, "-0.5"},
        {"select 1e5::float8", true, "100000"},
        {"select 'NaN'::float8", true, "NaN"},
        {"select ''", false, "an empty text"},
        {"select 'false'", true, "false"},
        {"select date '2026-11-20', null", true, "2026-11-20"},
        {"values (0), (1)", false, "0"},
        {"with a as (select 1 as x) select x from a;", true, "1"},
        {"select $n > 2 and $name = 'O''Brien' and $day = date '2026-11-20'", true, "true"},
        {"select 'b \"c\\' = any ($list) and cardinality($list) = 3 and '' = any ($list)", true, "true"},
        {"select $none::text", false, "NULL"},
        {"select '{\"a\": 1}'::jsonb ? 'a'", true, "true"},
    }));
    INFO(sql);
    const Answer a = answer(sql);
    CHECK(a.holds == holds);
    CHECK(a.told == told);
}

TEST_CASE("of a question with many rows one comes, and it changes nothing") {
    CHECK(answer("select generate_series(1, 1000000000)").told == "1");
    CHECK(refusal("select nextval('pg_temp.none')") != "none");
    Session session(require_database());
    session.run("CREATE SEQUENCE IF NOT EXISTS asked_for_nothing");
    CHECK(refusal("select nextval('asked_for_nothing')") == "permanent: nowhere");
    session.run("DROP SEQUENCE asked_for_nothing");
    CHECK(refusal("with gone as (delete from pg_class returning 1) select 1") != "none");
}

TEST_CASE("a mistake in a question is permanent and has its place, what it looks at may still come") {
    CHECK(refusal("select ü, 1 from nowhere.at_all") == "permanent: nowhere.at_all");
    CHECK(refusal("select $n,\n  $day = 5") == "permanent: = 5");
    CHECK(refusal("selct 1") == "permanent: selct 1");
    CHECK(refusal("select 1 / ($n - 3)") == "bad_data: nowhere");
}
