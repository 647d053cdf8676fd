/// Cron expressions and when they fire (pure; the clock is a parameter).
///
/// Grammar: 5 fields (minute hour day-of-month month day-of-week) or 6 with seconds in front; lists, ranges, steps, names
/// (JAN, MON), 7 = Sunday, `@hourly @daily @midnight @weekly @monthly @yearly @annually`. When day-of-month and day-of-week are both
/// restricted, either one matches (crontab(5)).
/// DST: a schedule whose hour field is plain numbers follows its gap and overlap policy; others follow elapsed time.
#pragma once

#include "flows/plan.hpp"
#include "flows/time.hpp"

#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// One nominal instant of a schedule and how it came about.
struct Firing {
    Instant at;
    std::string local; ///< nominal local time, "2026-03-29T02:30:00"
    std::string note;  ///< empty, or why this one is odd: "02:30 does not exist on this day: runs at 03:00"; also what is missing before it
};

/// A step that is longer than its field or range, so that one value is left: `*/90` of minutes.
struct LongStep {
    std::string entry; ///< "*/90"
    std::string field; ///< "minute"
    int value = 0;     ///< the one that it leaves
    std::string every; ///< the span that may have been meant, "90m"; empty: none
};

class CronExpression {
public:
    /// Throws std::invalid_argument whose text names the field and what it may hold.
    [[nodiscard]] static CronExpression parse(const std::string& text);

    std::vector<bool> seconds, minutes, hours, days, months, weekdays; ///< indices are the values
    bool any_day = true, any_weekday = true;
    bool fixed_hours = false; ///< the hour field is plain numbers
    std::vector<LongStep> long_steps;
};

/// The first firing strictly after `after`, within the schedule's start and end; nothing when there is none within 5 years.
/// Covers `cron` and `every`. Throws std::invalid_argument for a time zone that is not in the database.
[[nodiscard]] std::optional<Firing> next_firing(const ScheduleSpec& schedule, Instant after);

/// What comes next after `now` instead of `next`, which other rules of its zone gave and which is still to come. A schedule by the
/// clock on the wall keeps its local time, so that none comes twice and none is left out, even where that has passed by the new rules;
/// one that follows elapsed time goes on from `now`.
[[nodiscard]] std::optional<Firing> next_by_new_rules(const ScheduleSpec& schedule, const Firing& next, Instant now);

/// The next `n` firings.
[[nodiscard]] std::vector<Firing> next_firings(const ScheduleSpec& schedule, Instant after, int n);

/// When a firing starts its run: the nominal instant plus the schedule's jitter, always the same for the same firing, and before
/// the one that follows it, if any does.
[[nodiscard]] Instant with_jitter(const std::string& flow, const ScheduleSpec& schedule, Instant nominal, std::optional<Instant> following);

} // namespace millrace
