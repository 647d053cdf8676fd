/// The daemon's own questions about data: a query over datasets, and what the SQL of a flow means before anything runs.
#pragma once

#include "connectors/duckdb/database.hpp"
#include "flows/host_message.hpp"

namespace millrace {

/// Never throws: an error is part of the reply.
[[nodiscard]] EvaluateReply evaluate(const EvaluateOrder& order, duckdb::Database& database);

/// Prepares every SQL of the order over empty tables. Never throws: mistakes are part of the results.
[[nodiscard]] InferReply infer(const InferOrder& order);

/// As the protocol carries it.
[[nodiscard]] OrderError to_order_error(const std::exception& e);

} // namespace millrace
