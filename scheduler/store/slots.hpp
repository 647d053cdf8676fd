/// Limits as rows of the store: one for each slot.
#pragma once

#include "scheduler/store/database.hpp"

#include <pqxx/pqxx>

#include <map>
#include <string>
#include <vector>

namespace millrace {

using Limits = std::map<std::string, int>; ///< slots by key

/// As Store::set_limits(), within a transaction.
Limits put_limits(pqxx::work& work, Limits limits, std::int64_t live_from);

/// Part of store_statements().
[[nodiscard]] const std::vector<Statement>& slot_statements();

} // namespace millrace
