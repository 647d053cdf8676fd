// What time does to a run: retries that are due, limits, waits; and what stands still while it is paused.
#include "flows/run_plan.hpp"

#include <fmt/format.h>

#include <utility>

namespace millrace {
namespace {

/// Of a run there is a message alone, which says what to do too.
std::string took_too_long(const FlowPlan& flow) {
    const auto& tasks = flow.origins.tasks;
    const std::string file = tasks.empty() ? "" : tasks.begin()->second.file;
    return fmt::format("the run took longer than {} s, its flow's `timeout`: raise it{}, or give the flow less to do", flow.timeout,
                       file.empty() ? "" : " in " + file);
}

} // namespace

void Pauses::end(Instant now) {
    constexpr std::size_t most = 100;
    if (since) before.emplace_back(*since, now);
    since.reset();
    if (before.size() <= most) return;
    before[1].first -= before[0].second - before[0].first;
    before.erase(before.begin());
}

std::chrono::microseconds Pauses::after(Instant from) const {
    std::chrono::microseconds sum{};
    for (const auto& [begin, end] : before)
        if (end > from) sum += end - std::max(begin, from);
    return sum;
}

bool RunPlan::waits_for_others(const TaskPlan& plan) { return plan.verb == Verb::Flow || polls(plan); }

void RunPlan::set_timer(TaskKey key, Instant at, Alarm alarm) {
    const Timer timer{at, key, alarm == Alarm::Flow ? 0U : run_at(key).stamp, alarm};
    if (paused_ && stands_still_in_a_pause(timer))
        held_.push_back(timer);
    else
        timers_.push(timer);
}

/// What goes on meanwhile, an attempt, a query or an approval, keeps its limit.
bool RunPlan::stands_still_in_a_pause(const Timer& timer) const {
    if (timer.alarm == Alarm::LastStart) return true;
    if (timer.alarm != Alarm::Timeout || !waits_for_others(plan_of(timer.key.task))) return false;
    const auto& run = at(timer.key);
    const bool asks = polls(plan_of(timer.key.task)) && run.state == State::Running && !run.due_at;
    return !asks;
}

/// What of the pause lay before it counted.
void RunPlan::hold(Timer timer, Instant now) {
    timer.at -= now - pauses_.since.value_or(now);
    held_.push_back(timer);
}

void RunPlan::hold_timers(Instant now) {
    std::vector<Timer> others;
    for (; !timers_.empty(); timers_.pop()) {
        if (stands_still_in_a_pause(timers_.top()))
            hold(timers_.top(), now);
        else
            others.push_back(timers_.top());
    }
    timers_ = decltype(timers_)(std::greater<>(), std::move(others));
}

void RunPlan::let_timers_go_on(std::chrono::microseconds later) {
    for (auto& [key, first] : first_starts_) first += later;
    for (auto timer : std::exchange(held_, {})) {
        timer.at += later;
        timers_.push(timer);
    }
}

void RunPlan::called_since(TaskKey key, Instant at) {
    const double limit = plan_of(key.task).timeout; // of this attempt, while `started_at` is that of the first one
    if (limit > 0) set_timer(key, at + pauses_.after(at) + std::chrono::microseconds(std::int64_t(limit * 1e6)), Alarm::Timeout);
}

/// Those that were set before ring in vain.
void RunPlan::set_flow_timer(Instant at) {
    flow_due_ = at;
    if (flow_->timeout > 0 && !paused_) set_timer({-1, -1}, at, Alarm::Flow);
}

std::optional<Instant> RunPlan::next_wake() const {
    if (timers_.empty() || is_final(state_)) return std::nullopt;
    return timers_.top().at;
}

void RunPlan::advance(Instant now) {
    while (!timers_.empty() && timers_.top().at <= now) {
        const Timer timer = timers_.top();
        timers_.pop();
        ring(timer, now);
    }
}

/// The time of a wait for an answer is for all its polls, so that it is set once.
bool RunPlan::is_forgotten(const Timer& timer) const {
    const auto& run = at(timer.key);
    if (timer.alarm == Alarm::Timeout && polls(plan_of(timer.key.task))) return run.state == State::Cancelling;
    return timer.stamp != run.stamp;
}

void RunPlan::clock_was_set(std::chrono::microseconds by) {
    flow_due_ += by;
    if (pauses_.since) *pauses_.since += by;
    std::vector<Timer> timers;
    for (; !timers_.empty(); timers_.pop()) {
        Timer timer = timers_.top();
        const bool of_run = timer.alarm == Alarm::Flow;
        if (!of_run && is_forgotten(timer)) continue;
        const bool at_an_instant = timer.alarm == Alarm::Wait && plan_of(timer.key.task).options.contains("until");
        if (!at_an_instant) timer.at += by;
        timers.push_back(timer);
        if (of_run || at_an_instant || timer.alarm == Alarm::Timeout) continue;
        auto& run = run_at(timer.key);
        if (run.due_at) *run.due_at += by;
        mark_changed(timer.key, run);
    }
    timers_ = decltype(timers_)(std::greater<>(), std::move(timers));
    for (auto& timer : held_) timer.at += by;
    for (auto& [key, first] : first_starts_) first += by;
}

void RunPlan::ring(const Timer& timer, Instant now) {
    if (timer.alarm == Alarm::Flow) {
        if (!paused_ && now >= flow_due_) cancel(Ending::TimedOut, took_too_long(*flow_), now);
        return;
    }
    auto& run = run_at(timer.key);
    if (is_final(run.state) || is_forgotten(timer)) return;
    switch (timer.alarm) {
    case Alarm::Retry:
        run.due_at.reset();
        become(timer.key, State::Pending, "Pending", now);
        return timer.key.item < 0 ? ready(timer.key.task, now) : offer(timer.key, now);
    case Alarm::LastStart: return give_up(timer.key, now);
    case Alarm::Evaluation: run.due_at.reset(); return ready(timer.key.task, now);
    case Alarm::Wait: return completed(timer.key, now);
    case Alarm::Poll: return offer(timer.key, now);
    case Alarm::Approval: {
        const bool approve = plan_of(timer.key.task).options.value("on_timeout", "cancel") == "approve";
        if (approve) return void(decide(timer.key.task, true, "approved: nobody decided in time", now));
        return cancel(Ending::Cancelled, "nobody approved " + plan_of(timer.key.task).name + " in time", now);
    }
    case Alarm::Timeout: return time_out(timer.key, now);
    case Alarm::Flow: return;
    }
}

/// What has an attempt is stopped, and ends when that is over.
void RunPlan::time_out(TaskKey key, Instant now) {
    auto& run = run_at(key);
    const auto& plan = plan_of(key.task);
    run.timing_out = true;
    run.offered = false;
    if (plan.verb == Verb::Wait && !(polls(plan) && run.state == State::Running)) {
        AttemptDone done;
        done.outcome = "failed";
        return finished(key, done, now);
    }
    run.due_at.reset();
    show(key, "TimingOut"); // a poll that is due at this time does not begin
    stops_.push_back({Decision::Kind::Stop, key});
}

} // namespace millrace
