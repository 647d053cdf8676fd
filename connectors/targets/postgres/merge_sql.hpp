/// The statements of a load, as text. Pure.
#pragma once

#include "connectors/targets/postgres/table_plan.hpp"
#include "connectors/targets/scope.hpp"

#include <string>
#include <vector>

namespace millrace::postgres {

/// "a", "b" of the planned columns; `prefix` such as "s." in front of each.
[[nodiscard]] std::string column_list(const TablePlan& plan, const std::string& prefix = "");

/// A temporary table of the planned columns' types, dropped with the transaction.
[[nodiscard]] std::string create_stage(const TablePlan& plan, const std::string& stage);

/// Rows t and s have the same key; NULL is a key value like any other.
[[nodiscard]] std::string same_key(const TablePlan& plan);

/// Writes staged rows over those of the same key that differ in a compared column (and, with `newest_by`, are not newer).
[[nodiscard]] std::string update_changed(const TablePlan& plan, const std::string& stage, const std::string& newest_by);
/// How many rows that would be, and how many staged ones: fewer where the table holds a key twice. Empty, like update_changed: there
/// is nothing to compare.
[[nodiscard]] std::string count_changed(const TablePlan& plan, const std::string& stage, const std::string& newest_by);
[[nodiscard]] std::string insert_absent(const TablePlan& plan, const std::string& stage);
/// A staged key that the target lacks, as text.
[[nodiscard]] std::string find_absent(const TablePlan& plan, const std::string& stage);
/// FROM and WHERE of the target's rows, within the scope, whose key is not staged.
[[nodiscard]] std::string missing_rows(const TablePlan& plan, const std::string& stage, const std::string& scope);
/// The same of the target's rows whose key is staged (and, with `newest_by`, that are not newer).
[[nodiscard]] std::string staged_rows(const TablePlan& plan, const std::string& stage, const std::string& newest_by);

/// The scope as a condition on t ("true" for none). Throws Error{Permanent} for a value that the server would have to bend to fit
/// its column: rows beyond what was written would be deleted.
[[nodiscard]] std::string scope_sql(const TablePlan& plan, const std::vector<ScopeTerm>& terms);

/// A key that is staged twice, as text; no row: there is none.
[[nodiscard]] std::string find_duplicate(const TablePlan& plan, const std::string& stage);
/// A key that is in both, as text.
[[nodiscard]] std::string find_in_both(const TablePlan& plan, const std::string& stage, const std::string& other);

constexpr int nulls_not_distinct = 150000; ///< the version from which a unique index can take NULL for a value

/// Over the table's rows: how many keys it holds more than once, and one of them as text.
[[nodiscard]] std::string count_repeated(const TablePlan& plan);
/// Leaves one row of each such key.
[[nodiscard]] std::string delete_repeated(const TablePlan& plan);

enum class NullsInKey { None, Possible };
/// Makes the key of a table that this load created: a primary key, or a unique index where NULL may be among the values.
[[nodiscard]] std::string create_key(const TablePlan& plan, NullsInKey nulls, int server_version);

} // namespace millrace::postgres
