// When schedules fire, and why it is odd where it is.

#include "flows/cron.hpp"

#include "flows/hash.hpp"
#include "flows/interval.hpp"
#include "flows/zone.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace millrace {
namespace {

using namespace std::chrono;

constexpr date::days farthest{9 * 366}; ///< how far the next firing is looked for: around 2100 a leap day is eight years away

bool matches_day(const CronExpression& cron, date::local_days day) {
    const date::year_month_day ymd(day);
    if (!cron.months[static_cast<unsigned>(ymd.month())]) return false;
    const bool by_day = cron.days[static_cast<unsigned>(ymd.day())];
    const bool by_weekday = cron.weekdays[date::weekday(day).c_encoding()];
    return cron.any_day || cron.any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

std::string clock(LocalTime local) { return to_text(local).substr(11, 5); }

/// Firings by instant, each instant once.
using Found = std::map<Instant, Firing>;

/// Where a shifted time meets a regular one, the regular one stays.
void keep(Found& found, Firing firing) {
    const auto [at, fresh] = found.try_emplace(firing.at, firing);
    if (!fresh && firing.note.size() < at->second.note.size()) at->second = std::move(firing);
}

/// Nominal local times that there are not.
struct Gap {
    LocalTime first, last;
    bool is_left_out = false; ///< else they are one firing at its end
};
using Gaps = std::map<Instant, Gap>; ///< by their ends

/// What comes after a gap says what is missing before it.
void note_gaps(const Gaps& gaps, const date::time_zone& zone, Found& found) {
    for (const auto& [end, gap] : gaps) {
        const auto next = found.lower_bound(end);
        if (next == found.end()) continue;
        auto& note = next->second.note;
        const bool one = clock(gap.first) == clock(gap.last);
        if (!gap.is_left_out && !note.empty()) { // it is the firing of the first of them
            if (!one)
                note = fmt::format("{} to {} do not exist on this day: runs once for them, at {}", clock(gap.first), clock(gap.last),
                                   clock(to_local(end, zone)));
            continue;
        }
        const auto times = one ? clock(gap.first) + " does" : clock(gap.first) + " to " + clock(gap.last) + " do";
        note += fmt::format("{}{} not exist on {}: {}", note.empty() ? "" : "; ", times, to_text(gap.first).substr(0, 10),
                            gap.is_left_out ? "left out" : "this one is for that too");
    }
}

/// What one nominal local time becomes under the schedule's rules: none, one or two firings.
void add_firings(const DstPolicy& dst, bool fixed, LocalTime local, const date::time_zone& zone, Found& found, Gaps& gaps) {
    const auto info = zone.get_info(local);
    const auto first = Instant(local.time_since_epoch() - info.first.offset);
    if (info.result == date::local_info::unique) {
        keep(found, {first, to_text(local), ""});
    } else if (info.result == date::local_info::nonexistent) {
        const auto after = Instant(info.first.end);
        const bool is_left_out = !fixed || dst.gap == "skip";
        gaps.try_emplace(after, Gap{local, local, is_left_out}).first->second.last = local;
        if (is_left_out) return;
        keep(found,
             {after, to_text(local), fmt::format("{} does not exist on this day: runs at {}", clock(local), clock(to_local(after, zone)))});
    } else {
        const auto second = Instant(local.time_since_epoch() - info.second.offset);
        const std::string twice = clock(local) + " happens twice on this day: ";
        const bool both = !fixed || dst.overlap == "both";
        if (both || dst.overlap == "first")
            keep(found, {first, to_text(local), twice + (both ? "this is the first" : "runs the first time")});
        if (both || dst.overlap == "second")
            keep(found, {second, to_text(local), twice + (both ? "this is the second" : "runs the second time")});
    }
}

/// The instant of a local time that happens once. What is earlier by the clock on the wall is earlier indeed, and later later.
std::optional<Instant> sole_instant(LocalTime local, const date::time_zone& zone) {
    const auto info = zone.get_info(local);
    if (info.result != date::local_info::unique) return std::nullopt;
    return Instant(local.time_since_epoch() - info.first.offset);
}

/// Adds the firings whose nominal time is on `day`, by the minute, until `n` after `after` are found. Minutes that passed are
/// not looked at: a schedule of every second would cost a whole day for each firing.
void add_firings_of_day(const CronExpression& cron, const DstPolicy& dst, date::local_days day, const date::time_zone& zone, Instant after,
                        std::size_t n, Found& found, Gaps& gaps) {
    for (int h = 0; h < 24; ++h) {
        if (!cron.hours[static_cast<std::size_t>(h)]) continue;
        const auto hour_end = sole_instant(LocalTime(day + hours(h + 1)), zone);
        if (hour_end && *hour_end <= after) continue;
        for (int m = 0; m < 60; ++m) {
            if (!cron.minutes[static_cast<std::size_t>(m)]) continue;
            const auto minute_end = sole_instant(LocalTime(day + hours(h) + minutes(m + 1)), zone);
            if (minute_end && *minute_end <= after) continue;
            for (int s = 0; s < 60; ++s)
                if (cron.seconds[static_cast<std::size_t>(s)])
                    add_firings(dst, cron.fixed_hours, LocalTime(day + hours(h) + minutes(m) + seconds(s)), zone, found, gaps);
            found.erase(found.begin(), found.upper_bound(after));
            if (found.size() >= n && minute_end && *minute_end > found.rbegin()->first) return;
        }
    }
}

/// Up to `n` firings of a cron expression strictly after `after`.
std::vector<Firing> cron_firings(const ScheduleSpec& schedule, Instant after, std::size_t n) {
    const auto cron = CronExpression::parse(schedule.cron);
    const auto& zone = find_zone(schedule.timezone);
    const auto today = floor<date::days>(to_local(after, zone));
    Found found;
    Gaps gaps;
    auto last = today + farthest;
    for (auto day = today - date::days(1); day <= last && found.size() < n; day += date::days(1)) {
        if (!matches_day(cron, day)) continue;
        add_firings_of_day(cron, schedule.dst, day, zone, after, n, found, gaps);
        if (!found.empty()) last = day + farthest;
    }
    gaps.erase(gaps.begin(), gaps.upper_bound(after));
    note_gaps(gaps, zone, found);
    std::vector<Firing> out;
    for (auto& [at, firing] : found)
        if (out.size() < n) out.push_back(std::move(firing));
    return out;
}

/// "the clocks went forward by 1 h before it": the time of day is another than that of the firing before.
std::string turned_clocks(Instant before, Instant at, const date::time_zone& zone) {
    const auto by = zone.get_info(at).offset - zone.get_info(before).offset;
    if (by == seconds(0)) return {};
    const auto size = std::chrono::abs(by);
    const auto text = size % hours(1) == seconds(0) ? fmt::format("{} h", size / hours(1)) : fmt::format("{} min", size / minutes(1));
    return fmt::format("the clocks went {} by {} before it", by > seconds(0) ? "forward" : "back", text);
}

/// Why a step has another time or day than its first one. A day or a month later that time may not exist, nor that day.
std::string note_of_step(const Span& every, LocalTime first, LocalTime nominal, LocalTime local, Instant at, const date::time_zone& zone) {
    if (every.seconds != 0) return turned_clocks(at - seconds(every.seconds), at, zone);
    std::string note;
    if (nominal != local) note = fmt::format("{} does not exist on this day: runs at {}", clock(nominal), clock(local));
    const auto wanted = date::year_month_day(floor<date::days>(first)).day(), got = date::year_month_day(floor<date::days>(nominal)).day();
    if (every.months != 0 && wanted != got)
        note += fmt::format("{}there is no {} in this month: runs on the {}", note.empty() ? "" : "; ", static_cast<unsigned>(wanted),
                            static_cast<unsigned>(got));
    return note;
}

std::vector<Firing> every_firings(const ScheduleSpec& schedule, Instant after, std::size_t n) {
    const auto& zone = find_zone(schedule.timezone);
    const auto start = parse_rfc3339(schedule.start);
    const Instant first = start ? *start : anchor_of(schedule.every, schedule.timezone);
    const auto first_local = to_local(first, zone);
    const auto time_of_day = first_local - floor<date::days>(first_local);
    std::vector<Firing> found;
    for (auto i = steps_until(first, schedule.every, after, schedule.timezone) + 1; found.size() < n; ++i) {
        const Instant at = add(first, schedule.every, i, schedule.timezone);
        if (!found.empty() && at <= found.back().at) continue;
        const auto local = to_local(at, zone);
        auto nominal = schedule.every.seconds == 0 ? floor<date::days>(local) + time_of_day : local;
        if (nominal - local >= hours(12)) nominal -= date::days(1); // a gap that ends at midnight
        found.push_back({at, to_text(nominal), note_of_step(schedule.every, first_local, nominal, local, at, zone)});
    }
    return found;
}

} // namespace

std::vector<Firing> next_firings(const ScheduleSpec& schedule, Instant after, int n) {
    if (n <= 0) return {};
    const auto start = parse_rfc3339(schedule.start);
    const auto end = parse_rfc3339(schedule.end);
    if (start) after = std::max(after, *start - microseconds(1));
    const auto wanted = static_cast<std::size_t>(n);
    auto found = schedule.cron.empty() ? every_firings(schedule, after, wanted) : cron_firings(schedule, after, wanted);
    if (end) std::erase_if(found, [&](const Firing& f) { return f.at >= *end; });
    return found;
}

std::optional<Firing> next_by_new_rules(const ScheduleSpec& schedule, const Firing& next, Instant now) {
    if (next.at <= now) return next; // it waits for its jitter
    const auto same = next_firing(schedule, next.at - microseconds(1));
    if (same && same->at == next.at && (same->local == next.local || schedule.cron.empty())) return same;
    const bool is_by_wall = schedule.cron.empty() ? schedule.every.seconds == 0 : CronExpression::parse(schedule.cron).fixed_hours;
    const auto local = parse_rfc3339(next.local + "Z");
    if (!is_by_wall || !local) return next_firing(schedule, now);
    constexpr auto widest_gap = hours(3);
    auto after = to_instant(LocalTime(local->time_since_epoch()), find_zone(schedule.timezone)) - widest_gap;
    for (;;) {
        const auto found = next_firings(schedule, after, 100);
        for (const auto& firing : found)
            if (firing.local >= next.local) return firing;
        if (found.empty()) return std::nullopt;
        after = found.back().at;
    }
}

std::optional<Firing> next_firing(const ScheduleSpec& schedule, Instant after) {
    const auto found = next_firings(schedule, after, 1);
    return found.empty() ? std::nullopt : std::optional(found.front());
}

Instant with_jitter(const std::string& flow, const ScheduleSpec& schedule, Instant nominal, std::optional<Instant> following) {
    if (schedule.jitter_seconds <= 0) return nominal;
    const auto hash = sha256_hex(flow + "\n" + to_rfc3339(nominal)).substr(0, 8);
    const double share = static_cast<double>(std::stoul(hash, nullptr, 16)) / 4294967296.0;
    double longest = schedule.jitter_seconds;
    if (following) longest = std::min(longest, duration<double>(*following - nominal).count());
    return nominal + microseconds(static_cast<std::int64_t>(share * longest * 1e6));
}

} // namespace millrace
