#include "tasks/contract.hpp"

#include "flows/column_type.hpp"
#include "flows/error.hpp"
#include "flows/letters.hpp"
#include "flows/nearest.hpp"
#include "flows/sql_identifier.hpp"
#include "flows/type_names.hpp"
#include "tasks/row_json.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>

namespace millrace {
namespace {

using duckdb::Type;
using duckdb::TypeId;

/// One spelling for each type that has several, so that equal types compare equal; DuckDB's own for those of which the language
/// knows nothing.
std::string canonical(const std::string& type) {
    try {
        return canonical_type(type);
    } catch (const ColumnMistake&) {
        return type;
    }
}

/// Decimal digits of an integer type, 0: it is none.
int integer_digits(const std::string& type) {
    static const std::map<std::string, int> digits{{"TINYINT", 3},   {"UTINYINT", 3}, {"SMALLINT", 5}, {"USMALLINT", 5}, {"INTEGER", 10},
                                                   {"UINTEGER", 10}, {"BIGINT", 19},  {"UBIGINT", 20}, {"HUGEINT", 39},  {"UHUGEINT", 39}};
    const auto found = digits.find(type);
    return found == digits.end() ? 0 : found->second;
}

bool is_unsigned(const std::string& type) { return type.starts_with("U") && integer_digits(type) != 0; }

std::optional<std::pair<int, int>> decimal_of(const std::string& type) {
    int width = 0, scale = 0;
    if (std::sscanf(type.c_str(), "DECIMAL(%d,%d)", &width, &scale) != 2) return std::nullopt;
    return std::pair(width, scale);
}

/// Every value of `from` is a value of `to`.
bool always_fits(const Type& from, const std::string& to) {
    const std::string name = canonical(from.name);
    if (name == to || from.id == TypeId::SqlNull) return true;
    if (to == "VARCHAR") return from.children.empty();
    const int digits = integer_digits(name), wider = integer_digits(to);
    const auto decimal = decimal_of(to);
    if (digits != 0 && wider > digits) return is_unsigned(name) || !is_unsigned(to);
    if (digits != 0 && decimal) return decimal->first - decimal->second >= digits;
    if (digits != 0 && to == "DOUBLE") return digits <= 10;
    if (from.id == TypeId::Decimal && decimal)
        return decimal->second >= from.scale && decimal->first - decimal->second >= from.width - from.scale;
    if (name == "FLOAT" && to == "DOUBLE") return true;
    return name == "DATE" && to == "TIMESTAMP";
}

std::string cast(const std::string& value, const std::string& type) { return "TRY_CAST(" + value + " AS " + type + ")"; }

/// A text is exact for a type when nothing in it is dropped by the cast.
std::string text_misfit(const std::string& value, const std::string& type) {
    const std::string failed = cast(value, type) + " IS NULL";
    const auto decimal = decimal_of(type);
    if (integer_digits(type) != 0 || decimal) {
        const int scale = decimal ? decimal->second : 0;
        return "(" + failed + " OR NOT regexp_full_match(" + value + ", '\\s*[+-]?\\d*(\\.\\d{0," + std::to_string(scale) + "}0*)?\\s*'))";
    }
    if (type == "TIMESTAMP WITH TIME ZONE") // an instant has an offset; without one DuckDB takes its session's zone
        return "(" + failed + " OR NOT regexp_full_match(" + value +
               ", '.*\\d:\\d{2}(:\\d{2}([.,]\\d+)?)?\\s*(Z|z|UTC|[+-]\\d{2}(:?\\d{2})?)\\s*'))";
    if (type == "DATE")
        return "(" + failed + " OR " + cast(value, "TIMESTAMP") + " IS DISTINCT FROM CAST(" + cast(value, type) + " AS TIMESTAMP))";
    if (type == "TIMESTAMP") // the cast takes no notice of an offset
        return "(" + failed + " OR regexp_matches(" + value + ", ':\\d{2}([.,]\\d+)?\\s*[+-][0:]*[1-9]'))";
    if (type == "TIME") // nor of anything else around a time
        return "(" + failed + " OR NOT regexp_full_match(" + value + ", '\\s*\\d+:\\d{1,2}(:\\d{1,2}([.,]\\d+)?)?\\s*'))";
    if (type == "DOUBLE" || type == "FLOAT") // digits beyond its range become infinite
        return "(" + failed + " OR (isinf(" + cast(value, type) + ") AND regexp_matches(" + value + ", '\\d')))";
    return failed;
}

const duckdb::Column* find_column(const std::vector<duckdb::Column>& found, const std::string& name) {
    const auto exact = std::find_if(found.begin(), found.end(), [&](const duckdb::Column& c) { return c.name == name; });
    if (exact != found.end()) return &*exact;
    const auto other_case =
        std::find_if(found.begin(), found.end(), [&](const duckdb::Column& c) { return lower_case(c.name) == lower_case(name); });
    return other_case == found.end() ? nullptr : &*other_case;
}

bool is_declared(const std::vector<ColumnSpec>& contract, const std::string& name) {
    return std::any_of(contract.begin(), contract.end(), [&](const ColumnSpec& s) { return lower_case(s.name) == lower_case(name); });
}

void require_same_names(const std::vector<duckdb::Column>& found, const std::vector<ColumnSpec>& contract, RowsOf rows_of) {
    std::vector<std::string> names, free;
    for (const duckdb::Column& c : found) {
        names.push_back(c.name);
        if (!is_declared(contract, c.name)) free.push_back(c.name);
    }
    for (const ColumnSpec& c : contract) {
        if (find_column(found, c.name) != nullptr) continue;
        const std::string near = nearest(c.name, free);
        throw Error(ErrorClass::Permanent, "the contract has a column '" + c.name + "' that the rows lack",
                    near.empty() ? fmt::format("they have {}", fmt::join(names, ", ")) : "did you mean '" + near + "'?");
    }
    if (!free.empty())
        throw Error(ErrorClass::Permanent, "the rows have a column '" + free.front() + "' that the contract lacks",
                    fmt::format("add it to `columns`, or leave it out of the {}", rows_of == RowsOf::Sql ? "SQL" : "output"));
}

} // namespace

std::string reason_sql(const std::string& column, const std::string& rule, const std::string& value) {
    return "CAST(json_object('column', " + quote_literal(column) + ", 'rule', " + quote_literal(rule) +
           (value.empty() ? "" : ", 'value', left(CAST(" + value + " AS VARCHAR), 100)") + ") AS VARCHAR)";
}

std::string stored_type(const std::string& type) {
    if (type == "INTERVAL" || type == "BIT" || type == "BIGNUM") return "VARCHAR";
    std::string out = type;
    for (const std::string wide : {"UHUGEINT", "HUGEINT"})
        for (std::size_t at = upper_case(out).find(wide); at != std::string::npos; at = upper_case(out).find(wide))
            out.replace(at, wide.size(), "DECIMAL(38,0)");
    return out;
}

std::string misfit(const std::string& value, const Type& from, const std::string& to_type) {
    const std::string to = canonical(to_type);
    if (always_fits(from, to)) return "";
    const std::string there = "(" + value + " IS NOT NULL AND ";
    if (from.id == TypeId::Varchar && !from.is_json && to != "JSON") return there + text_misfit(value, to) + ")";
    if (to == "JSON" || to == "VARCHAR") return there + cast(value, to) + " IS NULL)";
    return there + cast(cast(value, to), from.name) + " IS DISTINCT FROM " + value + ")";
}

JudgedSql judge(const std::string& relation, const std::vector<duckdb::Column>& found, const std::vector<ColumnSpec>& contract,
                RowsOf rows_of) {
    require_same_names(found, contract, rows_of);
    JudgedSql out;
    std::string typed, unfit, nulls, checks, raw, named;
    std::vector<ManifestColumn> came; // as `raw` has them
    for (std::size_t i = 0; i < contract.size(); ++i) {
        ColumnSpec spec = contract[i];
        spec.type = stored_type(spec.type);
        const duckdb::Column& source = *find_column(found, spec.name);
        const std::string name = quote_identifier(spec.name), before = "r." + quote_identifier(source.name), comma = i == 0 ? "" : ", ";
        if (const auto mistake = mixes_times(canonical(source.type.name), canonical(spec.type)))
            throw Error(ErrorClass::Permanent,
                        "column '" + spec.name + "' is " + type_words(source.type.name) + " and declared " + type_words(spec.type) + ": " +
                            mistake->what,
                        mistake->hint);
        const bool same = canonical(source.type.name) == canonical(spec.type);
        typed += comma + (same ? before : cast(before, spec.type)) + " AS " + name;
        named += comma + name;
        raw += comma + quote_literal(spec.name) + ": " + before;
        came.push_back({spec.name, source.type.name});
        out.types.push_back(spec.type);
        const std::string bad = misfit(before, source.type, spec.type);
        if (!bad.empty()) unfit += " WHEN " + bad + " THEN " + reason_sql(spec.name, "does not fit " + type_words(spec.type), before);
        if (!spec.nullable) nulls += " WHEN " + name + " IS NULL THEN " + reason_sql(spec.name, "is null", "");
        if (!spec.check.empty())
            checks += " WHEN NOT (" + spec.check + "\n) THEN " +
                      reason_sql(spec.name, "breaks check (" + spec.check + ")", shown_text("_before." + name, source.type.name));
    }
    const bool judged = !unfit.empty() || !nulls.empty() || !checks.empty();
    const std::string inner = "SELECT " + typed + (unfit.empty() ? ", CAST(NULL AS VARCHAR)" : ", CASE" + unfit + " END") + " AS _unfit" +
                              (judged ? ", {" + raw + "} AS _before" : "") + " FROM " + relation + " r";
    const std::string rule =
        nulls.empty() && checks.empty() ? "_unfit" : "CASE WHEN _unfit IS NOT NULL THEN _unfit" + nulls + checks + " END";
    const std::string ruled = "SELECT " + named + ", " + rule + " AS _rule" + (judged ? ", _before" : "") + " FROM (" + inner + ")";
    out.select = "SELECT " + named + ", _rule, " +
                 (judged ? "CASE WHEN _rule IS NOT NULL THEN " + row_json("_before", came) + " END" : "CAST(NULL AS VARCHAR)") +
                 " AS _raw FROM (" + ruled + ")";
    return out;
}

} // namespace millrace
