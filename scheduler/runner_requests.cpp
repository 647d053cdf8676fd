// What people ask of a live run: cancel, pause, resume, approve.
#include "scheduler/runner.hpp"

namespace millrace {

bool Runner::cancel(std::int64_t run_id, const std::string& message, std::function<void()> done) {
    auto* run = live(run_id);
    if (!run || run->closing || run->row.state == State::Cancelling) return false;
    const auto now = clock_.now();
    event(*run, "", "cancelled", message, Json::object());
    then(*run, std::move(done));
    if (run->machine) {
        run->held = false;
        run->machine->cancel(RunPlan::Ending::Cancelled, message, now);
        stalled_.erase(run_id);
        pump(run_id);
    } else if (run->child) {
        run->stopping = true;
        run->row.state = State::Cancelling;
        run->row.state_name = "Cancelling";
        run->row.message = message;
        run->pending.run = run->row;
        const auto child = run->child;
        record(*run);
        cancel(child, message, {});
    } else {
        without_slots_.erase({run_id, TaskKey{-1, -1}});
        end_parent(*run, State::Cancelled, "Cancelled", message);
    }
    dispatch();
    return true;
}

bool Runner::pause(std::int64_t run_id, const std::string& by, std::function<void()> done) {
    auto* run = live(run_id);
    if (!run || !run->machine || run->machine->state() != State::Running) return false;
    event(*run, "", "paused", "paused by " + by, Json::object());
    then(*run, std::move(done));
    run->machine->pause(clock_.now());
    pump(run_id);
    return true;
}

bool Runner::resume(std::int64_t run_id, const std::string& by, std::function<void()> done) {
    auto* run = live(run_id);
    if (!run || !run->machine || run->machine->state() != State::Paused) return false;
    event(*run, "", "resumed", "resumed by " + by, Json::object());
    then(*run, std::move(done));
    run->machine->resume(clock_.now());
    pump(run_id);
    dispatch();
    return true;
}

bool Runner::decide(std::int64_t run_id, int task, bool approved, const std::string& message, std::function<void()> done) {
    auto* run = live(run_id);
    if (!run || !run->machine || !run->machine->decide(task, approved, message, clock_.now())) return false;
    event(*run, run->start.plan->tasks[static_cast<std::size_t>(task)].name, approved ? "approved" : "rejected", message, Json::object());
    then(*run, std::move(done));
    pump(run_id);
    dispatch();
    return true;
}

} // namespace millrace
