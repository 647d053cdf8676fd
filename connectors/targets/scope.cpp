#include "connectors/targets/scope.hpp"

#include "connectors/duckdb/query_error.hpp"
#include "flows/error.hpp"
#include "flows/scope.hpp"

#include <fmt/format.h>

namespace millrace {
namespace {

std::vector<ScopeComparison> understood(const std::string& text) {
    try {
        return parse_scope(text);
    } catch (const ScopeMistake& e) {
        throw Error(ErrorClass::Permanent, fmt::format("scope: {}: '{}'", e.what(), text.substr(e.offset, 40)), scope_form);
    }
}

/// As a whole number is written: its column may be of an integer type.
std::string without_zeros(const std::string& decimal) {
    if (decimal.find('.') == std::string::npos) return decimal;
    const std::size_t last = decimal.find_last_not_of('0');
    return decimal.substr(0, decimal[last] == '.' ? last : last + 1);
}

ScopeValue evaluated(const std::string& sql, duckdb::Connection& db, const duckdb::Bindings& values) {
    duckdb::Statement statement =
        db.prepare(fmt::format("SELECT CASE WHEN ({0}) IS NOT NULL THEN [CAST(({0}) AS VARCHAR), typeof({0})] END", sql));
    statement.bind(values);
    const Json value = statement.run().single_value();
    if (value.is_null())
        throw Error(ErrorClass::Permanent, "scope: " + sql + " has no value in this run",
                    "give the run one with -p NAME=VALUE; a parameter with `required: true` refuses a run without");
    const std::string text = value.at(0), type = value.at(1);
    if (type == "DATE") return {text, "date", sql};
    if (type == "TIMESTAMP WITH TIME ZONE") return {text, "timestamptz", sql};
    if (type.ends_with("]")) return {text, "list", sql};
    return {type.starts_with("DECIMAL") ? without_zeros(text) : text, "text", sql};
}

} // namespace

std::vector<ScopeTerm> evaluate_scope(const std::string& text, duckdb::Connection& db, const duckdb::Bindings& values) {
    std::vector<ScopeTerm> out;
    for (const ScopeComparison& comparison : understood(text)) {
        ScopeTerm& term = out.emplace_back(ScopeTerm{comparison.column, comparison.op, {}});
        for (const std::string& sql : comparison.values) try {
                term.values.push_back(evaluated(sql, db, values));
            } catch (const duckdb::QueryError& e) {
                throw Error(e.error_class, "scope: " + sql + ": " + e.what(), e.remedy);
            }
    }
    return out;
}

} // namespace millrace
