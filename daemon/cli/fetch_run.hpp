/// A run as commands show it. Of one with more task runs than its document holds, those that tell something are read apart: a fan-out of
/// thousands must not hide the one that failed, nor the tasks after it.
#pragma once

#include "daemon/cli/api_client.hpp"
#include "flows/json.hpp"

#include <string>

namespace millrace {

/// A run with its `tasks`, and in `chunks` the runs of its chunks, each again with `tasks` as far as they were fetched. Where some of its
/// task runs are not among them, `left_out` says how many: {tasks, failed}.
using RunDocument = Json;

/// A run with its tasks and, where it has chunks, their tasks; of many chunks those without a failure or a warning are their lines
/// alone, with `is_routine`. Of `before`, the same run a while ago, chunks that were over stand.
[[nodiscard]] RunDocument fetch_run(const ApiClient& api, const std::string& id, const RunDocument& before = RunDocument());
/// The same with all of its task runs, however many, for programs.
[[nodiscard]] RunDocument fetch_whole_run(const ApiClient& api, const std::string& id);

/// What is read apart of a run with many task runs, lists of them.
struct TasksReadApart {
    Json tasks;   ///< all that are no items
    Json failed;  ///< the first that failed
    Json at_work; ///< the first
};
/// `run` with these, then the items that it holds, of each at most a thousand: every task before its items.
[[nodiscard]] RunDocument with_tasks(RunDocument run, const TasksReadApart& apart);

/// "and 1,990 more task runs"; empty where all are there.
[[nodiscard]] std::string left_out_text(const RunDocument& run);

} // namespace millrace
