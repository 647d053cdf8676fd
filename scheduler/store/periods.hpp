/// Periods: spans of run ids whose rows are partitions of their own (migration 3), about a day's each, so that history goes by
/// dropping tables. A period is made before its first id is handed out.
#pragma once

#include "scheduler/store/database.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace millrace {

struct Period {
    std::int64_t first = 0, beyond = 0; ///< run ids first .. beyond - 1
};

/// How many ids the period after `newest` is to have, whose first run was made `ago`: those of a day at that pace, and not much more
/// or less than `newest` has. Pure.
[[nodiscard]] std::int64_t next_width(Period newest, std::chrono::microseconds ago);

/// Up to so many ids a period is never left before its end: a gap in the numbers of runs would be all that is gained.
inline constexpr std::int64_t small_period = 1024;

/// Where the rows of a run are.
class Periods {
public:
    Periods() = default;
    explicit Periods(std::vector<Period> all) : all_(std::move(all)) {} ///< the oldest first
    /// False: there may be newer ones than these.
    [[nodiscard]] bool cover(std::int64_t run_id) const { return !all_.empty() && run_id < all_.back().beyond; }
    /// What the names of its partitions end in. `run_id` is covered.
    [[nodiscard]] std::string part_of(std::int64_t run_id) const;

private:
    std::vector<Period> all_;
};

/// In a transaction that has called one_allocates(): who hands out run ids does so alone.
void one_allocates(pqxx::transaction_base& w);
/// There is a period for `id`, which is higher than any that was handed out before.
void cover_run_id(pqxx::transaction_base& w, std::int64_t id);
/// The next id to be handed out is the first one of a new period, unless the newest one has few ids or its first run is not as old as
/// that. True: it is.
bool leave_old_period(pqxx::transaction_base& w, std::chrono::microseconds age, const std::string& now);

/// No run before this is live, as settle_periods() in history.hpp noted. A statement that has it as a subselect does not read what is
/// before it either. The oldest period has all ids before it too.
inline constexpr const char* first_unsettled = R"sql(
    select coalesce(nullif(min(first) filter (where not settled), min(first)), 0) from millrace.period)sql";

inline constexpr const char* all_periods = "select first, beyond from millrace.period order by first";

[[nodiscard]] const std::vector<Statement>& period_statements();

} // namespace millrace
