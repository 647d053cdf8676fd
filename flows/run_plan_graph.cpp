// How the end of one task run lets others begin, and how a run goes on after a restart.
#include "flows/run_plan.hpp"

namespace millrace {
namespace {

bool names(const Json& for_each, const std::string& task) { return for_each.is_object() && for_each.value("task", "") == task; }

/// Whether `task` reads the dataset of `parent`: without it, it cannot run at all.
bool reads(const TaskPlan& task, const std::string& parent) {
    const auto& o = task.options;
    if (task.map_over && task.map_over->task == parent) return true;
    if (o.contains("for_each") && names(o.at("for_each"), parent)) return true;
    if (o.contains("inputs") && o.at("inputs").is_array())
        for (const auto& input : o.at("inputs"))
            if (input == parent) return true;
    if (task.verb == Verb::Load && o.contains("tables"))
        for (const auto& table : o.at("tables"))
            if (table.value("task", "") == parent) return true;
    return false;
}

} // namespace

/// All parents are done: skip the task, ask its condition or its items, or offer it.
void RunPlan::ready(int task, Instant now) {
    auto& n = node(task);
    const TaskKey key{task, -1};
    if (ending_ || n.run.offered) return;
    if (n.parent_failed || n.parent_skipped) {
        n.run.detail().message = n.parent_failed ? "a task that it needs failed" : "a task that it needs was skipped";
        become(key, State::Skipped, n.parent_failed ? "UpstreamFailed" : "UpstreamSkipped", now);
        return resolve(key, now);
    }
    const auto& plan = plan_of(task);
    if (!plan.when.empty() && !n.when_held && n.run.attempts == 0) {
        n.run.offered = true;
        decisions_.push_back({Decision::Kind::EvaluateWhen, key});
    } else if (plan.map_over && !n.mapped) {
        n.run.offered = true;
        decisions_.push_back({Decision::Kind::EvaluateItems, key});
    } else {
        offer(key, now);
    }
}

/// One more attempt is given up where it cannot begin in time.
void RunPlan::offer(TaskKey key, Instant now) {
    auto& run = run_at(key);
    if (const auto last = last_start(key, ceiling_of(key))) {
        if (now > *last && !paused_) return give_up(key, now); // it is offered again when that is over
        set_timer(key, *last + std::chrono::microseconds(1), Alarm::LastStart);
    }
    run.offered = true;
    decisions_.push_back({Decision::Kind::Start, key});
}

/// Items begin in their order, as many at once as `concurrency` says.
void RunPlan::offer_items(Node& n, int task, Instant now) {
    while (n.next_item < static_cast<int>(n.items.size()) && (n.concurrency == 0 || n.items_under_way < n.concurrency)) {
        const int item = n.next_item++;
        const auto& run = n.items[static_cast<std::size_t>(item)];
        if (run.state != State::Pending || run.offered) continue; // offered: under way when the process before this one ended
        ++n.items_under_way;
        offer({task, item}, now);
    }
}

void RunPlan::resolve(TaskKey key, Instant now) {
    if (key.item >= 0)
        resolve_item(key.task, run_at(key).state, now);
    else
        resolve_task(key.task, now);
}

void RunPlan::resolve_item(int task, State state, Instant now) {
    auto& n = node(task);
    --n.items_left;
    --n.items_under_way;
    if (state != State::Completed) ++n.items_failed;
    if (n.items_left == 0) return items_ended(task, now);
    if (!ending_) offer_items(n, task, now);
}

void RunPlan::items_ended(int task, Instant now) {
    const auto& n = node(task);
    const TaskKey key{task, -1};
    if (ending_) {
        become(key, State::Cancelled, "Cancelled", now);
        return resolve(key, now);
    }
    const auto& options = plan_of(task).options;
    const Share allowed =
        options.contains("allow_failed") && options.at("allow_failed").is_object() ? options.at("allow_failed").get<Share>() : Share{};
    const bool tolerated = (allowed.count && n.items_failed <= *allowed.count) ||
                           (allowed.percent && 100.0 * n.items_failed <= *allowed.percent * static_cast<double>(n.items.size()));
    if (n.items_failed == 0 || tolerated) return completed(key, now);
    fail(key, {"permanent", std::to_string(n.items_failed) + " of " + std::to_string(n.items.size()) + " items failed", {}, 0}, now);
}

void RunPlan::resolve_task(int task, Instant now) {
    --tasks_left_;
    const auto& plan = plan_of(task);
    const State state = node(task).run.state;
    for (const int child : node(task).children) {
        auto& c = node(child);
        if (state == State::Skipped)
            c.parent_skipped = true;
        else if (state != State::Completed && (!plan.continue_on_failure || reads(plan_of(child), plan.name)))
            c.parent_failed = true;
        if (--c.pending_parents == 0 && !is_final(c.run.state)) ready(child, now);
    }
    finish_if_done(now);
}

void RunPlan::finish_if_done(Instant now) {
    if (tasks_left_ > 0 || is_final(state_)) return;
    if (ending_) {
        const bool late = *ending_ == Ending::TimedOut;
        return set_run(late ? State::Failed : State::Cancelled, late ? "TimedOut" : "Cancelled", now);
    }
    int failed = 0;
    bool all_crashed = true;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        const auto& run = nodes_[i].run;
        const bool bad = run.state == State::Failed || run.state == State::Crashed || run.state == State::Cancelled;
        if (!bad || flow_->tasks[i].continue_on_failure) continue;
        all_crashed = all_crashed && run.state == State::Crashed;
        if (failed++ == 0)
            message_ = "task " + flow_->tasks[i].name + ": " + (run.details ? run.details->message : std::string("cancelled"));
    }
    if (failed > 1) message_ += " (and " + std::to_string(failed - 1) + " more)";
    if (failed == 0)
        set_run(State::Completed, "Completed", now);
    else if (all_crashed)
        set_run(State::Crashed, "Crashed", now);
    else
        set_run(State::Failed, "Failed", now);
}

