#include "flows/compiler/check_schedules.hpp"

#include "flows/cron.hpp"
#include "flows/interval.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace millrace {
namespace {

struct Advice {
    std::string message, hint;
};

/// Why the clocks make no difference that `dst` could settle. An empty message: they do.
Advice why_no_dst(const ScheduleSpec& schedule) {
    if (schedule.cron.empty()) return {"`dst` has no effect with `every`: it is for a `cron` at fixed hours", "leave it out"};
    if (!CronExpression::parse(schedule.cron).fixed_hours)
        return {"`dst` has no effect: a `cron` with *, / or - in its hours follows elapsed time", "leave it out, or list the hours: 2,14"};
    if (schedule.timezone == "UTC" || schedule.timezone == "Etc/UTC")
        return {"`dst` has no effect: the clocks of UTC do not change", "give the schedule a `timezone`, or leave `dst` out"};
    return {};
}

void warn_of_long_steps(Mark mark, const std::string& cron, Diagnostics& diagnostics) {
    for (const auto& step : CronExpression::parse(cron).long_steps)
        diagnostics.warning(
            mark, fmt::format("'{}' fires at {} {} only: the step is longer than the range", step.entry, step.field, step.value),
            step.every.empty() ? fmt::format("write {}, if that is meant", step.value)
                               : fmt::format("write `every: {}` instead of `cron`, or {} if that is meant", step.every, step.value));
}

/// The shortest time between two of the schedule's first firings, in seconds; 0: there are no two.
double shortest_distance(ScheduleSpec schedule) {
    constexpr int looked_at = 20;
    schedule.end.clear();
    const auto firings = next_firings(schedule, Instant{}, looked_at);
    double shortest = 0;
    for (std::size_t i = 1; i < firings.size(); ++i) {
        const double distance = std::chrono::duration<double>(firings[i].at - firings[i - 1].at).count();
        shortest = i == 1 ? distance : std::min(shortest, distance);
    }
    return shortest;
}

std::string times_of(const ScheduleSpec& s) {
    return Json{s.cron, to_text(s.every), s.timezone, s.start, s.end, s.params}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace

void warn_of_schedule(const YamlNode& node, const ScheduleSpec& schedule, Diagnostics& diagnostics) {
    if (const auto* dst = node.find("dst"))
        if (const auto why = why_no_dst(schedule); !why.message.empty()) diagnostics.warning(dst->mark, why.message, why.hint);
    if (const auto* cron = node.find("cron")) warn_of_long_steps(cron->value.mark, schedule.cron, diagnostics);
    if (const auto* jitter = node.find("jitter"); jitter != nullptr && schedule.jitter_seconds > 0) {
        const double distance = shortest_distance(schedule);
        if (distance > 0 && schedule.jitter_seconds >= distance)
            diagnostics.warning(jitter->mark, fmt::format("`jitter` is not shorter than the {} between two firings", span_text(distance)),
                                "a firing waits until the next one at most: write a shorter `jitter`");
    }
}

void warn_of_same_schedules(const YamlNode& list, const std::vector<ScheduleSpec>& schedules, Diagnostics& diagnostics) {
    std::map<std::string, int> lines; // of the first with these times
    for (std::size_t i = 0; i < schedules.size(); ++i) {
        const Mark mark = list.items[i].mark;
        const auto [first, is_new] = lines.try_emplace(times_of(schedules[i]), mark.line);
        if (!is_new)
            diagnostics.warning(mark, fmt::format("this schedule has the times and the parameters of the one in line {}", first->second),
                                "leave one of the two out");
    }
}

} // namespace millrace
