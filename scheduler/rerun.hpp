/// What of an ended run stands for its re-run.
#pragma once

#include "scheduler/runner.hpp"
#include "scheduler/store/store.hpp"

namespace millrace {

/// Of `now`, tasks that completed, whose definition and whose parents' are the same in both plans, and items of mapped tasks
/// that completed, where the definition is the same and so is what it reads beside its items; a row of `for_each` that was made
/// again is known by its values. Nothing that comes after `from`, nor it itself (empty: nobody). Pure.
[[nodiscard]] Reused reusable(const FlowPlan& then, const FlowPlan& now, const std::vector<StoredTaskRun>& task_runs,
                              const std::string& from);

/// The same for a run that `row.options` says to be such a re-run, from the store; nothing for others. After a restart too: items
/// are rows of a run only when they are known.
[[nodiscard]] boost::asio::awaitable<Reused> reused_by(Store& store, const RunRow& row, const FlowPlan& now);

/// Likewise for a run in chunks: of those that it repeats.
[[nodiscard]] boost::asio::awaitable<RepeatedChunks> repeated_by(Store& store, const RunRow& row, const FlowPlan& now);

/// Numbers of the chunks that completed, in this run or the one that it repeated. Pure.
[[nodiscard]] Json chunks_done(const RunRow& parent, const std::vector<RunRow>& chunks);

} // namespace millrace
