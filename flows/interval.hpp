/// Spans of calendar and elapsed time, the data interval of a run, and its chunks (section 4, "Time"). Pure.
#pragma once

#include "flows/plan.hpp"
#include "flows/time.hpp"

#include <string>
#include <vector>

namespace millrace {

/// Start inclusive, end exclusive.
struct Interval {
    Instant start, end;
    friend bool operator==(const Interval&, const Interval&) = default;
};

/// `90s 5m 2h 7d 1mo 1y`, up to 100 years. Throws std::invalid_argument with the sentence to show.
[[nodiscard]] Span parse_span(const std::string& text);

/// "90s", "10m", "7d": as a flow file may have it.
[[nodiscard]] std::string span_text(double seconds);

/// `t` moved by `n` spans: months and days by the calendar of `zone` (a day that the month lacks is its last; a local time
/// that does not exist is the first instant after the gap), seconds as elapsed time.
[[nodiscard]] Instant add(Instant t, const Span& span, std::int64_t n, const std::string& zone);

/// Where `every` counts from without a `start`: Monday 1970-01-05 00:00 of the zone, for months the 1st of that January.
[[nodiscard]] Instant anchor_of(const Span& every, const std::string& zone);

/// The largest n for which `anchor` + n spans is not after `at`. Throws std::invalid_argument for a span of zero.
[[nodiscard]] std::int64_t steps_until(Instant anchor, const Span& every, Instant at, const std::string& zone);

/// The interval of a run whose nominal instant is `at`: the last whole `every` before it, with `lookback` in front; with
/// `from` a date, everything from that date to the end of that `every`.
[[nodiscard]] Interval interval_at(const IntervalSpec& spec, Instant at, const std::string& zone);

/// The smallest interval of whole steps of `every` that holds `given`.
[[nodiscard]] Interval whole_steps(const Interval& given, const Span& every, const std::string& zone);

/// Consecutive parts of `whole`, each one `chunk` long, the last one possibly shorter; `whole` itself without a chunk. Where they are
/// more than `most`, the first `most` + 1 of them.
[[nodiscard]] std::vector<Interval> chunks(const Interval& whole, const Span& chunk, const std::string& zone,
                                           std::size_t most = static_cast<std::size_t>(-2));

/// Why there is no such day, "there is no 2026-02-30: February 2026 has 28 days", of a text that begins like a date. Empty: it is
/// no date, or there is that day.
[[nodiscard]] std::string missing_day(const std::string& text);

/// A date ("2026-11-20": midnight of the zone) or an RFC 3339 instant. Throws std::invalid_argument.
[[nodiscard]] Instant parse_date_or_instant(const std::string& text, const std::string& zone);

} // namespace millrace
