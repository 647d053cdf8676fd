/// Schedules to test with: flows of one task that start by them, and the nominal instants of their runs.
#pragma once

#include "life.hpp"

namespace millrace::test {

inline Instant at(const std::string& text) { return *parse_rfc3339(text); }

inline const Instant noon = at("2026-11-20T12:00:00Z");

inline ScheduleSpec cron(const std::string& text, const std::string& zone = "UTC") {
    ScheduleSpec s;
    s.cron = text;
    s.timezone = zone;
    return s;
}

inline ScheduleSpec every(std::int64_t seconds) {
    ScheduleSpec s;
    s.every.seconds = seconds;
    return s;
}

/// A flow of one task, which hangs if it is called so.
inline FlowPlan flow_of(ScheduleSpec schedule, const std::string& overlap = "queue", const std::string& task = "a") {
    auto plan = plan_text(task + ": run", "f");
    plan.timezone = schedule.timezone;
    plan.schedules = {std::move(schedule)};
    plan.overlap = overlap;
    return plan;
}

inline ScheduleSpec missed(ScheduleSpec s, const std::string& policy) {
    s.missed = policy;
    return s;
}

/// The second life of a node that had this flow until noon: it is back at `now`, and the flow is as it was or `changed`.
[[nodiscard]] inline Life back_at(const FreshDatabase& database, Instant now, const FlowPlan& flow,
                                  const std::optional<FlowPlan>& changed = {}) {
    { Life before(database.url(), {flow}, noon); }
    return Life(database.url(), {changed.value_or(flow)}, now);
}

/// The nominal instants of the runs of flow f.
inline Texts nominal(Life& life) {
    Texts out;
    for (const auto& run : life.runs("f")) out.push_back(run.at("scheduled_for").get<std::string>());
    return out;
}

inline void check_nominal(Life& life, std::size_t count, const std::string& first, const std::string& last) {
    const auto all = nominal(life);
    REQUIRE(all.size() == count);
    CHECK(all.front() == first);
    CHECK(all.back() == last);
}

inline Texts states(Life& life) {
    Texts out;
    for (const auto& run : life.runs("f")) out.push_back(run.at("state").get<std::string>());
    return out;
}

} // namespace millrace::test
