#include "connectors/duckdb/database.hpp"
#include "connectors/duckdb/row_source.hpp"
#include "connectors/targets/postgres/field.hpp"
#include "flows/error.hpp"

#include <catch2/catch.hpp>

#include <utility>

using namespace millrace;

namespace {

/// What the JSON document is in COPY, which no parser of DuckDB has seen; or the error.
std::string jsonb(const std::string& document) {
    const duckdb::Database database({});
    duckdb::Connection db = database.connect();
    bool written = false;
    const duckdb::RowSource source(db, {{"doc", "JSON"}}, [&](std::vector<duckdb::ColumnWriter>& columns, std::uint64_t) -> std::uint64_t {
        if (std::exchange(written, true)) return 0;
        columns.at(0).set_text(0, document);
        return 1;
    });
    duckdb::Result result = db.query("SELECT doc FROM " + source.sql());
    const auto chunk = result.next();
    std::string out;
    try {
        postgres::append_field(out, (*chunk)[0], 0, postgres::Wire::Jsonb);
    } catch (const Error& e) {
        return e.what();
    }
    return out.substr(5);
}

} // namespace

TEST_CASE("of JSON's escapes, those that jsonb refuses are refused before the server sees them, and no others") {
    for (const char* bad : {R"("\u0000")", R"("a\ud83d")", R"("\uD83D x")", R"("\ude00")", R"("\ud83d\u0041")", R"("\ud83d\ud83d\ude00")",
                            R"(["\\\u0000"])"}) {
        INFO(bad);
        CHECK_THAT(jsonb(bad), Catch::StartsWith("a JSON document contains \\u"));
    }
    for (const char* good : {R"("\ud83d\ude00")", R"("\\u0000")", R"("\\\\ud83d")", R"("\u0041\n\"")", R"("plain")", R"("\u")", "\"\\"}) {
        INFO(good);
        CHECK(jsonb(good) == good);
    }
}
