/// Where a mistake of a running statement stands in the SQL of a flow that the statement was made of.
#pragma once

#include "connectors/duckdb/query_error.hpp"

#include <string>

namespace millrace {

/// `e` with the line of `sql`, and what stands there, where its place in `statement` lies in the `sql` that this holds; else as it is.
[[nodiscard]] duckdb::QueryError with_place(const duckdb::QueryError& e, const std::string& statement, const std::string& sql);

} // namespace millrace
