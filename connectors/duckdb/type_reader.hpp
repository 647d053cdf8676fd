/// From DuckDB's handle of a type to our description (internal to connectors/duckdb/).
#pragma once

#include "connectors/duckdb/api.hpp"
#include "connectors/duckdb/type.hpp"

namespace millrace::duckdb {
/// Takes the handle and destroys it.
[[nodiscard]] Type read_type(c::LogicalType handle);
} // namespace millrace::duckdb
