// What people ask of a live run: cancel, pause, resume, approve; and what they are told of it.
#include "scheduler/runner.hpp"

#include "scheduler/documents.hpp"

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
    } else if (!run->children.empty()) {
        run->stopping = true;
        run->row.state = State::Cancelling;
        run->row.state_name = "Cancelling";
        run->row.message = message;
        record_row(*run);
        for (const auto child : run->children) (void)cancel(child, message, {});
    } else {
        without_slots_.erase({run_id, TaskKey{-1, -1}});
        end_parent(*run, State::Cancelled, "Cancelled", message);
    }
    dispatch();
    return true;
}

bool Runner::pause(std::int64_t run_id, const std::string& by, std::function<void()> done) {
    auto* run = live(run_id);
    if (run && !run->parts.empty()) return hold_chunks(*run, true, by, std::move(done));
    if (!run || !run->machine || run->machine->state() != State::Running) return false;
    event(*run, "", "paused", "paused by " + by, Json::object());
    then(*run, std::move(done));
    run->machine->pause(clock_.now());
    pump(run_id);
    for (const auto& [key, called] : std::map(run->calls)) (void)pause(called, by, {});
    return true;
}

bool Runner::resume(std::int64_t run_id, const std::string& by, std::function<void()> done) {
    auto* run = live(run_id);
    if (run && !run->parts.empty()) return hold_chunks(*run, false, by, std::move(done));
    if (!run || !run->machine || run->machine->state() != State::Paused) return false;
    event(*run, "", "resumed", "resumed by " + by, Json::object());
    then(*run, std::move(done));
    run->machine->resume(clock_.now());
    for (const auto& [key, called] : std::map(run->calls)) (void)resume(called, by, {});
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

Json Runner::live_document(const LiveRun& run) const {
    Json document = run_document(run.row, summary_of(run));
    if (run.row.state_name == "Queued") document["message"] = why_queued(run);
    if (!run.late.empty() && run.attempts.empty()) mark_late(document, run.late);
    if (const auto why = why_it_waits(run.row.id, {-1, -1}); !why.empty()) document["message"] = why;
    return document;
}

void Runner::show_late(std::int64_t run_id, const std::string& why) {
    auto* run = live(run_id);
    if (!run || run->late == why) return;
    run->late = why;
    if (events_.heard()) events_.publish({"run", run_id, live_document(*run)});
}

} // namespace millrace
