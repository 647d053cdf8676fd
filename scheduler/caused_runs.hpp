/// Runs that runs cause: a task calls one (`flow:`), or the end of a run starts one (`triggers`). Each is in the store together with
/// what caused it, in one commit. Pure but for what the catalogue and the connections say; the loop's thread only.
///
///     options.cause = {run, flow, task, item, place, flows} | {run, flow, state, flows}
///
/// `place` is that of the task run that waits for its end ([task, item]), and is not there where nobody waits; `flows` are those
/// that led to it: a flow that is among them is not started again.
#pragma once

#include "scheduler/run_start.hpp"

#include <string>
#include <vector>

namespace millrace {

class Catalogue;
class Connections;

/// Without an id and a staging id: those come from who admits it.
struct CausedRun {
    RunRow row;
    RunStart start;
};

/// Who waits for the end of a run.
struct CallingTask {
    std::int64_t run_id = 0;
    TaskKey key;
};
[[nodiscard]] std::optional<CallingTask> caller_of(const RunRow& row);

class CausedRuns {
public:
    CausedRuns(const Catalogue& catalogue, Connections& connections) : catalogue_(catalogue), connections_(connections) {}

    /// The run that this task run calls. Throws Error{Permanent} where there can be none.
    [[nodiscard]] CausedRun called(const RunRow& caller, const RunPlan& plan, TaskKey key, Instant now) const;
    /// Those that the end of `ended` starts; `not_started` says of the others why not.
    [[nodiscard]] std::vector<CausedRun> started_by_end(const RunRow& ended, State state, std::vector<std::string>& not_started,
                                                        Instant now) const;

private:
    [[nodiscard]] CausedRun made(const std::string& flow, const RunRow& by, Json cause, const Json& params, Instant now) const;

    const Catalogue& catalogue_;
    Connections& connections_;
};

} // namespace millrace
