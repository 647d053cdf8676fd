// Runs in chunks: the parent has no tasks of its own; it makes one child run after the other, oldest part first. And how
// live runs go on after a restart.
#include "scheduler/runner.hpp"

#include "flows/counted.hpp"
#include "flows/hash.hpp"
#include "flows/interval.hpp"
#include "scheduler/backfill.hpp"
#include "scheduler/documents.hpp"
#include "scheduler/new_run.hpp"
#include "scheduler/orders.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace millrace {

bool Runner::cut_into_chunks(LiveRun& run) {
    for (const auto& part : parts_of(*run.start.plan, run.row)) run.parts.emplace_back(part.start, part.end);
    if (const auto backfill = backfill_of(run.row)) {
        run.goes_on = true;
        run.at_once = static_cast<std::size_t>(std::max(backfill->at_once, 1));
        for (const int number : backfill->done) run.left_out.insert(static_cast<std::size_t>(number - 1));
    }
    for (std::size_t place = 0; place < run.parts.size(); ++place)
        if (const auto before = run.start.repeated.find(run.parts[place]); before != run.start.repeated.end() && before->second.done)
            run.left_out.insert(place);
    return !run.parts.empty();
}

/// As many as may be under way; where none is and none is left, the whole has ended.
void Runner::begin_chunks(LiveRun& run) {
    const auto is_left = [&run] {
        const auto is_taken = [&run](std::size_t place) { return run.left_out.contains(place) || run.begun_before.contains(place); };
        while (run.next_part < run.parts.size() && is_taken(run.next_part)) ++run.next_part;
        return run.next_part < run.parts.size();
    };
    const bool may_begin = !run.paused && !run.stopping && (run.goes_on || !run.failure);
    while (may_begin && is_left() && run.children.size() < run.at_once) {
        if (const auto id = ids_.take()) {
            begin_chunk(run, id);
            continue;
        }
        clock_.call_after(std::chrono::milliseconds(20), [this, run_id = run.row.id] {
            if (auto* r = live(run_id); r && !r->closing) begin_chunks(*r);
        });
        break;
    }
    if (!run.children.empty()) return tell_chunks(run);
    if (run.stopping) return end_parent(run, State::Cancelled, "Cancelled", run.row.message);
    if (is_left() && (run.goes_on || !run.failure)) return tell_chunks(run); // paused, or a run id is on its way
    const auto before = run.goes_on ? run.left_out.size() : 0;
    if (!run.failure)
        return end_parent(run, State::Completed, "Completed",
                          before ? fmt::format("{} of {} chunks were done before", before, run.parts.size()) : "");
    const auto& [state, name, message] = *run.failure;
    if (!run.goes_on) return end_parent(run, state, name, message);
    end_parent(run, State::Failed, "Failed", fmt::format("{} of {} chunks did not complete; {}", run.failed, run.parts.size(), message));
}

void Runner::begin_chunk(LiveRun& run, std::int64_t id) {
    const auto part = run.parts[run.next_part++];
    RunRow child;
    child.id = id;
    child.flow = run.row.flow;
    child.plan_hash = run.row.plan_hash;
    child.staging_id = new_uuid();
    child.chunk_number = static_cast<int>(run.next_part);
    child.chunk_of = static_cast<int>(run.parts.size());
    child.run_key = sha256_hex(run.row.run_key + "\nchunk " + to_rfc3339(part.first));
    child.trigger = run.row.trigger;
    child.params = run.row.params;
    child.options = run.row.options;
    for (const char* of_the_whole : {"reuse_before", "backfill", "catch_up"}) child.options.erase(of_the_whole);
    if (child.options.contains("cause")) child.options["cause"].erase("place"); // who called the whole waits for the whole
    child.interval_start = part.first;
    child.interval_end = part.second;
    child.created_at = run.row.created_at; // the recorded time of the whole run: `_loaded_at` is one instant
    child.scheduled_for = run.row.scheduled_for;
    child.parent_id = run.row.id;

    run.children.insert(id);
    run.row.state = State::Running;
    run.row.state_name = "Running";
    if (!run.goes_on) run.row.message = fmt::format("chunk {} of {}", child.chunk_number, child.chunk_of);
    if (!run.row.started_at) run.row.started_at = clock_.now();
    record_row(run);
    RunStart start;
    start.plan = run.start.plan;
    if (const auto before = run.start.repeated.find(part); before != run.start.repeated.end()) {
        child.rerun_of = before->second.run_id;
        child.options["reuse_before"] = "";
        start.reused = std::move(before->second.reused);
    }
    admit(std::move(child), std::move(start), {}, {});
}

/// Of a backfill: how far it is.
void Runner::tell_chunks(LiveRun& run) {
    if (!run.goes_on || run.stopping) return;
    auto message = fmt::format("{} of {} chunks done", run.completed + run.left_out.size(), run.parts.size());
    if (run.failed > 0) message += fmt::format(", {} failed", run.failed);
    if (message == run.row.message) return;
    run.row.message = std::move(message);
    record_row(run);
}

void Runner::count_chunk(LiveRun& parent, const RunRow& child) {
    if (child.summary.is_object()) {
        add_counts(parent.chunk_counts, child.summary.value("counts", Json::object()));
        add_loads(parent.loads, child.summary.value("loads", Json::array()));
        parent.warnings += child.summary.value("warnings", 0);
    }
    if (child.state == State::Completed) return void(++parent.completed);
    ++parent.failed;
    if (parent.failure) return;
    parent.failure = LiveRun::Failure{child.state == State::Skipped ? State::Failed : child.state, child.state_name,
                                      fmt::format("chunk {} of {}: {}", child.chunk_number, child.chunk_of, child.message)};
}

