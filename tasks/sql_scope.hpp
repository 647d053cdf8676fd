/// What SQL of a flow sees: upstream datasets as views by task name, and the run's values as `$name`. Its session is in the
/// flow's zone: Database::connect(context.timezone).
#pragma once

#include "connectors/duckdb/connection.hpp"
#include "connectors/targets/target.hpp"
#include "flows/error.hpp"
#include "flows/host_message.hpp"

#include <map>
#include <string>

namespace millrace {

/// `$run_at`, `$interval_start|end` (timestamptz), `$interval_start_date|_end_date` (dates in the flow's zone),
/// and every parameter, typed. Throws Error{Permanent} for a value that does not fit its type.
[[nodiscard]] duckdb::Bindings bindings_of(const RunContext& context);

/// The same for the SQL of a target.
[[nodiscard]] std::map<std::string, Question::Value> query_values(const RunContext& context);

/// One value by its declared type ("date", "decimal", ...; empty: by the JSON type).
[[nodiscard]] duckdb::Value value_of(const Json& value, const std::string& type, const std::string& timezone);

/// A temporary view for each input, by task name. Returns how many rows they hold.
std::int64_t create_views(duckdb::Connection& db, const std::map<std::string, std::string>& manifests);

} // namespace millrace
