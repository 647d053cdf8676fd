/// A backfill: one run over a span of the past, in chunks that are runs of their own, some of them at once. It stands in no line of
/// its flow (`overlap`), goes on where a chunk fails, and leaves out what an earlier run completed. Pure.
#pragma once

#include "flows/interval.hpp"
#include "scheduler/store/rows.hpp"

#include <map>
#include <memory>
#include <optional>

namespace millrace {

struct Backfill {
    Span every;              ///< length of a chunk
    int at_once = 1;         ///< chunks under way, at most; from 1 on
    std::vector<int> done{}; ///< numbers of the chunks that are left out, from 1 on
};

/// As the run's options keep it, so that a daemon that takes it over cuts it likewise.
void write_backfill(RunRow& row, const Backfill& backfill);
[[nodiscard]] std::optional<Backfill> backfill_of(const RunRow& row);
/// Told in place of an SQLSTATE, of which none begins with it: a live backfill of the flow has the same parameters and a part of its time.
inline constexpr const char* beside_another = "MR002";

/// Of the runs of its flow, one of which waits for the other where `overlap` says so: neither a chunk nor a backfill.
[[nodiscard]] bool stands_in_line(const RunRow& row);
/// A backfill that may not begin where another of the flow goes on, with the same parameters, over a part of its time: each would do the
/// chunks that they share. A trial may.
[[nodiscard]] bool is_alone_in_its_time(const RunRow& row);

/// What stands of earlier runs: the number of a chunk, and the run that completed it. A run counts whose interval is that of the
/// chunk, with the same parameters and tasks that do the same (`plans`, by hash), none of which failed; no trial.
[[nodiscard]] std::map<int, std::int64_t> completed_before(const std::vector<Interval>& chunks, const Json& params, const FlowPlan& now,
                                                           const std::vector<RunRow>& runs,
                                                           const std::map<std::string, std::shared_ptr<const FlowPlan>>& plans);

} // namespace millrace
