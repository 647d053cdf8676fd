// Attempts: places, slots, the order in which they begin, and what hosts report.
#include "scheduler/documents.hpp"
#include "scheduler/log_files.hpp"
#include "scheduler/orders.hpp"
#include "scheduler/runner.hpp"

#include <spdlog/spdlog.h>

#include <filesystem>

namespace millrace {
namespace {

constexpr std::array<const char*, 3> sample_verb{"extract", "transform", "run"}; ///< by Kind: whose places count

double weight_of(const FlowPlan& plan) { return plan.priority == "high" ? 16 : plan.priority == "low" ? 1 : 4; }

AttemptDone failed_done(OrderId id, const std::string& outcome, OrderError error) {
    AttemptDone done;
    done.id = id;
    done.outcome = outcome;
    done.error = std::move(error);
    return done;
}

State attempt_state(const AttemptDone& done) {
    if (done.outcome == "completed") return State::Completed;
    if (done.outcome == "cancelled") return State::Cancelled;
    return done.error && done.error->error_class == "crashed" ? State::Crashed : State::Failed;
}

} // namespace

void Runner::enqueue(LiveRun& run, TaskKey key, bool has_slots) {
    const Verb verb = run.start.plan->tasks[static_cast<std::size_t>(key.task)].verb;
    const Kind kind = verb == Verb::Extract ? ExtractKind : verb == Verb::Run ? RunKind : SqlKind;
    if (has_slots) return waiting_[kind].join_first({run.row.id, key, true});
    waiting_[kind].join(run.row.flow, weight_of(*run.start.plan), {run.row.id, key, false});
}

/// Starts as many attempts as there are places for, flows in turn. Those that need slots ask for them first and
/// come back with them; a run that was cancelled or paused meanwhile is passed over.
void Runner::dispatch() {
    if (!admitting_ || waits_for_disk()) return;
    std::set<std::int64_t> touched;
    for (int kind = 0; kind < Kinds; ++kind) {
        auto& queue = waiting_[static_cast<std::size_t>(kind)];
        while (!queue.empty() &&
               hosts_.free_places(sample_verb[static_cast<std::size_t>(kind)]) > reserved_[static_cast<std::size_t>(kind)]) {
            const Waiting next = queue.take();
            auto* run = live(next.run_id);
            const bool wanted = run && run->machine && run->machine->may_start(next.key);
            const auto* limits = run ? &run->start.plan->tasks[static_cast<std::size_t>(next.key.task)].limits : nullptr;
            if (!wanted) {
                if (next.has_slots) give_back(next.run_id, next.key);
                continue;
            }
            if (!limits->empty() && !next.has_slots) {
                claim(*run, next.key, *limits);
                continue;
            }
            start_attempt(*run, next.key);
            touched.insert(next.run_id);
        }
    }
    for (const auto run_id : touched) soon(run_id), record(live_.at(run_id));
}

void Runner::start_attempt(LiveRun& run, TaskKey key) {
    const auto now = clock_.now();
    run.machine->started(key, now);
    const auto& task = run.start.plan->tasks[static_cast<std::size_t>(key.task)];
    const Kind kind = task.verb == Verb::Extract ? ExtractKind : task.verb == Verb::Run ? RunKind : SqlKind;
    AttemptRow row{key, run.machine->at(key).attempts, State::Running, {}, now, std::nullopt, {}};
    try {
        AttemptOrder order = attempt_order(run.row, *run.machine, key, settings_.staging, connections_);
        order.id = ++last_order_;
        order.project = settings_.project;
        row.log = order.log;
        run.pending.begun.push_back(row);
        run.to_start.push_back(order.id);
        run.attempts.insert(order.id);
        ++reserved_[kind];
        active_.emplace(order.id, Active{run.row.id, key, kind, std::move(order), false, false, true, {}, {}});
    } catch (const std::exception& e) {
        const auto* known = dynamic_cast<const Error*>(&e);
        const OrderError error{std::string(known ? to_string(known->error_class) : "permanent"), e.what(), known ? known->remedy : "", 0};
        if (!task.limits.empty()) release(run, key);
        run.machine->finished(key, failed_done(0, "failed", error), now);
    }
}

/// The record is durable: the attempt may begin.
void Runner::hand_over(OrderId id) {
    const auto at = active_.find(id);
    if (at == active_.end()) return;
    auto& a = at->second;
    a.reserved = false;
    --reserved_[a.kind];
    if (a.stop) return attempt_done(failed_done(id, "cancelled", {"cancelled", "cancelled before it began", {}, 0}));
    a.started = true;
    if (a.no_folder)
        return attempt_done(failed_done(id, "failed",
                                        {"resource", "cannot make the folder " + a.order.staging + ": " + a.no_folder.message(),
                                         "check the free space and the rights of the staging folder", 0}));
    hosts_.start(std::move(a.order));
}

/// While the record is on its way.
void Runner::make_folders(OrderId id) {
    auto& a = active_.at(id);
    std::filesystem::create_directories(a.order.staging, a.no_folder);
    if (!a.no_folder) std::filesystem::create_directories(std::filesystem::path(a.order.log).parent_path(), a.no_folder);
}

// ---- slots ----------------------------------------------------------------------------------------------------------

/// One claim or release of a task run at a time: a release frees whatever it holds, so it must not meet a later claim.
void Runner::claim(LiveRun& run, TaskKey key, const std::vector<SlotDemand>& demands) {
    if (!slots_moving_.insert({run.row.id, key}).second) {
        without_slots_[{run.row.id, key}] = demands;
        return;
    }
    claim_slots_(run.row.id, key, demands, [this, run_id = run.row.id, key, demands](const SlotClaim& slots) {
        slots_moving_.erase({run_id, key});
        auto* r = live(run_id);
        if (!r || r->closing) return give_back(run_id, key); // also what was not granted: it may be done, its answer lost
        if (slots.never) return fail_unstarted(*r, key, *slots.never);
        if (!slots.granted) {
            without_slots_[{run_id, key}] = demands;
            if (key.task >= 0 && r->machine) r->machine->waiting(key, "WaitingForSlot");
            if (key.task < 0 && !r->machine) r->row.state_name = "WaitingForSlot", r->pending.run = r->row;
            record(*r);
            if (!std::exchange(slot_poll_, true)) // another node may free one, or end
                clock_.call_after(std::chrono::seconds(1), [this] { slot_poll_ = false, retry_claims(); });
            return;
        }
        without_slots_.erase({run_id, key});
        if (key.task < 0 && r->machine) {
            r->held = false;
            soon(run_id);
        } else if (key.task < 0)
            begin_tasks(*r);
        else
            enqueue(*r, key, true);
        dispatch();
    });
}

/// What it needs to begin is not there, and waiting does not help.
void Runner::fail_unstarted(LiveRun& run, TaskKey key, const OrderError& error) {
    const auto id = run.row.id;
    without_slots_.erase({id, key});
    const auto now = clock_.now();
    if (key.task < 0 && !run.machine) return end_parent(run, State::Failed, "Failed", error.message + ": " + error.remedy);
    if (key.task < 0) {
        run.held = false;
        run.machine->cancel(RunPlan::Ending::Cancelled, error.message + ": " + error.remedy, now);
    } else if (run.machine && run.machine->may_start(key)) {
        run.machine->started(key, now);
        run.machine->finished(key, failed_done(0, "failed", error), now);
    }
    pump(id);
    dispatch();
}

/// Its slots become free with the next commit of the run.
void Runner::release(LiveRun& run, TaskKey key) {
    slots_moving_.insert({run.row.id, key});
    run.pending.released.push_back(key);
}

/// Slots of what no longer wants them, or of a run that is not written any more.
void Runner::give_back(std::int64_t run_id, std::vector<TaskKey> keys) {
    for (const auto key : keys) slots_moving_.insert({run_id, key});
    RunChanges back;
    back.run_id = run_id;
    back.even_if_refused = true;
    back.released = keys;
    back.committed = [this, run_id, keys = std::move(keys)] {
        for (const auto key : keys) slots_moving_.erase({run_id, key});
        retry_claims();
    };
    // With rows of its run that were refused: it goes again, without them.
    back.refused = [this, run_id, keys = back.released](const std::string&, const std::string&) { give_back(run_id, keys); };
    journal_.submit(std::move(back));
}

void Runner::retry_claims() {
    std::map<std::int64_t, std::vector<TaskKey>> unwanted; // a claim that was not granted may be done, its answer lost
    for (auto& [who, demands] : std::exchange(without_slots_, {})) {
        const auto& [run_id, key] = who;
        auto* run = live(run_id);
        const bool wanted = run && !run->closing && (key.task < 0 || (run->machine && run->machine->may_start(key)));
        if (wanted)
            claim(*run, key, demands);
        else
            unwanted[run_id].push_back(key);
    }
    for (auto& [run_id, keys] : unwanted) give_back(run_id, std::move(keys));
}

// ---- reports --------------------------------------------------------------------------------------------------------

Json Runner::progress(std::int64_t run_id, TaskKey key) const {
    const auto* run = find(run_id);
    if (!run) return nullptr;
    for (const auto id : run->attempts)
        if (const auto& a = active_.at(id); a.key == key && a.started) return a.progress;
    return nullptr;
}

void Runner::attempt_progress(const AttemptProgress& p) {
    const auto at = active_.find(p.id);
    if (at == active_.end()) return;
    at->second.progress = p;
    const auto* run = find(at->second.run_id);
    if (!run || !run->machine || !events_.heard()) return;
    Json document = task_run_document(*run->start.plan, at->second.key, run->machine->at(at->second.key), p);
    document["run_id"] = run->row.id;
    events_.publish({"progress", run->row.id, std::move(document)});
}

void Runner::attempt_event(const AttemptEvent& e) {
    const auto at = active_.find(e.id);
    if (at == active_.end()) return;
    auto* run = live(at->second.run_id);
    if (!run) return;
    event(*run, run->start.plan->tasks[static_cast<std::size_t>(at->second.key.task)].name, e.kind, e.message, e.details);
    record(*run);
}

/// A host that is killed for its time, or dies, writes no reason.
void Runner::tell_in_log(const LiveRun& run, TaskKey key) const {
    const auto& task_run = run.machine->at(key);
    const auto* details = task_run.details.get();
    if (!details || !details->error) return;
    const auto& task = run.start.plan->tasks[static_cast<std::size_t>(key.task)].name;
    end_log(log_file(settings_.staging, run.row, task, details->value, task_run.attempts), clock_.now(), *details->error);
}

void Runner::attempt_done(AttemptDone done) {
    const auto at = active_.find(done.id);
    if (at == active_.end()) return;
    const auto [run_id, key] = std::pair(at->second.run_id, at->second.key);
    active_.erase(at);
    auto* run = live(run_id);
    if (!run || !run->machine) { // its rows were refused
        give_back(run_id, key);
        return dispatch();
    }
    run->attempts.erase(done.id);
    const auto now = clock_.now();
    AttemptRow row{key, run->machine->at(key).attempts, attempt_state(done), {}, {}, now, {}};
    if (done.error) row.error = error_json(*done.error).dump(-1, ' ', false, Json::error_handler_t::replace);
    run->pending.ended.push_back(std::move(row));
    if (!run->start.plan->tasks[static_cast<std::size_t>(key.task)].limits.empty()) release(*run, key);
    run->machine->finished(key, done, now);
    if (done.outcome == "lost" || run->machine->at(key).timing_out) tell_in_log(*run, key);
    follow(*run);
}

} // namespace millrace
