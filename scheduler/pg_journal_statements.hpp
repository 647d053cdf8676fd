/// A group of changes as SQL. The order is that of the foreign keys: runs, task runs, attempts, the rest; firings are claimed
/// before all of them, since what another node fired makes no run here.
#pragma once

#include "scheduler/journal.hpp"
#include "scheduler/store/database.hpp"

#include <span>

namespace millrace {

[[nodiscard]] const std::vector<Statement>& journal_statements();

/// Claims the firings of the group. What another node made first goes to the end of it, with all else of the same runs; returns
/// how many changes stand before those.
std::size_t claim_firings_of(pqxx::work& work, std::vector<RunChanges>& group);

/// Returns how many rows were written. `epoch` is of the node that drives new runs.
std::size_t write_group(pqxx::work& work, std::span<RunChanges> group, const std::string& epoch);

} // namespace millrace
