#include "tasks/sql_place.hpp"

#include "flows/duckdb_words.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <regex>

namespace millrace {
namespace {

constexpr std::size_t longest_excerpt = 80;

/// DuckDB tells `x::date` at its `::`; this is where `x` begins.
std::size_t begin_of_expression(const std::string& sql, std::size_t at) {
    if (sql.compare(at, 2, "::") != 0) return at;
    int depth = 0;
    for (; at > 0; --at) {
        const char before = sql[at - 1];
        if (depth == 0 && (before == '(' || before == ',' || std::isspace(static_cast<unsigned char>(before)) != 0)) break;
        depth += before == ')' ? 1 : before == '(' ? -1 : 0;
    }
    return at;
}

/// What the cast at `at` would be as a try_cast; empty: there is none.
std::string as_try_cast(const std::string& sql, std::size_t at) {
    const std::string rest = sql.substr(at, 200);
    std::smatch found;
    static const std::regex colons(R"(^([^;\n]*?)\s*::\s*([A-Za-z_]\w*(?:\(\d+(?:\s*,\s*\d+)?\))?))");
    if (std::regex_search(rest, found, colons)) return "try_cast(" + found[1].str() + " as " + found[2].str() + ")";
    static const std::regex call(R"(^cast\s*(\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)))", std::regex::icase);
    if (std::regex_search(rest, found, call)) return "try_cast" + found[1].str();
    return {};
}

/// What a function says of a value comes without its place: that of the only strptime with the format that was told.
std::size_t place_of_parse(const std::string& error, const std::string& sql) {
    constexpr std::string_view said = "according to format specifier \"";
    const std::size_t begin = error.find(said), none = std::string::npos;
    if (begin == none) return none;
    const std::size_t from = begin + said.size();
    const std::string format = "'" + error.substr(from, error.find('"', from) - from) + "'";
    static const std::regex call(R"(\bstrptime\s*\()", std::regex::icase);
    std::size_t place = none;
    for (auto at = std::sregex_iterator(sql.begin(), sql.end(), call); at != std::sregex_iterator(); ++at) {
        const auto here = static_cast<std::size_t>(at->position());
        const auto next = std::next(at) == std::sregex_iterator() ? sql.size() : static_cast<std::size_t>(std::next(at)->position());
        if (sql.substr(here, next - here).find(format) == none) continue;
        if (place != none) return none;
        place = here;
    }
    return place;
}

std::string remedy_of(const duckdb::QueryError& e, const std::string& hint, const std::string& try_cast) {
    const bool of_a_cast = e.error_class == ErrorClass::BadData && !try_cast.empty();
    if (of_a_cast)
        return "write " + try_cast + ", which is NULL where a value does not fit; or leave the cast to `columns`, which names the rows";
    return e.remedy.empty() ? hint : e.remedy;
}

} // namespace

std::string place_in_sql(const std::string& sql, std::size_t offset, const TaskOrigin& origin) {
    const auto line = 1 + static_cast<int>(std::count(sql.begin(), sql.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
    std::size_t length = std::min(sql.find('\n', offset), sql.size()) - offset;
    for (length = std::min(length, longest_excerpt); length > 0 && (static_cast<unsigned char>(sql[offset + length]) & 0xC0) == 0x80;)
        --length;
    const std::string place = place_of_sql(origin, line);
    return fmt::format("{}{}line {} of the SQL: {}", place, place.empty() ? "" : ", ", line, sql.substr(offset, length));
}

duckdb::QueryError with_place(const duckdb::QueryError& e, const std::string& statement, const std::string& sql, const TaskOrigin& origin) {
    const std::size_t begin = statement.find(sql), at = e.offset < 0 ? std::string::npos : static_cast<std::size_t>(e.offset);
    const bool told = begin != std::string::npos && at != std::string::npos && at >= begin && at < begin + sql.size();
    const std::size_t offset = told ? at - begin : place_of_parse(e.what(), sql);
    const bool found = offset != std::string::npos;
    const auto words = explain_duckdb(e.what(), sql, offset);
    std::string place = to_text(origin), try_cast;
    if (found) {
        const std::size_t from = begin_of_expression(sql, offset);
        place = place_in_sql(sql, from, origin);
        if (told) try_cast = as_try_cast(sql, from);
    }
    duckdb::QueryError out(e.error_class, place.empty() ? words.message : fmt::format("{} ({})", words.message, place),
                           remedy_of(e, words.hint, try_cast));
    out.kind = e.kind;
    out.offset = found ? static_cast<int>(offset) : -1;
    out.missing_table = e.missing_table;
    return out;
}

} // namespace millrace
