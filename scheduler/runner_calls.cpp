// Runs that a run causes: those that its `flow` tasks call, whose end they wait for, and those that its own end starts. Their rows are
// committed together with what causes them; only then are they taken.
#include "scheduler/runner.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

namespace millrace {
namespace {

constexpr auto ids_come_in = std::chrono::milliseconds(20); ///< run ids that are on their way

/// Told by the task that waited for it.
AttemptDone told_of_end(const RunRow& called) {
    AttemptDone done;
    if (called.summary.is_object())
        for (const auto& load : called.summary.value("loads", Json::array())) done.loads.push_back(load.get<LoadCounts>());
    done.outcome = called.state == State::Completed ? "completed" : called.state == State::Cancelled ? "failed" : "retry";
    if (called.state != State::Completed)
        done.error = OrderError{"permanent",
                                fmt::format("run {} of flow {} {}{}", called.id, called.flow,
                                            called.state == State::Failed || called.state == State::Crashed
                                                ? std::string(to_string(called.state))
                                                : fmt::format("was {}", to_string(called.state)),
                                            called.message.empty() ? "" : ": " + called.message),
                                fmt::format("millrace runs show {}", called.id), 0};
    return done;
}

} // namespace

/// Its record and the run's are one commit.
void Runner::call_flow(LiveRun& run, TaskKey key) {
    if (without_id_.contains({run.row.id, key})) return;
    const auto& task = run.start.plan->tasks[static_cast<std::size_t>(key.task)];
    const auto id = ids_.take();
    if (id == 0) {
        without_id_.insert({run.row.id, key});
        clock_.call_after(ids_come_in, [this, run_id = run.row.id, key, limited = !task.limits.empty()] {
            without_id_.erase({run_id, key});
            auto* r = live(run_id);
            if (!r || !r->machine || !r->machine->may_start(key)) {
                if (limited) give_back(run_id, key);
                return;
            }
            call_flow(*r, key);
            pump(run_id);
        });
        return;
    }
    auto& machine = *run.machine;
    const auto now = clock_.now();
    machine.started(key, now);
    try {
        auto called = caused_runs_.called(run.row, machine, key, now);
        called.row.id = id;
        called.row.staging_id = new_uuid();
        machine.called(key, id, called.row.flow);
        run.pending.also_new.push_back(called.row);
        if (caller_of(called.row)) {
            run.calls[key] = id;
        } else {
            if (!task.limits.empty()) release(run, key);
            machine.completed(key, now);
        }
        run.caused.push_back(std::move(called));
    } catch (const std::exception& e) { // of its parameters or its interval; also a time zone that this machine lacks
        const auto* known = dynamic_cast<const Error*>(&e);
        if (!task.limits.empty()) release(run, key);
        AttemptDone done;
        done.outcome = "failed";
        done.error = OrderError{std::string(known ? to_string(known->error_class) : "permanent"), e.what(), known ? known->remedy : "", 0};
        machine.finished(key, done, now);
    }
}

/// What caused it is committed, and so is its row.
void Runner::admit_caused(CausedRun caused) {
    const auto id = caused.row.id;
    on_their_way_.erase(id);
    const auto caller = caller_of(caused.row);
    admit(std::move(caused.row), std::move(caused.start), {}, {});
    if (!caller) return;
    const auto* run = find(caller->run_id);
    const auto* task_run = run && run->machine ? &run->machine->at(caller->key) : nullptr;
    const bool awaited = task_run && task_run->state == State::Running && !task_run->timing_out;
    if (!awaited) stop_call(id, caller->run_id);
}

void Runner::stop_call(std::int64_t run_id, std::int64_t caller) {
    boost::asio::post(io_, [this, run_id, caller] {
        (void)cancel(run_id, fmt::format("run {}, which called it, does not wait for it any more", caller), {});
    });
}

/// Of a run that is not written any more: they are stopped, and what they hold is free when they have ended.
void Runner::leave_calls(LiveRun& run) {
    for (const auto& [key, called] : std::exchange(run.calls, {})) {
        const bool limited = !run.start.plan->tasks[static_cast<std::size_t>(key.task)].limits.empty();
        if (limited && live(called))
            left_calls_[called] = {run.row.id, key};
        else if (limited) // its row was refused too
            give_back(run.row.id, key);
        stop_call(called, run.row.id);
    }
}

void Runner::call_ended(const RunRow& called) {
    if (const auto left = left_calls_.extract(called.id)) return give_back(left.mapped().first, left.mapped().second);
    const auto caller = caller_of(called);
    auto* run = caller ? live(caller->run_id) : nullptr;
    if (!run || !run->machine) return;
    const auto call = run->calls.find(caller->key);
    if (call == run->calls.end() || call->second != called.id) return;
    run->calls.erase(call);
    if (!run->start.plan->tasks[static_cast<std::size_t>(caller->key.task)].limits.empty()) release(*run, caller->key);
    run->machine->finished(caller->key, told_of_end(called), clock_.now());
    if (run->held) return pump(caller->run_id);
    follow(*run);
}

/// After a restart: what it waited for goes on beside it, or ended before.
void Runner::resume_calls(LiveRun& run, const std::vector<RunRow>& called) {
    for (const auto& row : called) {
        const auto caller = caller_of(row);
        if (!caller || caller->run_id != run.row.id) continue;
        const auto state = run.machine->at(caller->key).state;
        if (state != State::Running && state != State::Cancelling) continue; // of an attempt before the next one
        run.calls[caller->key] = row.id;
        if (!live(row.id))
            boost::asio::post(io_, [this, row] { call_ended(row); });
        else if (state == State::Cancelling)
            stop_call(row.id, run.row.id);
        if (state == State::Running) run.machine->called_since(caller->key, row.created_at);
    }
}

/// False: the numbers of those runs are still on their way, so the end waits for them.
bool Runner::find_what_its_end_starts(LiveRun& run) {
    const auto state = run.machine ? run.machine->state() : run.row.state;
    if (!is_final(state) || run.parked) return true;
    if (!run.by_its_end) {
        std::vector<std::string> not_started;
        run.by_its_end = caused_runs_.started_by_end(run.row, state, not_started, clock_.now());
        for (const auto& why : not_started) event(run, "", "warning", why, Json::object());
    }
    for (auto& next : *run.by_its_end) {
        if (next.row.id == 0 && (next.row.id = ids_.take()) == 0) {
            clock_.call_after(ids_come_in, [this, run_id = run.row.id] {
                if (auto* r = live(run_id)) record(*r);
            });
            return false;
        }
        next.row.staging_id = new_uuid();
    }
    for (auto& next : *run.by_its_end) {
        run.pending.also_new.push_back(next.row);
        run.caused.push_back(std::move(next));
    }
    run.by_its_end->clear();
    return true;
}

} // namespace millrace
