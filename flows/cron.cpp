#include "flows/cron.hpp"

#include "flows/interval.hpp"
#include "flows/letters.hpp"
#include "flows/zone.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <sstream>
#include <stdexcept>

namespace millrace {
namespace {

using namespace std::chrono;

constexpr date::days farthest{9 * 366}; ///< how far the next firing is looked for: around 2100 a leap day is eight years away

struct Field {
    const char* name;
    int first, last;
    std::vector<std::string_view> names; ///< of first, first + 1, ...
};

const std::array<Field, 6> fields{{
    {"second", 0, 59, {}},
    {"minute", 0, 59, {}},
    {"hour", 0, 23, {}},
    {"day-of-month", 1, 31, {}},
    {"month", 1, 12, {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
    {"day-of-week", 0, 7, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}};

constexpr std::array<std::pair<std::string_view, const char*>, 7> shorthands{{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
}};

[[noreturn]] void refuse(const Field& field, const std::string& text, const std::string& why) {
    std::string may = fmt::format("{} to {}", field.first, field.last);
    if (!field.names.empty()) may += fmt::format(" or {} to {}", field.names.front(), field.names.back());
    throw std::invalid_argument(
        fmt::format("the {} field '{}' {}; it may hold {}, lists (1,3), ranges (1-5), steps (*/2) and *", field.name, text, why, may));
}

int value_of(const Field& field, const std::string& text, const std::string& part) {
    int value = -1;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size()) {
        const auto found = std::find(field.names.begin(), field.names.end(), lower_case(part));
        if (part.empty() || found == field.names.end()) refuse(field, text, part.empty() ? "is not complete" : "has '" + part + "' in it");
        value = field.first + static_cast<int>(found - field.names.begin());
    }
    if (value < field.first || value > field.last) refuse(field, text, fmt::format("has {} in it", value));
    return value;
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::stringstream stream(text + separator);
    for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
    return parts;
}

/// One entry of a list: `*`, `a`, `a-b`, each with an optional `/step`.
void mark(const Field& field, const std::string& text, const std::string& entry, std::vector<bool>& marked) {
    const auto slash = split(entry, '/');
    if (slash.size() > 2) refuse(field, text, "has more than one '/' in '" + entry + "'");
    int step = 1;
    if (slash.size() == 2) {
        const auto [end, error] = std::from_chars(slash[1].data(), slash[1].data() + slash[1].size(), step);
        if (error != std::errc() || end != slash[1].data() + slash[1].size() || step < 1)
            refuse(field, text, "has a step '" + slash[1] + "' that is no positive number");
    }
    int first = field.first, last = field.last;
    if (slash[0] != "*") {
        const auto range = split(slash[0], '-');
        if (range.size() > 2) refuse(field, text, "has more than one '-' in '" + entry + "'");
        first = value_of(field, text, range[0]);
        last = range.size() == 2   ? value_of(field, text, range[1])
               : slash.size() == 2 ? (&field == &fields[5] ? std::max(first, 6) : field.last)
                                   : first;
        if (&field == &fields[5] && last == 0 && first > 0) last = 7; // FRI-SUN
        if (last < first) refuse(field, text, "has a range that ends before it begins");
    }
    for (int value = first; value <= last; value += step) marked[static_cast<std::size_t>(value)] = true;
}

std::vector<bool> parse_field(const Field& field, const std::string& text) {
    std::vector<bool> marked(static_cast<std::size_t>(field.last) + 1);
    for (const auto& entry : split(text, ',')) mark(field, text, entry, marked);
    return marked;
}

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

/// What one nominal local time becomes under the schedule's rules: none, one or two firings.
void add_firings(const DstPolicy& dst, bool fixed, LocalTime local, const date::time_zone& zone, Found& found) {
    const auto info = zone.get_info(local);
    const auto first = Instant(local.time_since_epoch() - info.first.offset);
    if (info.result == date::local_info::unique) {
        keep(found, {first, to_text(local), ""});
    } else if (info.result == date::local_info::nonexistent) {
        if (!fixed || dst.gap == "skip") return;
        const auto after = Instant(info.first.end);
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
                        std::size_t n, Found& found) {
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
                    add_firings(dst, cron.fixed_hours, LocalTime(day + hours(h) + minutes(m) + seconds(s)), zone, found);
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
    auto last = today + farthest;
    for (auto day = today - date::days(1); day <= last && found.size() < n; day += date::days(1)) {
        if (!matches_day(cron, day)) continue;
        add_firings_of_day(cron, schedule.dst, day, zone, after, n, found);
        if (!found.empty()) last = day + farthest;
    }
    std::vector<Firing> out;
    for (auto& [at, firing] : found)
        if (out.size() < n) out.push_back(std::move(firing));
    return out;
}

std::vector<Firing> every_firings(const ScheduleSpec& schedule, Instant after, std::size_t n) {
    const auto& zone = find_zone(schedule.timezone);
    const auto start = parse_rfc3339(schedule.start);
    const Instant first = start ? *start : anchor_of(schedule.every, schedule.timezone);
    const auto time_of_day = [&](Instant t) { return to_local(t, zone) - floor<date::days>(to_local(t, zone)); };
    std::vector<Firing> found;
    for (auto i = steps_until(first, schedule.every, after, schedule.timezone) + 1; found.size() < n; ++i) {
        const Instant at = add(first, schedule.every, i, schedule.timezone);
        if (!found.empty() && at <= found.back().at) continue;
        const auto local = to_local(at, zone), nominal = floor<date::days>(local) + time_of_day(first);
        const bool moved = schedule.every.seconds == 0 && nominal != local; // a day or a month later that time does not exist
        found.push_back({at, to_text(moved ? nominal : local),
                         moved ? fmt::format("{} does not exist on this day: runs at {}", clock(nominal), clock(local)) : ""});
    }
    return found;
}

} // namespace

CronExpression CronExpression::parse(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> parts;
    for (std::string part; stream >> part;) parts.push_back(part);
    if (parts.size() == 1 && parts[0].starts_with('@')) {
        for (const auto& [name, meaning] : shorthands)
            if (parts[0] == name) return parse(meaning);
        throw std::invalid_argument("'" + parts[0] + "' is no cron shorthand; there are @hourly, @daily, @weekly, @monthly and @yearly");
    }
    if (parts.size() == 5) parts.insert(parts.begin(), "0");
    if (parts.size() != 6)
        throw std::invalid_argument(
            fmt::format("'{}' has {} fields; a cron expression has 5 (minute hour day-of-month month day-of-week), or 6 with "
                        "seconds in front",
                        text, parts.size()));
    CronExpression cron;
    cron.seconds = parse_field(fields[0], parts[0]);
    cron.minutes = parse_field(fields[1], parts[1]);
    cron.hours = parse_field(fields[2], parts[2]);
    cron.days = parse_field(fields[3], parts[3]);
    cron.months = parse_field(fields[4], parts[4]);
    cron.weekdays = parse_field(fields[5], parts[5]);
    if (cron.weekdays[7]) cron.weekdays[0] = true;
    cron.any_day = parts[3].starts_with('*');
    cron.any_weekday = parts[5].starts_with('*');
    cron.fixed_hours = parts[2].find_first_not_of("0123456789,") == std::string::npos;
    return cron;
}

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

} // namespace millrace
