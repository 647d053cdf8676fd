/// What of ended runs stands for a re-run. A re-run of a re-run takes from each run before what the later ones did not come to.
#pragma once

#include "scheduler/runner.hpp"
#include "scheduler/store/store.hpp"

#include <set>
#include <string>
#include <vector>

namespace millrace {

/// A run that a re-run may take results from.
struct RunBefore {
    std::shared_ptr<const FlowPlan> plan;
    std::vector<StoredTaskRun> task_runs;
    std::string from; ///< nothing of it, or of runs before it, that comes after this task, nor the task itself (empty: no task)
    std::set<std::string> other_params = {}; ///< those that the re-run has other values of
};

/// Of `now`, tasks that completed, whose definition and whose parents' are the same and see no parameter that is another now, and items of
/// mapped tasks that completed, where the definition is the same and so is what it reads beside its items; a row of `for_each` that was
/// made again is known by its values. `before`: the newest first; an older one counts for what no later one began. `gone`: manifests that
/// are not there any more: a task of which a dataset is wanted that retention removed runs again, and what comes after it. Pure.
[[nodiscard]] Reused reusable(const std::vector<RunBefore>& before, const FlowPlan& now, const std::set<std::string>& gone = {});

/// Both plans do the same, whenever and however often: what one completed stands for the other. Pure.
[[nodiscard]] bool do_the_same(const FlowPlan& then, const FlowPlan& now);

/// A run may complete in spite of them. `summary` is the row's.
[[nodiscard]] bool has_failures(const Json& summary);

/// What stands for a run that `row.options` says to be such a re-run, from the store; nothing for others. After a restart too:
/// items are rows of a run only when they are known.
[[nodiscard]] boost::asio::awaitable<Reused> reused_by(Store& store, const RunRow& row, const FlowPlan& now);

/// Likewise for a run in chunks: of the last chunk of each interval in the runs before.
[[nodiscard]] boost::asio::awaitable<RepeatedChunks> repeated_by(Store& store, const RunRow& row, const FlowPlan& now);

} // namespace millrace
