/// A contract (`columns`) as SQL: the cast of every column, exact or a violation, and the rule that a row breaks first.
/// Pure text; dataset.cpp runs it.
#pragma once

#include "connectors/duckdb/type.hpp"
#include "flows/task_options.hpp"

#include <string>
#include <vector>

namespace millrace {

/// Names of the two columns that a judged dataset carries beside its own.
inline constexpr const char* rule_column = "_rule"; ///< why the row is rejected, see `reason_sql`; NULL: it is not
inline constexpr const char* raw_column = "_raw";   ///< the row before the cast, as JSON; NULL unless rejected

struct JudgedSql {
    std::string select;             ///< the contract's columns, `_rule` and `_raw`, over the given relation
    std::vector<std::string> types; ///< of the contract's columns, in order
};

/// SQL of the text {"column", "rule", "value"} as JSON: `value`, an expression, is cut to a readable length; empty: there is none.
[[nodiscard]] std::string reason_sql(const std::string& column, const std::string& rule, const std::string& value);

/// What the user wrote to get the rows.
enum class RowsOf { Sql, Command };

/// `relation` stands after FROM and gives columns `found`. Throws Error{Permanent} when names differ from the contract's.
[[nodiscard]] JudgedSql judge(const std::string& relation, const std::vector<duckdb::Column>& found,
                              const std::vector<ColumnSpec>& contract, RowsOf rows_of);

/// The type that a Parquet file keeps without loss: DuckDB writes HUGEINT, as integer sums are, as DOUBLE.
[[nodiscard]] std::string stored_type(const std::string& type);

/// A boolean over `value`: it was changed by the cast to `type` (rounded, cut, or it does not fit). Empty: that cannot happen.
[[nodiscard]] std::string misfit(const std::string& value, const duckdb::Type& from, const std::string& type);

} // namespace millrace
