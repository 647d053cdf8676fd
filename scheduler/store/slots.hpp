/// Limits as rows of the store: one for each slot.
#pragma once

#include "scheduler/store/database.hpp"

#include <pqxx/pqxx>

#include <map>
#include <string>
#include <vector>

namespace millrace {

using Limits = std::map<std::string, int>; ///< slots by key

struct PutLimits {
    Limits kept;   ///< higher than asked for: what deployed flows and live runs demand is there in any case
    Limits others; ///< not as asked for, since other nodes have them so
};

/// As Store::set_limits(), within a transaction.
PutLimits put_limits(pqxx::work& work, Limits limits, std::int64_t live_from, const std::string& starting = {});

/// Part of store_statements().
[[nodiscard]] const std::vector<Statement>& slot_statements();

} // namespace millrace
