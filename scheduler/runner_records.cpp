// What becomes durable of live runs, and what follows when it is: the rows of a turn go to the journal together, attempts
// begin when their record is committed, and a run whose rows are refused is parked.
#include "scheduler/runner.hpp"

#include "scheduler/documents.hpp"
#include "scheduler/one_line.hpp"

#include <spdlog/spdlog.h>

namespace millrace {
namespace {

constexpr std::size_t most_told = 500; ///< task runs of one commit that listeners hear of one by one

TaskRunRow row_of(TaskKey key, const TaskRun& run, bool is_new) {
    TaskRunRow row{key,        is_new, run.attempts, run.charged, run.state, run.state_name, run.started_at, run.finished_at,
                   run.due_at, {},     {},           {},          {}};
    if (const auto* d = run.details.get()) {
        const auto text = [](const Json& j) { return j.dump(-1, ' ', false, Json::error_handler_t::replace); };
        row.message = d->message;
        if (d->error) row.error = text(error_json(*d->error));
        if (is_new && !d->value.is_null()) row.value = text(d->value);
        if (!d->result.is_null()) row.result = text(d->result);
    }
    return row;
}

/// Of the schedule that started it, where that pauses after failures.
std::optional<ScheduleEnd> end_for_schedule(const RunRow& row, const FlowPlan& plan) {
    const bool failed = row.state == State::Failed || row.state == State::Crashed;
    if (row.parent_id || row.trigger != "schedule" || !row.finished_at || (!failed && row.state != State::Completed)) return std::nullopt;
    const auto number = row.options.value("schedule", -1);
    if (number < 0 || number >= std::ssize(plan.schedules) || plan.schedules[static_cast<std::size_t>(number)].pause_after == 0)
        return std::nullopt;
    return ScheduleEnd{row.flow, number, failed, *row.finished_at};
}

/// For whoever reads the daemon's log; a part of a run is told by the whole.
void tell_failure(const RunRow& row) {
    if ((row.state != State::Failed && row.state != State::Crashed) || row.parent_id || row.state_name == "Unrecordable") return;
    spdlog::warn("run={} flow={} state={} message=\"{}\"", row.id, row.flow, to_string(row.state), one_line(row.message));
}

} // namespace

void Runner::take_rows(LiveRun& run, const std::vector<TaskKey>& changed) {
    auto& machine = *run.machine;
    for (const auto key : changed) {
        const auto& task_run = machine.at(key);
        run.pending.task_runs.push_back(row_of(key, task_run, !task_run.stored));
        machine.mark_stored(key);
        if (task_run.state != State::Completed) continue;
        ++completed_;
        if (key.item < 0) append_loads(run.loads, run.start.plan->tasks[static_cast<std::size_t>(key.task)].name, task_run);
    }
}

Json Runner::summary_of(const LiveRun& run) {
    Json summary = {{"counts", run.chunk_counts}, {"loads", run.loads}, {"warnings", run.warnings}};
    if (run.machine) summary["counts"] = counts_json(run.machine->counts());
    if (run.goes_on && is_final(run.row.state)) summary["chunks_done_before"] = run.left_out.size();
    return summary;
}

/// Everything that changed since the last time goes to the journal together.
void Runner::record(LiveRun& run) {
    if (!run.asked.empty()) drop_questions(run);
    if (!run.closing && !find_what_its_end_starts(run)) return;
    auto& changes = run.pending;
    std::vector<TaskKey> changed;
    bool run_changed = changes.new_run.has_value() || changes.run.has_value(), over = false;
    if (run.machine) {
        auto& machine = *run.machine;
        changed = machine.take_changes();
        take_rows(run, changed);
        if (run.row.state != machine.state() || run.row.state_name != machine.state_name() || run.row.message != machine.message()) {
            run_changed = true;
            run.row.state = machine.state();
            run.row.state_name = machine.state_name();
            run.row.message = machine.message();
            run.row.started_at = machine.started_at();
            run.row.finished_at = machine.finished_at();
            over = is_final(run.row.state);
            run.row.summary = pauses_json(machine.pauses());
            if (over) run.row.summary = summary_of(run);
            (changes.new_run ? changes.new_run : changes.run) = run.row;
        }
    } else if (run_changed) {
        over = is_final(run.row.state);
    }
    const bool nothing = !run_changed && changes.task_runs.empty() && changes.begun.empty() && changes.ended.empty() &&
                         changes.events.empty() && changes.released.empty() && !changes.committed;
    if (nothing) return;
    if (over) {
        run.closing = true;
        changes.schedule_end = end_for_schedule(run.row, *run.start.plan);
        if (!run.start.plan->limits.empty()) release(run, {-1, -1});
        leave_line(run);
        then(run, std::exchange(run.when_decided, {}));
    }
    RunChanges out = std::exchange(changes, RunChanges{});
    changes.run_id = run.row.id;
    const bool told = !out.task_runs.empty(); // a client that misses single task runs sees the run's counts
    if (!events_.heard() || out.task_runs.size() > most_told) changed.clear();
    const auto to_start = std::exchange(run.to_start, {});
    for (const auto& c : run.caused) on_their_way_.insert(c.row.id);
    const bool watched = watch_ && !run.row.parent_id && ((run_changed && !run.start.plan->expect.is_empty()) || !run.late.empty());
    if (out.schedule_end && out.schedule_end->failed && schedule_failed_)
        out.committed = [this, then = std::move(out.committed)] {
            if (then) then();
            schedule_failed_();
        };
    if (watched)
        out.committed = [this, flow = run.row.flow, then = std::move(out.committed)] {
            if (then) then();
            watch_(flow);
        };
    out.committed = [this, id = run.row.id, to_start, changed = std::move(changed), run_changed = run_changed || told, over,
                     released = out.released, caused = std::exchange(run.caused, {}), claim = out.claims_line,
                     then = std::move(out.committed)] {
        if (then) then();
        for (const auto& c : caused) admit_caused(c);
        committed(id, to_start, changed, run_changed, over);
        for (const auto key : released) slots_moving_.erase({id, key});
        if (!released.empty()) retry_claims();
        if (claim) line_answered(*claim);
    };
    out.refused = [this, id = run.row.id, released = out.released, also_new = out.also_new, claim = out.claims_line,
                   then = std::move(out.refused)](const std::string& sqlstate, const std::string& message) {
        for (const auto key : released) give_back(id, key);
        for (const auto& row : also_new) on_their_way_.erase(row.id);
        if (claim) line_not_asked(*claim);
        refused(id, sqlstate, message);
        if (then) then(sqlstate, message);
    };
    journal_.submit(std::move(out));
    for (const auto id : to_start) make_folders(id);
}

/// With the run's own row, where no machine says what changed of it.
void Runner::record_row(LiveRun& run) {
    (run.pending.new_run ? run.pending.new_run : run.pending.run) = run.row;
    record(run);
}

/// The side effects of what is now durable.
void Runner::committed(std::int64_t run_id, const std::vector<OrderId>& to_start, const std::vector<TaskKey>& changed, bool run_changed,
                       bool over) {
    if (auto* run = live(run_id); run && !std::exchange(run->stored, true) && takes_turns(*run)) stored_in_line(*run);
    for (const auto id : to_start) hand_over(id);
    if (auto* run = live(run_id); run && events_.heard()) {
        for (const auto key : changed) {
            if (!run->machine) break;
            Json document = task_run_document(*run->start.plan, key, run->machine->at(key), progress(run_id, key));
            document["run_id"] = run_id;
            events_.publish({"task_run", run_id, std::move(document)});
        }
        if (run_changed || !changed.empty()) events_.publish({"run", run_id, live_document(*run)});
    }
    if (over) {
        if (const auto* run = live(run_id)) tell_failure(run->row);
        retire(run_id);
    }
    if (!stalled_.empty() && journal_.backlog() <= settings_.most_backlog / 2)
        for (const auto id : std::exchange(stalled_, {})) soon(id);
}

/// PostgreSQL will not take this run's rows: it is parked as crashed, with a message that PostgreSQL does take.
void Runner::refused(std::int64_t run_id, const std::string& sqlstate, const std::string& message) {
    auto* run = live(run_id);
    if (!run || run->parked) return;
    if (!run->stored) { // its own row: another node fired the schedule or took the idempotency key first
        spdlog::info("run={} of flow={} is not taken: {}", run_id, run->row.flow, message);
        run->row.state = State::Crashed; // a parent of chunks looks at it
        run->row.state_name = "Unrecordable";
        run->row.message = "the store does not take it";
        return retire(run_id);
    }
    spdlog::error("run={} is parked as crashed: its rows were refused sqlstate={} error={}", run_id, sqlstate, message);
    clock_.cancel(run->timer);
    run->machine.reset();
    run->to_start.clear();
    RunChanges dropped = std::exchange(run->pending, RunChanges{});
    run->pending.run_id = run_id;
    run->pending.released = std::move(dropped.released);
    run->pending.committed = std::move(dropped.committed);
    run->caused.clear();
    stop_attempts(*run);
    leave_calls(*run);
    run->parked = true;
    run->row.state = State::Crashed;
    run->row.state_name = "Unrecordable";
    run->row.message = "the store refused this run's rows (SQLSTATE " + sqlstate + "); the daemon's log has the details";
    run->row.finished_at = clock_.now();
    park(*run);
}

void Runner::stop_attempts(LiveRun& run) {
    for (const auto id : std::exchange(run.attempts, {})) {
        auto& a = active_.at(id);
        a.stop = true;
        if (a.started) {
            hosts_.cancel(id); // its slots are free when it has ended
            continue;
        }
        --reserved_[a.kind];
        release(run, a.key);
        active_.erase(id);
    }
}

/// Writes its end, again and again where that is refused too: what is live in the store must be driven by somebody.
void Runner::park(LiveRun& run) {
    run.pending.even_if_refused = true;
    run.pending.run = run.row;
    run.pending.refused = [this, id = run.row.id](const std::string& sqlstate, const std::string& message) {
        spdlog::error("run={} cannot be parked, trying again: sqlstate={} error={}", id, sqlstate, message);
        clock_.call_after(std::chrono::seconds(10), [this, id] {
            if (auto* parked = live(id)) park(*parked);
        });
    };
    record(run);
}

} // namespace millrace
