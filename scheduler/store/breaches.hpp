/// What the watch over `expect` reads of the store, and what the journal writes of it.
#pragma once

#include "scheduler/expectations.hpp"
#include "scheduler/store/database.hpp"

#include <map>
#include <string>
#include <vector>

namespace millrace {

/// Facts of one flow as the store has them: rows by the number of their task, which only the run's plan has a name for.
struct StoredFacts {
    struct Rows {
        std::int64_t run_id = 0;
        std::string plan_hash;
        int task = 0;
        std::int64_t rows = 0;
    };
    FlowFacts facts; ///< without jitter: `due` of a schedule is its `nominal`, `asked_at` of its runs their nominal instant
    std::vector<Rows> rows;
};

/// By flow, those asked for; what was over more than a week before `now` is left out.
[[nodiscard]] boost::asio::awaitable<std::map<std::string, StoredFacts>> read_facts(Database& database, std::vector<std::string> flows,
                                                                                    Instant now);
/// Flows of which something is not as expected.
[[nodiscard]] boost::asio::awaitable<std::vector<std::string>> flows_with_breaches(Database& database);

/// Part of store_statements().
[[nodiscard]] const std::vector<Statement>& breach_statements();

} // namespace millrace
