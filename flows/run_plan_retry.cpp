// Whether a failed attempt is followed by another one, and when.
#include "flows/interval.hpp"
#include "flows/run_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>

namespace millrace {
namespace {

constexpr int forgiven_pauses = 100; ///< a service that never has time is a failure at last

/// SplitMix64: the same seed and key give the same jitter in every replay.
double random_unit(std::uint64_t seed, TaskKey key, int n) {
    std::uint64_t z = seed + 0x9e3779b97f4a7c15ULL * (static_cast<std::uint64_t>(key.task) * 1000003U +
                                                      static_cast<std::uint64_t>(key.item + 2) * 31U + static_cast<std::uint64_t>(n) + 1U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
}

bool covers(const RetryPolicy& policy, const OrderError& error) {
    return std::any_of(policy.for_classes.begin(), policy.for_classes.end(),
                       [&](const std::string& c) { return c == "any" || c == error.error_class; });
}

OrderError with_remedy(OrderError error, const std::string& remedy) {
    error.remedy += (error.remedy.empty() ? "" : "; ") + remedy;
    return error;
}

/// A command that failed though attempts were left: why there is no other one, and how it gets one. `policies`: the task's and the
/// flow's, as far as they had attempts left.
OrderError not_again(OrderError error, std::initializer_list<const RetryPolicy*> policies) {
    const bool is_uncovered =
        std::any_of(policies.begin(), policies.end(), [&](const auto* p) { return p != nullptr && !covers(*p, error); });
    if (!is_uncovered || error.error_class == "cancelled") return error;
    const std::string ways = error.error_class == "permanent" ? "let the command end with 75, or write" : "write";
    const auto remedy = fmt::format("not tried again, for `retry` does not cover '{}': {} `for: [any]` in it", error.error_class, ways);
    return with_remedy(std::move(error), remedy);
}

OrderError out_of_time(OrderError error, const RetryPolicy& ceiling) {
    error.message += fmt::format("; no retry: it would begin later than {} (`within`) after the first attempt", span_text(ceiling.within));
    return error;
}

} // namespace

double retry_delay(const RetryPolicy& policy, int charged, double retry_after, double random) {
    double delay = policy.delay;
    if (policy.exponential) delay *= std::pow(2.0, std::min(charged - 1, 40));
    delay = std::min(delay, policy.max_delay);
    delay = std::min(delay * (1 + policy.jitter_percent / 100 * (2 * random - 1)), policy.max_delay);
    return std::max({delay, retry_after, 0.0});
}

const RetryPolicy& RunPlan::ceiling_of(TaskKey key) const {
    const auto& policy = plan_of(key.task).retry;
    return at(key).charged < policy.attempts ? policy : flow_->retry;
}

std::optional<Instant> RunPlan::last_start(TaskKey key, const RetryPolicy& ceiling) const {
    const auto first = first_starts_.find(key);
    if (ceiling.within <= 0 || first == first_starts_.end()) return std::nullopt;
    return after(first->second, ceiling.within);
}

void RunPlan::remember_first_start(TaskKey key, Instant at) {
    if (plan_of(key.task).retry.within > 0 || flow_->retry.within > 0) first_starts_.emplace(key, at);
}

void RunPlan::retry_or_fail(TaskKey key, OrderError error, const std::string& outcome, Instant now) {
    auto& run = run_at(key);
    const auto& policy = plan_of(key.task).retry;
    const RetryPolicy* over = nullptr; // whose time is
    const auto again_at = [&](Instant due, const RetryPolicy& ceiling, const char* name) {
        if (const auto last = last_start(key, ceiling); last && due > *last) return over = &ceiling, false;
        run.due_at = due;
        become(key, State::Retrying, name, now);
        set_timer(key, due, Alarm::Retry);
        return true;
    };
    if (error.error_class == "crashed" && outcome == "lost" && !policy.charges_lost && run.crashes < forgiven_crashes &&
        again_at(after(now, 0.1 * (run.crashes + 1)), ceiling_of(key), "Crashed"))
        return void(++run.crashes);
    // The service has named the time: nothing failed, and all that use the credential wait for the same.
    if (error.error_class == "rate_limited" && error.retry_after > 0 && covers(policy, error) && run.pauses < forgiven_pauses &&
        again_at(after(now, error.retry_after), ceiling_of(key), "WaitingForRateLimit"))
        return void(++run.pauses);
    const auto try_again = [&](const RetryPolicy& by, int failures, const RetryPolicy& ceiling, const char* name) {
        const double delay = retry_delay(by, failures, error.retry_after, random_unit(seed_, key, run.charged));
        const double least = polls(plan_of(key.task)) ? seconds_between_polls(plan_of(key.task)) : 0;
        return again_at(after(now, std::max(delay, least)), ceiling, name);
    };
    const auto& ceiling = ceiling_of(key);
    const int failures = ++run.charged % policy.attempts; // 0: these attempts are used up
    if (failures > 0 && (outcome == "retry" || covers(policy, error)) && try_again(policy, failures, ceiling, "AwaitingRetry")) return;
    const int rounds = (run.charged + policy.attempts - 1) / policy.attempts;
    run.charged = rounds * policy.attempts;
    if (rounds < flow_->retry.attempts && covers(flow_->retry, error) && try_again(flow_->retry, rounds, flow_->retry, "AwaitingFlowRetry"))
        return;
    if (over) return fail(key, out_of_time(std::move(error), *over), now);
    if (plan_of(key.task).verb != Verb::Run) return fail(key, error, now);
    const bool asked_in_vain = outcome == "retry" && policy.attempts == 1 && flow_->retry.attempts == 1;
    if (asked_in_vain)
        return fail(key, with_remedy(std::move(error), "write `retry: 3` in the task: without it there is one attempt"), now);
    const bool had_attempts = failures > 0 && outcome != "retry", had_rounds = rounds < flow_->retry.attempts;
    fail(key, not_again(std::move(error), {had_attempts ? &policy : nullptr, had_rounds ? &flow_->retry : nullptr}), now);
}

/// It waits for a place to begin, and may not begin any more.
void RunPlan::give_up(TaskKey key, Instant now) {
    const auto& details = at(key).details;
    auto error = details && details->error ? *details->error : lost_with_the_daemon();
    run_at(key).offered = false;
    fail(key, out_of_time(std::move(error), ceiling_of(key)), now);
}

} // namespace millrace
