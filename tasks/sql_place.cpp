#include "tasks/sql_place.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

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

} // namespace

duckdb::QueryError with_place(const duckdb::QueryError& e, const std::string& statement, const std::string& sql) {
    const std::size_t begin = statement.find(sql), at = e.offset < 0 ? 0 : static_cast<std::size_t>(e.offset);
    if (begin == std::string::npos || e.offset < 0 || at < begin || at >= begin + sql.size()) return e;
    const std::size_t from = begin_of_expression(sql, at - begin);
    const auto line = 1 + std::count(sql.begin(), sql.begin() + static_cast<std::ptrdiff_t>(from), '\n');
    std::size_t length = std::min(sql.find('\n', from), sql.size()) - from;
    for (length = std::min(length, longest_excerpt); length > 0 && (static_cast<unsigned char>(sql[from + length]) & 0xC0) == 0x80;)
        --length;
    duckdb::QueryError out(e.error_class, fmt::format("{} (line {} of the SQL: {})", e.what(), line, sql.substr(from, length)), e.remedy);
    out.kind = e.kind;
    out.offset = static_cast<int>(at - begin);
    out.missing_table = e.missing_table;
    return out;
}

} // namespace millrace
