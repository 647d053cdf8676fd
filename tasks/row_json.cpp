#include "tasks/row_json.hpp"

#include "flows/sql_identifier.hpp"

#include <fmt/format.h>

namespace millrace {
namespace {

bool is_decimal(const std::string& type) { return type.starts_with("DECIMAL") && type.ends_with(")"); }
bool is_float(const std::string& type) { return type == "DOUBLE" || type == "FLOAT"; }

constexpr const char* text = "CAST(_v AS VARCHAR)";
/// A condition: `_v` is a whole number that BIGINT holds.
constexpr const char* is_whole = "_v = trunc(_v) AND abs(_v) < 1e15";

/// `expression` of the value, which it calls `_v`. DuckDB moves what an expression names more than once out of its conditions and
/// computes it for every row, also for those that break no rule; into a lambda it does not look.
std::string of_value(const std::string& value, const std::string& expression) {
    return "list_transform([" + value + "], lambda _v: " + expression + ")[1]";
}

} // namespace

std::string shown_json(const std::string& value, const std::string& type) {
    std::string number; // the condition under which it is one to a reader of JSON, and that number
    if (is_float(type)) number = "isfinite(_v) THEN to_json(_v)"; // JSON has no infinity
    if (is_decimal(type)) number = "abs(_v) < 1e15 AND TRY_CAST(CAST(_v AS DOUBLE) AS " + type + ") = _v THEN to_json(CAST(_v AS DOUBLE))";
    if (type.ends_with("HUGEINT"))
        return of_value(value, fmt::format("CASE WHEN TRY_CAST(_v AS BIGINT) IS NULL THEN to_json({}) ELSE to_json(_v) END", text));
    if (number.empty()) return value;
    return of_value(value,
                    fmt::format("CASE WHEN {} THEN to_json(TRY_CAST(_v AS BIGINT)) WHEN {} ELSE to_json({}) END", is_whole, number, text));
}

std::string shown_text(const std::string& value, const std::string& type) {
    if (!is_float(type) && !is_decimal(type)) return "CAST(" + value + " AS VARCHAR)";
    return of_value(value, fmt::format("CASE WHEN {} THEN CAST(TRY_CAST(_v AS BIGINT) AS VARCHAR) ELSE {} END", is_whole, text));
}

std::string row_json(const std::string& row, const std::vector<ManifestColumn>& columns) {
    std::string members;
    for (const ManifestColumn& c : columns)
        members += fmt::format("{}{}: {}", members.empty() ? "" : ", ", quote_literal(c.name),
                               shown_json(row + "." + quote_identifier(c.name), c.type));
    return "CAST(to_json({" + members + "}) AS VARCHAR)";
}

} // namespace millrace
