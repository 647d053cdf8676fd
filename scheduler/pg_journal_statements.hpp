/// A group of changes as SQL. The order is that of the foreign keys: runs, firings, task runs, attempts, the rest.
#pragma once

#include "scheduler/journal.hpp"
#include "scheduler/store/database.hpp"

#include <span>

namespace millrace {

[[nodiscard]] const std::vector<Statement>& journal_statements();

/// Returns how many rows were written. `epoch` is of the node that drives new runs.
std::size_t write_group(pqxx::work& work, std::span<RunChanges> group, const std::string& epoch);

} // namespace millrace