void Runner::chunk_ended(LiveRun& parent, const LiveRun& child) {
    parent.children.erase(child.row.id);
    if (parent.closing) return;
    count_chunk(parent, child.row);
    begin_chunks(parent);
}

/// No chunk begins while it is paused, and no task of those under way.
bool Runner::hold_chunks(LiveRun& run, bool paused, const std::string& by, std::function<void()> done) {
    if (run.paused == paused || run.stopping || run.closing || !run.begun) return false;
    event(run, "", paused ? "paused" : "resumed", (paused ? "paused by " : "resumed by ") + by, Json::object());
    then(run, std::move(done));
    run.paused = paused;
    if (!paused) // before it: who is killed between the two is asked to resume the whole again
        for (const auto child : run.children) (void)resume(child, by, {});
    run.row.state = paused ? State::Paused : State::Running;
    run.row.state_name = paused ? "Paused" : "Running";
    record_row(run);
    if (paused)
        for (const auto child : run.children) (void)pause(child, by, {});
    else
        begin_chunks(run);
    return true;
}

void Runner::end_parent(LiveRun& parent, State state, const std::string& name, const std::string& message) {
    const auto now = clock_.now();
    parent.row.state = state;
    parent.row.state_name = name;
    parent.row.message = message;
    if (!parent.row.started_at) parent.row.started_at = now;
    parent.row.finished_at = now;
    parent.row.summary = summary_of(parent);
    record_row(parent);
}

// ---- after a restart ------------------------------------------------------------------------------------------------

void Runner::resume_all(std::vector<Resumed> runs) {
    const bool admitting = std::exchange(admitting_, false); // all are in the line before the first of them begins
    for (auto& r : runs) {
        auto& run = live_[r.row.id];
        run.row = r.row;
        run.stored = true;
        run.start.plan = r.plan;
        run.pending.run_id = r.row.id;
        run.start.catch_up = r.row.options.value("catch_up", false);
        run.may_have_turn = true;
        if (stands_in_line(r.row)) place_in_line(r.row);
    }
    for (auto& r : runs)
        if (r.row.parent_id) resume_one(r);
    for (auto& r : runs)
        if (!r.row.parent_id) resume_one(r);
    std::set<std::string> flows;
    for (const auto& r : runs) flows.insert(r.row.flow);
    for (const auto& flow : flows) {
        cancel_previous(flow);
        ask_for_line(flow);
    }
    admitting_ = admitting;
    dispatch();
}

void Runner::resume_one(Resumed& r) {
    auto& run = live_.at(r.row.id);
    run.start.repeated = std::move(r.repeated);
    run.warnings = r.warnings;
    const bool queued = r.row.state == State::Pending && r.task_runs.empty();
    if (!queued && cut_into_chunks(run)) {
        run.begun = true;
        return resume_parent(run, r.chunks);
    }
    run.parts.clear();
    if (queued) {
        run.start.reused = std::move(r.reused);
        if (!takes_turns(run)) begin(run);
        return;
    }
    run.begun = true;
    run.machine = std::make_unique<RunPlan>(r.plan, static_cast<std::uint64_t>(r.row.id));
    for (const auto& stored : r.task_runs)
        if (stored.key.item < 0) append_loads(run.loads, r.plan->tasks[static_cast<std::size_t>(stored.key.task)].name, stored.run);
    for (auto& [task, items] : r.reused.items) run.machine->reuse_items(task, std::move(items));
    std::vector<TaskKey> lost;
    const auto now = clock_.now();
    run.machine->restore(std::move(r.task_runs), r.row.state, r.row.started_at.value_or(now), now, lost,
                         r.row.state_name == "TimingOut" ? RunPlan::Ending::TimedOut : RunPlan::Ending::Cancelled, r.row.message,
                         pauses_from(r.row.summary));
    if (const auto by = paused_with(run); !by.empty() && run.machine->state() == State::Running) { // killed between the two
        event(run, "", "paused", "paused by " + by, Json::object());
        run.machine->pause(now);
    }
    const std::string error = error_json(lost_with_the_daemon()).dump();
    std::int64_t again = 0;
    for (const auto key : lost)
        if (const int attempts = run.machine->at(key).attempts; attempts > 0) {
            ++again;
            tell_in_log(run, key, lost_with_the_daemon());
            run.pending.ended.push_back({key, attempts, State::Crashed, {}, {}, now, error});
        }
    resume_calls(run, r.called);
    const auto what = again > 0 ? "; " + counted(again, "attempt") + (again == 1 ? " begins again" : " begin again") : "";
    event(run, "", "resumed", "a daemon took the run over" + what, Json::object());
    if (!r.plan->limits.empty()) { // its slots went with the epoch of the daemon that ended; another run may have them
        run.held = true;
        ask_for_slots(run, {-1, -1}, demands_of(run, {-1, -1}));
    }
    soon(run.row.id);
}

/// The children say how far it came: those that live go on, and others begin.
void Runner::resume_parent(LiveRun& run, const std::vector<RunRow>& children) {
    run.stopping = run.row.state == State::Cancelling;
    run.paused = run.row.state == State::Paused;
    for (const auto& child : children) {
        run.begun_before.insert(static_cast<std::size_t>(child.chunk_number - 1));
        if (is_final(child.state))
            count_chunk(run, child);
        else
            run.children.insert(child.id);
    }
    if (run.stopping)
        for (const auto child : run.children) (void)cancel(child, run.row.message, {});
    if (const auto by = paused_with(run); !by.empty()) (void)hold_chunks(run, true, by, {});
    begin_chunks(run);
}

} // namespace millrace
