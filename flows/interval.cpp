#include "flows/interval.hpp"

#include "flows/zone.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

namespace millrace {
namespace {

using namespace std::chrono;

LocalTime add_months(LocalTime local, std::int64_t months) {
    const auto day = floor<date::days>(local);
    const date::year_month_day ymd(day);
    const auto month = date::year_month(ymd.year(), ymd.month()) + date::months(static_cast<int>(months));
    auto moved = month / ymd.day();
    if (!moved.ok()) moved = date::year_month_day(month / date::last);
    return date::local_days(moved) + (local - day);
}

struct Unit {
    std::string_view word;
    std::string_view ours;
    int factor; ///< of ours
};

constexpr std::array<Unit, 28> foreign_units{{
    {"sec", "s", 1},    {"secs", "s", 1},    {"second", "s", 1}, {"seconds", "s", 1}, {"min", "m", 1},    {"mins", "m", 1},
    {"minute", "m", 1}, {"minutes", "m", 1}, {"H", "h", 1},      {"hr", "h", 1},      {"hrs", "h", 1},    {"hour", "h", 1},
    {"hours", "h", 1},  {"D", "d", 1},       {"day", "d", 1},    {"days", "d", 1},    {"w", "d", 7},      {"W", "d", 7},
    {"week", "d", 7},   {"weeks", "d", 7},   {"M", "mo", 1},     {"mon", "mo", 1},    {"month", "mo", 1}, {"months", "mo", 1},
    {"Y", "y", 1},      {"year", "y", 1},    {"years", "y", 1},  {"yr", "y", 1},
}};

/// How a span in other words is written here: `1 week` is `7d`, `1h30m` is `90m`. Empty: it means nothing.
std::string rewritten(std::string text) {
    std::erase(text, ' ');
    constexpr std::array<std::pair<std::string_view, int>, 3> elapsed{{{"h", 3600}, {"m", 60}, {"s", 1}}};
    std::int64_t sum = 0;
    int parts = 0;
    std::string one;
    for (std::size_t i = 0; i < text.size(); ++parts) {
        const auto letters = std::min(text.find_first_not_of("0123456789", i), text.size());
        const auto next = std::min(text.find_first_of("0123456789", letters), text.size());
        if (letters == i || letters - i > 6) return {};
        const auto number = std::stoll(text.substr(i, letters - i));
        auto unit = text.substr(letters, next - letters);
        const auto foreign = std::find_if(foreign_units.begin(), foreign_units.end(), [&](const Unit& u) { return u.word == unit; });
        const int factor = foreign == foreign_units.end() ? 1 : foreign->factor;
        if (foreign != foreign_units.end()) unit = foreign->ours;
        one = std::to_string(number * factor) + unit;
        const auto known = std::find_if(elapsed.begin(), elapsed.end(), [&](const auto& e) { return e.first == unit; });
        if (known != elapsed.end())
            sum += number * known->second;
        else if (unit != "d" && unit != "mo" && unit != "y")
            return {};
        else if (parts > 0 || next < text.size())
            return {}; // a day is no number of hours
        i = next;
    }
    if (parts < 2) return one;
    const auto whole = std::find_if(elapsed.begin(), elapsed.end(), [&](const auto& e) { return sum % e.second == 0; });
    return std::to_string(sum / whole->second) + std::string(whole->first);
}

/// A hundred years: sums of a few and the instants that they lead to stay far from what a number holds.
constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> longest_spans{
    {{"s", 3'153'600'000}, {"m", 52'560'000}, {"h", 876'000}, {"d", 36'500}, {"mo", 1200}, {"y", 100}}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> words{
    {{"hourly", "1h"}, {"daily", "1d"}, {"weekly", "7d"}, {"monthly", "1mo"}, {"quarterly", "3mo"}, {"yearly", "1y"}}};

} // namespace

Span parse_span(const std::string& text) {
    for (const auto& [word, ours] : words)
        if (text == word) throw std::invalid_argument("'" + text + "' is written " + std::string(ours));
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    const std::string unit(end, text.data() + text.size());
    if (error == std::errc() && n > 0 && unit.empty())
        throw std::invalid_argument("'" + text + "' has no unit: " + text + "s, " + text + "m, " + text + "h or " + text + "d");
    const auto longest = [](const std::string& span) {
        const auto at = std::find_if(longest_spans.begin(), longest_spans.end(), [&](const auto& l) { return l.first == span; });
        return at == longest_spans.end() ? std::pair<std::string_view, std::int64_t>("", 0) : *at;
    };
    const auto refuse_too_long = [&](const std::string& span) {
        throw std::invalid_argument(fmt::format("'{}' is longer than 100 years; the longest is {}{}", text, longest(span).second, span));
    };
    const auto word = text.substr(std::min(text.find_first_not_of("0123456789"), text.size()));
    if (error == std::errc::result_out_of_range && text[0] != '-' && longest(word).second > 0) refuse_too_long(word);
    if (error != std::errc() || n < 0 || unit.empty())
        throw std::invalid_argument("'" + text + "' is no span of time; write a number and a unit: 90s, 5m, 2h, 7d, 1mo or 1y");
    if (const auto most = longest(unit).second; most > 0 && n > most) refuse_too_long(unit);
    const int small = static_cast<int>(std::min<std::int64_t>(n, longest("d").second)); // days, months, years
    if (unit == "s") return {0, 0, n};
    if (unit == "m") return {0, 0, n * 60};
    if (unit == "h") return {0, 0, n * 3600};
    if (unit == "d") return {0, small, 0};
    if (unit == "mo") return {small, 0, 0};
    if (unit == "y") return {small * 12, 0, 0};
    if (const auto ours = rewritten(text); !ours.empty()) throw std::invalid_argument("'" + text + "' is written " + ours);
    throw std::invalid_argument("'" + unit + "' is no unit of time in '" + text + "'; the units are s, m, h, d, mo and y");
}

std::string span_text(double seconds) {
    Span span;
    span.seconds = static_cast<std::int64_t>(seconds);
    constexpr std::int64_t day = 86400;
    if (span.seconds > 0 && span.seconds % day == 0) span = {0, static_cast<int>(span.seconds / day), 0};
    return to_text(span);
}

Instant add(Instant t, const Span& span, std::int64_t n, const std::string& zone) {
    const Instant moved = t + seconds(span.seconds * n);
    if (span.months == 0 && span.days == 0) return moved;
    const auto& tz = find_zone(zone);
    return to_instant(add_months(to_local(moved, tz), span.months * n) + date::days(static_cast<int>(span.days * n)), tz);
}

Instant anchor_of(const Span& every, const std::string& zone) {
    return to_instant(date::local_days{date::year{1970} / 1 / (every.months != 0 ? 1 : 5)}, find_zone(zone));
}

std::int64_t steps_until(Instant anchor, const Span& every, Instant at, const std::string& zone) {
    if (every.is_zero()) throw std::invalid_argument("a span of zero never recurs; write `every: 1d`, for example");
    // An estimate from mean lengths, then the exact step by walking.
    constexpr double mean_month = 30.436875 * 86400;
    const double step = every.months * mean_month + every.days * 86400.0 + static_cast<double>(every.seconds);
    auto n = static_cast<std::int64_t>(duration<double>(at - anchor).count() / step);
    while (add(anchor, every, n, zone) > at) --n;
    while (add(anchor, every, n + 1, zone) <= at) ++n;
    return n;
}

Interval interval_at(const IntervalSpec& spec, Instant at, const std::string& zone) {
    const Instant anchor = anchor_of(spec.every, zone);
    const auto n = steps_until(anchor, spec.every, at, zone);
    const Instant end = add(anchor, spec.every, n, zone);
    if (!spec.from.empty() && spec.from != "cursor" && spec.from != "schedule")
        return {std::min(parse_date_or_instant(spec.from, zone), end), end};
    return {add(add(anchor, spec.every, n - 1, zone), spec.lookback, -1, zone), end};
}

Interval whole_steps(const Interval& given, const Span& every, const std::string& zone) {
    const Instant anchor = anchor_of(every, zone);
    const auto step = [&](std::int64_t n) { return add(anchor, every, n, zone); };
    const auto last = steps_until(anchor, every, given.end, zone);
    return {step(steps_until(anchor, every, given.start, zone)), step(last) == given.end ? given.end : step(last + 1)};
}

std::vector<Interval> chunks(const Interval& whole, const Span& chunk, const std::string& zone, std::size_t most) {
    if (chunk.is_zero() || whole.start >= whole.end) return {whole};
    std::vector<Interval> parts;
    for (int n = 1; parts.empty() || (parts.back().end < whole.end && parts.size() <= most); ++n) {
        const Instant start = parts.empty() ? whole.start : parts.back().end;
        const Instant end = std::min(add(whole.start, chunk, n, zone), whole.end);
        if (end > start) parts.push_back({start, end});
    }
    return parts;
}

std::string missing_day(const std::string& text) {
    using namespace std::chrono;
    constexpr std::string_view form = "dddd-dd-dd";
    constexpr std::array<const char*, 12> names{"January", "February", "March",     "April",   "May",      "June",
                                                "July",    "August",   "September", "October", "November", "December"};
    const auto fits = [](char f, char c) { return f == 'd' ? c >= '0' && c <= '9' : c == f; };
    if (text.size() < form.size() || !std::equal(form.begin(), form.end(), text.begin(), fits)) return {};
    const int y = std::stoi(text.substr(0, 4)), m = std::stoi(text.substr(5, 2)), d = std::stoi(text.substr(8, 2));
    const auto none = fmt::format("there is no {}: ", text.substr(0, form.size()));
    if (m < 1 || m > 12) return none + "months go from 01 to 12";
    const auto last = static_cast<unsigned>(year_month_day_last(year(y), month_day_last(month(static_cast<unsigned>(m)))).day());
    if (d < 1) return none + "days go from 01";
    if (static_cast<unsigned>(d) <= last) return {};
    return none + fmt::format("{} {} has {} days", names.at(static_cast<std::size_t>(m) - 1), y, last);
}

Instant parse_date_or_instant(const std::string& text, const std::string& zone) {
    if (const auto instant = parse_rfc3339(text)) return *instant;
    if (text.size() == 10)
        if (const auto midnight = parse_rfc3339(text + "T00:00:00Z"))
            return to_instant(LocalTime(midnight->time_since_epoch()), find_zone(zone));
    if (const auto why = missing_day(text); !why.empty()) throw std::invalid_argument(why);
    throw std::invalid_argument("'" + text + "' is neither a date (2026-11-20) nor an instant (2026-11-20T06:00:00Z)");
}

} // namespace millrace
