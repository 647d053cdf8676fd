// Attempts: places, the order in which they begin, and what hosts report.
#include "scheduler/attempts_not_begun.hpp"
#include "scheduler/documents.hpp"
#include "scheduler/log_files.hpp"
#include "scheduler/orders.hpp"
#include "scheduler/runner.hpp"

#include <spdlog/spdlog.h>

#include <filesystem>

namespace millrace {
namespace {

constexpr std::array<const char*, 3> sample_verb{"extract", "transform", "run"}; ///< by Kind: whose places count

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
    auto& waiting = waiting_[kind_of(run, key)];
    if (has_slots) return waiting.join_first({run.row.id, key, true});
    waiting.join(run.row.flow, weight_of(run), {run.row.id, key, false});
}

/// For one more attempt, or one more claim for one: who has slots goes first and needs no other place than his own.
bool Runner::has_place(Kind kind) const {
    if (kind == Kinds) return true;
    const int promised = slotted_of_[kind] > 0 ? 0 : claiming_[kind];
    return hosts_.free_places(sample_verb[kind]) > reserved_[kind] + promised;
}

/// Starts as many attempts as there are places for, flows in turn. Those that need slots ask for them first and
/// come back with them; a run that was cancelled or paused meanwhile is passed over.
void Runner::dispatch() {
    if (!admitting_ || waits_for_disk()) return;
    std::set<std::int64_t> touched;
    for (const auto kind : {ExtractKind, SqlKind, RunKind}) {
        auto& queue = waiting_[kind];
        while (!queue.empty() && has_place(kind)) {
            const Waiting next = queue.take();
            if (next.has_slots) slotted_.erase({next.run_id, next.key}), --slotted_of_[kind];
            auto* run = live(next.run_id);
            if (!run || !run->machine || !run->machine->may_start(next.key)) {
                if (next.has_slots) give_back(next.run_id, next.key);
                continue;
            }
            const auto& limits = run->start.plan->tasks[static_cast<std::size_t>(next.key.task)].limits;
            if (!limits.empty() && !next.has_slots)
                if (const auto demands = demands_of(*run, next.key); !demands.empty()) {
                    ask_for_slots(*run, next.key, demands);
                    continue;
                }
            start_attempt(*run, next.key);
            touched.insert(next.run_id);
        }
    }
    for (const auto run_id : touched) soon(run_id), record(live_.at(run_id));
    if (!lines_.empty()) ask_in_lines();
}

void Runner::start_attempt(LiveRun& run, TaskKey key) {
    const auto now = clock_.now();
    const bool asks_again = run.machine->at(key).state == State::Running;
    run.machine->started(key, now);
    const auto& task = run.start.plan->tasks[static_cast<std::size_t>(key.task)];
    const Kind kind = kind_of(run, key);
    AttemptRow row{key, run.machine->at(key).attempts, State::Running, {}, now, std::nullopt, {}};
    try {
        AttemptOrder order = attempt_order(run.row, *run.machine, key, settings_.staging, connections_);
        order.id = ++last_order_;
        order.project = settings_.project;
        row.log = order.log;
        if (!asks_again) run.pending.begun.push_back(row);
        run.to_start.push_back(order.id);
        run.attempts.insert(order.id);
        ++reserved_[kind];
        active_.emplace(order.id, Active{run.row.id, key, kind, std::move(order), false, false, true, {}, {}});
    } catch (const std::exception& e) {
        const auto* known = dynamic_cast<const Error*>(&e);
        const OrderError error{std::string(known ? to_string(known->error_class) : "permanent"), e.what(), known ? known->remedy : "", 0};
        if (!task.limits.empty()) release(run, key);
        run.machine->finished(key, failed_done(0, "failed", error), now);
        if (asks_again) end_waiting_attempt(run, key, State::Failed, error);
    }
}

/// Of a wait that no host has: between two polls.
void Runner::end_waiting_attempt(LiveRun& run, TaskKey key, State state, const OrderError& error) {
    const auto text = error_json(error).dump(-1, ' ', false, Json::error_handler_t::replace);
    run.pending.ended.push_back({key, run.machine->at(key).attempts, state, {}, {}, clock_.now(), text});
    tell_in_log(run, key, error);
}

void Runner::stop_between_polls(LiveRun& run, TaskKey key) {
    if (is_final(run.machine->at(key).state)) return; // stopped twice: its time was over, and somebody cancelled it
    const OrderError stopped{"cancelled", "stopped while it waited", {}, 0};
    run.machine->finished(key, failed_done(0, "cancelled", stopped), clock_.now());
    const auto* details = run.machine->at(key).details.get();
    end_waiting_attempt(run, key, State::Cancelled, details && details->error ? *details->error : stopped);
}

/// The record is durable: the attempt may begin.
void Runner::hand_over(OrderId id) {
    const auto at = active_.find(id);
    if (at == active_.end()) return;
    auto& a = at->second;
    a.reserved = false;
    --reserved_[a.kind];
    if (a.stop) return attempt_done(failed_done(id, "cancelled", {"cancelled", cancelled_before_it_began, {}, 0}));
    a.started = true;
    if (a.no_folder)
        return attempt_done(failed_done(id, "failed",
                                        {"resource", no_folder + a.order.staging + ": " + a.no_folder.message(),
                                         "check the free space and the rights of the staging folder", 0}));
    hosts_.start(std::move(a.order));
}

/// While the record is on its way.
void Runner::make_folders(OrderId id) {
    auto& a = active_.at(id);
    std::filesystem::create_directories(a.order.staging, a.no_folder);
    if (!a.no_folder) std::filesystem::create_directories(std::filesystem::path(a.order.log).parent_path(), a.no_folder);
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

/// A host that is killed, or dies, writes no reason and no end.
void Runner::tell_in_log(const LiveRun& run, TaskKey key, const OrderError& error) const {
    const auto& task_run = run.machine->at(key);
    const auto* details = task_run.details.get();
    const auto& task = run.start.plan->tasks[static_cast<std::size_t>(key.task)].name;
    end_log(log_file(settings_.staging, run.row, task, details ? details->value : Json(), task_run.attempts), clock_.now(), error);
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
    if (!run->start.plan->tasks[static_cast<std::size_t>(key.task)].limits.empty()) release(*run, key);
    run->machine->finished(key, done, now);
    const bool goes_on = done.outcome == "not_yet" && run->machine->at(key).state == State::Running;
    if (!goes_on) run->pending.ended.push_back(std::move(row));
    const auto* details = run->machine->at(key).details.get();
    if ((done.outcome == "lost" || run->machine->at(key).timing_out) && details && details->error) tell_in_log(*run, key, *details->error);
    follow(*run);
}

} // namespace millrace
