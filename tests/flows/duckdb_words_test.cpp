#include "flows/compile.hpp"
#include "flows/duckdb_words.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

/// The hint for what DuckDB says of `sql`, at the last place of `where`.
std::string hint(const std::string& error, const std::string& sql, const std::string& where) {
    return explain_duckdb(error, sql, sql.rfind(where)).hint;
}

} // namespace

TEST_CASE("a function that takes another type is told with the cast of the argument as it is written") {
    const std::string sum = "No function matches the given name and argument types 'sum(VARCHAR)'. You might need to add explicit type "
                            "casts.\n\tCandidate functions:\n\tsum(DECIMAL) -> DECIMAL\n\tsum(BOOLEAN) -> HUGEINT\n\tsum(BIGINT) -> "
                            "HUGEINT\n\tsum(DOUBLE) -> DOUBLE\n";
    CHECK(explain_duckdb(sum, "", 0).message == "No function matches the given name and argument types 'sum(text)'");
    CHECK(hint(sum, "select sum(e.hours) as s from e", "sum") == "e.hours is text; cast it to what it means: sum(e.hours::bigint)");
    CHECK(hint(sum, "select sum(a || b) from e", "sum") == "a || b is text; cast it to what it means: sum((a || b)::bigint)");
    CHECK(hint(sum, "select sum(a) from e", "from") == "cast what is of another type than it takes, such as x::bigint, x::date");
    const std::string trunc = "No function matches the given name and argument types 'date_trunc(STRING_LITERAL, VARCHAR)'. You might "
                              "need to add explicit type casts.\n\tCandidate functions:\n\tdate_trunc(VARCHAR, TIMESTAMP) -> "
                              "TIMESTAMP\n\tdate_trunc(VARCHAR, DATE) -> TIMESTAMP\n\tdate_trunc(VARCHAR, TIMESTAMP WITH TIME ZONE) -> X\n";
    CHECK(hint(trunc, "select date_trunc('day', at) from e", "date_trunc") ==
          "at is text; cast it to what it means: date_trunc('day', at::timestamptz)");
    const std::string lower = "No function matches the given name and argument types 'lower(DECIMAL(9,2))'. You might need to add explicit "
                              "type casts.\n\tCandidate functions:\n\tlower(VARCHAR) -> VARCHAR\n";
    CHECK(hint(lower, "select lower(n) from e", "lower") == "n is of type decimal(9,2); cast it to what it means: lower(n::text)");
}

TEST_CASE("another database's function for the time of day is answered with the run's time") {
    const auto of = [](const std::string& name) {
        return hint("Scalar Function with name " + name + " does not exist!\nDid you mean \"get_current_time\"?", "select f() as t", "f");
    };
    CHECK(of("getdate") == "the run's time is $run_at; of the day, $run_at::date");
    CHECK(of("\"GETDATE\"") == of("getdate"));
    CHECK(of("isnull") == "did you mean \"get_current_time\"?");
}

TEST_CASE("a word at which the parser stumbles is told with the one that was meant") {
    const auto near = [](const std::string& word, const std::string& sql) {
        return hint("syntax error at or near \"" + word + "\"", sql, word);
    };
    CHECK(near("by", "select a from x\noder by a") == "did you mean `order` instead of `oder`?");
    CHECK(near("selet", "selet a from x") == "did you mean `select` instead of `selet`?");
    CHECK(near("x", "select a form x") == "did you mean `from` instead of `form`?");
    CHECK(near("order", "select order from x") == "'order' is a word of SQL: as a name it stands in double quotes, \"order\"");
    CHECK(near("c", "select a b c from x") == "is a comma missing before it?");
    CHECK(near("b", "select a from x group b") == "it is `group by`");
    CHECK(near(")", "select f(a, ) from x") == "there is a comma too many before it");
    CHECK(near("{", "select {{ a }}").starts_with("SQL has no templates"));
}

TEST_CASE("a missing column is told with the task that has the nearest one, or with what there is") {
    struct Host : InferencePort {
        std::string said;
        InferReply infer(const InferOrder& order) override {
            InferReply reply;
            for (const auto& task : order.tasks) {
                InferResult result;
                result.name = task.name;
                result.columns = task.columns;
                result.schema_known = true;
                if (task.name == "b") result = {"b", {"x", "y"}, {}, false, said, "", 7};
                reply.tasks.push_back(result);
            }
            return reply;
        }
    } host;
    const auto told = [&](const std::string& error) {
        host.said = error;
        const auto result = compile({{"f.yaml", "flow: f\ntasks:\n  x: {transform: select 1 as id, columns: {id: int, name: text}}\n"
                                                "  y: {transform: select 1 as id, columns: {id: int}}\n"
                                                "  b: {transform: 'select nme from x join y using (id)'}\n"}},
                                    default_project(), {}, &host);
        std::string hints;
        for (const auto& d : result.diagnostics)
            if (d.line == 5) hints += d.hint;
        return hints;
    };
    CHECK(told("Referenced column \"nme\" not found in FROM clause!\nCandidate bindings: \"name\", \"id\"") ==
          "did you mean \"name\", of 'x'?");
    CHECK(told("Referenced column \"idd\" not found in FROM clause!\nCandidate bindings: \"id\"") ==
          "did you mean \"id\", of 'x' and 'y'?");
    CHECK(told("Referenced column \"zzzz\" not found in FROM clause!\nCandidate bindings: \"id\"") == "'x' has id, name; 'y' has id");
    CHECK(told("Referenced column \"zzzz\" not found in FROM clause!\nCandidate bindings: \"of_its_own\"") == "there are \"of_its_own\"");
}
