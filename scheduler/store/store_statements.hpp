/// The statements of Store's own files, which are part of store_statements().
#pragma once

#include "scheduler/store/database.hpp"

#include <string>
#include <vector>

namespace millrace {

[[nodiscard]] const std::vector<Statement>& store_node_statements();
[[nodiscard]] const std::vector<Statement>& store_run_statements();
[[nodiscard]] const std::vector<Statement>& store_request_statements();
[[nodiscard]] const std::vector<Statement>& store_flow_statements();

/// `list` is run_columns or task_run_columns.
inline std::string columns(const char* list, const char* rest) { return std::string("select ") + list + rest; }

} // namespace millrace