// ---- after a restart ------------------------------------------------------------------------------------------------

void RunPlan::begin_lost_again(TaskKey key, bool cancelling, Instant now) {
    if (run_at(key).state == State::Cancelling) return;
    if (cancelling || !plan_of(key.task).retry.charges_lost) return become(key, State::Pending, "Restarted", now);
    const auto error = lost_with_the_daemon();
    run_at(key).detail().error = error;
    retry_or_fail(key, error, "lost", now);
}

void RunPlan::restore(std::vector<StoredTaskRun> rows, State run_state, Instant started_at, Instant now, std::vector<TaskKey>& lost,
                      Ending ending, const std::string& message, Pauses pauses) {
    for (auto& row : rows) {
        auto& n = node(row.key.task);
        row.run.stored = true;
        if (row.key.item < 0) {
            n.run = std::move(row.run);
            continue;
        }
        n.mapped = true;
        const auto place = static_cast<std::size_t>(row.key.item);
        if (n.items.size() <= place) n.items.resize(place + 1);
        n.items[place] = std::move(row.run);
    }
    counts_ = {};
    started_at_ = started_at;
    state_ = State::Running;
    state_name_ = "Running";
    paused_ = run_state == State::Paused;
    if (paused_) state_ = State::Paused, state_name_ = "Paused";
    pauses_ = std::move(pauses);
    if (paused_ != pauses_.since.has_value()) pauses_.since = paused_ ? std::optional(now) : std::nullopt;
    set_flow_timer(started_at + pauses_.after(started_at) + std::chrono::microseconds(std::int64_t(flow_->timeout * 1e6)));
    link();

    const auto resume_one = [&](TaskKey key) {
        auto& run = run_at(key);
        const bool polled = polls(plan_of(key.task));
        if (run.started_at && !is_final(run.state) && !polled) remember_first_start(key, *run.started_at + pauses_.after(*run.started_at));
        ++counts_[static_cast<std::size_t>(run.state)];
        const bool at_work = (run.state == State::Running && !run.due_at) || run.state == State::Cancelling;
        const auto since = run.started_at.value_or(now);
        const auto not_counted = waits_for_others(plan_of(key.task)) ? pauses_.after(since) : std::chrono::microseconds(0);
        const bool calls = at_work && run.details && run.details->called_run() != 0;
        const auto set_timeout = [&] {
            if (const double limit = plan_of(key.task).timeout; limit > 0)
                set_timer(key, since + not_counted + std::chrono::microseconds(std::int64_t(limit * 1e6)), Alarm::Timeout);
        };
        if (polled && !is_final(run.state) && run.started_at) set_timeout();
        if (run.state == State::Retrying && run.due_at)
            set_timer(key, *run.due_at, Alarm::Retry);
        else if (run.state == State::Paused && run.due_at)
            set_timer(key, *run.due_at, Alarm::Approval);
        else if (run.state == State::Running && run.due_at) {
            set_timer(key, *run.due_at, polled ? Alarm::Poll : Alarm::Wait);
            if (!polled) set_timeout();
        } else if (calls) {
            // the run that it called tells its end, and when it began: called_since()
        } else if (at_work && !(key.item < 0 && node(key.task).mapped))
            lost.push_back(key);
    };
    tasks_left_ = 0;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        auto& n = nodes_[i];
        const int task = static_cast<int>(i);
        resume_one({task, -1});
        if (!is_final(n.run.state)) ++tasks_left_;
        for (int item = 0; item < item_count(task); ++item) {
            const auto state = n.items[static_cast<std::size_t>(item)].state;
            resume_one({task, item});
            if (!is_final(state))
                ++n.items_left;
            else if (state != State::Completed)
                ++n.items_failed;
            if (!is_final(state) && state != State::Pending) ++n.items_under_way;
        }
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        auto& n = nodes_[i];
        for (const int parent : flow_->tasks[i].needs) {
            const auto& p = node(parent).run;
            if (p.state == State::Skipped)
                n.parent_skipped = true;
            else if (is_final(p.state) && p.state != State::Completed &&
                     (!plan_of(parent).continue_on_failure || reads(flow_->tasks[i], plan_of(parent).name)))
                n.parent_failed = true;
        }
    }
    for (const auto key : lost) begin_lost_again(key, run_state == State::Cancelling, now); // may fail it, and tell those after it
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        auto& n = nodes_[i];
        const int task = static_cast<int>(i);
        if (n.run.state == State::Pending && n.pending_parents == 0) ready(task, now);
        if (n.mapped && !is_final(n.run.state)) {
            for (const auto key : lost)
                if (key.task == task && key.item >= 0 && run_at(key).state == State::Pending) offer(key, now);
            offer_items(n, task, now);
        }
    }
    if (run_state == State::Cancelling) cancel(ending, message, now);
    for (const auto key : lost) {
        if (run_at(key).state != State::Cancelling) continue;
        become(key, State::Cancelled, "Cancelled", now);
        resolve(key, now);
    }
    finish_if_done(now);
}

} // namespace millrace
