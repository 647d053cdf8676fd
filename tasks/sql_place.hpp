/// Where a mistake of a running statement stands in the flow that its SQL comes from.
#pragma once

#include "connectors/duckdb/query_error.hpp"
#include "flows/origin.hpp"

#include <string>

namespace millrace {

/// `e` in words for somebody who wrote the flow, with the file, the line and what stands there, as far as its place in `statement`
/// lies in the `sql` that this holds; `origin` is of the task that has the SQL.
[[nodiscard]] duckdb::QueryError with_place(const duckdb::QueryError& e, const std::string& statement, const std::string& sql,
                                            const TaskOrigin& origin);

/// "flows/hours.yaml:7, line 2 of the SQL: from x", of a byte of it.
[[nodiscard]] std::string place_in_sql(const std::string& sql, std::size_t offset, const TaskOrigin& origin);

} // namespace millrace
