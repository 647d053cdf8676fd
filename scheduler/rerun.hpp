/// What of an ended run stands for its re-run. Pure.
#pragma once

#include "scheduler/store/store.hpp"

namespace millrace {

/// Results by task of `now`: of tasks that completed, whose definition and whose parents' are the same in both plans, and
/// which do not come after `from` (nor are it; empty: nobody).
[[nodiscard]] std::map<int, TaskRunDetails> reusable(const FlowPlan& then, const FlowPlan& now, const std::vector<StoredTaskRun>& task_runs,
                                                     const std::string& from);

/// Numbers of the chunks that completed, in this run or the one that it repeated.
[[nodiscard]] Json chunks_done(const RunRow& parent, const std::vector<RunRow>& chunks);

} // namespace millrace
