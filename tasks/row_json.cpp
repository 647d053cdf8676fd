#include "tasks/row_json.hpp"

#include "flows/sql_identifier.hpp"

#include <fmt/format.h>

namespace millrace {
namespace {

bool is_decimal(const std::string& type) { return type.starts_with("DECIMAL") && type.ends_with(")"); }
bool has_fractions(const std::string& type) { return type == "DOUBLE" || type == "FLOAT" || is_decimal(type); }

/// A condition: such a value is a whole number that BIGINT holds.
std::string is_whole(const std::string& value) { return fmt::format("{0} = trunc({0}) AND abs({0}) < 1e15", value); }

} // namespace

std::string shown_json(const std::string& value, const std::string& type) {
    if (!has_fractions(type)) return value;
    const std::string exact = is_decimal(type) ? fmt::format(" WHEN TRY_CAST(CAST({0} AS DOUBLE) AS {1}) IS DISTINCT FROM {0} THEN "
                                                             "to_json(CAST({0} AS VARCHAR))",
                                                             value, type)
                                               : "";
    return fmt::format("CASE WHEN {} THEN to_json(TRY_CAST({} AS BIGINT)){} ELSE to_json({}) END", is_whole(value), value, exact, value);
}

std::string shown_text(const std::string& value, const std::string& type) {
    const std::string text = "CAST(" + value + " AS VARCHAR)";
    if (!has_fractions(type)) return text;
    return fmt::format("CASE WHEN {} THEN CAST(TRY_CAST({} AS BIGINT) AS VARCHAR) ELSE {} END", is_whole(value), value, text);
}

std::string row_json(const std::string& row, const std::vector<ManifestColumn>& columns) {
    std::string members;
    for (const ManifestColumn& c : columns)
        members += fmt::format("{}{}: {}", members.empty() ? "" : ", ", quote_literal(c.name),
                               shown_json(row + "." + quote_identifier(c.name), c.type));
    return "CAST(to_json({" + members + "}) AS VARCHAR)";
}

} // namespace millrace
