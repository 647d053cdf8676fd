// Runs in chunks: the parent has no tasks of its own; it makes one child run after the other, oldest part first. And how
// live runs go on after a restart.
#include "scheduler/runner.hpp"

#include "flows/hash.hpp"
#include "flows/interval.hpp"
#include "scheduler/documents.hpp"
#include "scheduler/new_run.hpp"
#include "scheduler/orders.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace millrace {
bool Runner::cut_into_chunks(LiveRun& run) {
    for (const auto& part : parts_of(*run.start.plan, run.row)) run.parts.emplace_back(part.start, part.end);
    return !run.parts.empty();
}

void Runner::next_chunk(LiveRun& run) {
    const auto is_done = [&](const auto& part) {
        const auto before = run.start.repeated.find(part);
        return before != run.start.repeated.end() && before->second.done;
    };
    while (run.next_part < run.parts.size() && is_done(run.parts[run.next_part])) ++run.next_part;
    if (run.next_part == run.parts.size()) return end_parent(run, State::Completed, "Completed", "");
    const auto id = ids_.take();
    if (id == 0) {
        clock_.call_after(std::chrono::milliseconds(20), [this, run_id = run.row.id] {
            if (auto* r = live(run_id); r && !r->closing && !r->child) next_chunk(*r);
        });
        return;
    }
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
    child.options.erase("reuse_before"); // of the whole
    child.interval_start = part.first;
    child.interval_end = part.second;
    child.created_at = run.row.created_at; // the recorded time of the whole run: `_loaded_at` is one instant
    child.scheduled_for = run.row.scheduled_for;
    child.parent_id = run.row.id;

    run.child = id;
    run.row.state = State::Running;
    run.row.state_name = "Running";
    run.row.message = "chunk " + std::to_string(child.chunk_number) + " of " + std::to_string(child.chunk_of);
    if (!run.row.started_at) run.row.started_at = clock_.now();
    if (!run.pending.new_run)
        run.pending.run = run.row;
    else
        run.pending.new_run = run.row;
    record(run);
    RunStart start;
    start.plan = run.start.plan;
    if (const auto before = run.start.repeated.find(part); before != run.start.repeated.end()) {
        child.rerun_of = before->second.run_id;
        child.options["reuse_before"] = "";
        start.reused = std::move(before->second.reused);
    }
    (void)admit(std::move(child), std::move(start), {}, {});
}

void Runner::chunk_ended(LiveRun& parent, const LiveRun& child) {
    parent.child = 0;
    if (parent.closing) return;
    if (child.row.summary.is_object()) {
        add_counts(parent.chunk_counts, child.row.summary.value("counts", Json::object()));
        add_loads(parent.loads, child.row.summary.value("loads", Json::array()));
        parent.warnings += child.row.summary.value("warnings", 0);
    }
    const std::string which = "chunk " + std::to_string(child.row.chunk_number) + " of " + std::to_string(child.row.chunk_of);
    if (parent.stopping) return end_parent(parent, State::Cancelled, "Cancelled", parent.row.message);
    if (child.row.state == State::Completed) return next_chunk(parent);
    end_parent(parent, child.row.state == State::Skipped ? State::Failed : child.row.state, child.row.state_name,
               which + ": " + child.row.message);
}

void Runner::end_parent(LiveRun& parent, State state, const std::string& name, const std::string& message) {
    const auto now = clock_.now();
    parent.row.state = state;
    parent.row.state_name = name;
    parent.row.message = message;
    if (!parent.row.started_at) parent.row.started_at = now;
    parent.row.finished_at = now;
    parent.row.summary = {{"counts", parent.chunk_counts}, {"loads", parent.loads}, {"warnings", parent.warnings}};
    if (parent.pending.new_run)
        parent.pending.new_run = parent.row;
    else
        parent.pending.run = parent.row;
    record(parent);
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
        if (!r.row.parent_id) by_flow_[r.row.flow].push_back(r.row.id);
    }
    for (auto& r : runs)
        if (r.row.parent_id) resume_one(r);
    for (auto& r : runs)
        if (!r.row.parent_id) resume_one(r);
    for (const auto& r : runs) cancel_previous(r.row.id);
    std::vector<std::string> flows;
    for (const auto& [flow, list] : by_flow_) flows.push_back(flow);
    for (const auto& flow : flows) {
        start_queued(flow);
        for (const auto id : active(flow))
            if (auto* run = live(id);
                run && !run->begun && !run->closing && run->start.plan->overlap == "allow" && run->row.state_name != "Queued")
                begin(*run); // queued: a catch-up
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
        if (run.row.parent_id) begin(run);
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
                         r.row.state_name == "TimingOut" ? RunPlan::Ending::TimedOut : RunPlan::Ending::Cancelled, r.row.message);
    const std::string error = error_json(lost_with_the_daemon()).dump();
    for (const auto key : lost)
        if (const int attempts = run.machine->at(key).attempts; attempts > 0)
            run.pending.ended.push_back({key, attempts, State::Crashed, {}, {}, now, error});
    event(run, "", "resumed", "a daemon took the run over; " + std::to_string(lost.size()) + " attempts begin again", Json::object());
    if (!r.plan->limits.empty()) { // its slots went with the epoch of the daemon that ended; another run may have them
        run.held = true;
        claim(run, {-1, -1}, r.plan->limits);
    }
    soon(run.row.id);
}

/// The children say how far it came: the one that lives goes on, else the next begins.
void Runner::resume_parent(LiveRun& run, const std::vector<RunRow>& children) {
    run.stopping = run.row.state == State::Cancelling;
    const RunRow* last = nullptr;
    for (const auto& child : children) {
        run.next_part = std::max(run.next_part, static_cast<std::size_t>(child.chunk_number));
        if (!is_final(child.state)) {
            run.child = child.id;
            continue;
        }
        if (child.summary.is_object()) {
            add_counts(run.chunk_counts, child.summary.value("counts", Json::object()));
            add_loads(run.loads, child.summary.value("loads", Json::array()));
            run.warnings += child.summary.value("warnings", 0);
        }
        last = &child;
    }
    if (run.child && !run.stopping) return;
    if (run.child) return void(cancel(run.child, run.row.message, {}));
    if (run.stopping) return end_parent(run, State::Cancelled, "Cancelled", run.row.message);
    if (!last || last->state == State::Completed) return next_chunk(run);
    end_parent(run, last->state, last->state_name,
               "chunk " + std::to_string(last->chunk_number) + " of " + std::to_string(last->chunk_of) + ": " + last->message);
}

} // namespace millrace
