#include "flows/time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

namespace millrace {
namespace {

/// Reads exactly `digits` decimal digits at `pos` and moves it; -1 when they are not there.
int number(std::string_view text, std::size_t& pos, int digits) {
    int value = 0;
    for (int i = 0; i < digits; ++i, ++pos) {
        if (pos >= text.size() || !std::isdigit(static_cast<unsigned char>(text[pos]))) return -1;
        value = value * 10 + (text[pos] - '0');
    }
    return value;
}

bool accept(std::string_view text, std::size_t& pos, char c) { return pos < text.size() && text[pos] == c && ++pos; }

} // namespace

Instant after(Instant t, double seconds) {
    constexpr double longest = 100 * 366 * 86400.0; // services say what they like
    return t + std::chrono::microseconds(static_cast<std::int64_t>(std::llround(std::min(seconds, longest) * 1e6)));
}

std::string to_rfc3339(Instant t) {
    const auto day = std::chrono::floor<std::chrono::days>(t);
    const std::chrono::year_month_day ymd(day);
    const std::chrono::hh_mm_ss hms(t - day);
    auto text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(ymd.year()), static_cast<unsigned>(ymd.month()),
                            static_cast<unsigned>(ymd.day()), hms.hours().count(), hms.minutes().count(), hms.seconds().count());
    if (const auto us = hms.subseconds().count()) {
        text += fmt::format(".{:06}", us);
        while (text.back() == '0') text.pop_back();
    }
    return text + "Z";
}

std::optional<Instant> parse_rfc3339(std::string_view text) {
    using namespace std::chrono;
    std::size_t pos = 0;
    const int y = number(text, pos, 4);
    if (y < 0 || !accept(text, pos, '-')) return {};
    const int mo = number(text, pos, 2);
    if (mo < 0 || !accept(text, pos, '-')) return {};
    const int d = number(text, pos, 2);
    if (d < 0 || !(accept(text, pos, 'T') || accept(text, pos, 't') || accept(text, pos, ' '))) return {};
    const int h = number(text, pos, 2);
    if (h < 0 || !accept(text, pos, ':')) return {};
    const int mi = number(text, pos, 2);
    if (mi < 0 || !accept(text, pos, ':')) return {};
    const int s = number(text, pos, 2);
    const year_month_day ymd{year(y), month(static_cast<unsigned>(mo)), day(static_cast<unsigned>(d))};
    if (s < 0 || !ymd.ok() || h > 23 || mi > 59 || s > 59) return {};
    std::int64_t us = 0;
    if (accept(text, pos, '.')) {
        std::int64_t unit = 100000;
        const auto first = pos;
        for (; pos < text.size() && std::isdigit(static_cast<unsigned char>(text[pos])); ++pos, unit /= 10) us += unit * (text[pos] - '0');
        if (pos == first) return {};
    }
    minutes offset{0};
    if (!accept(text, pos, 'Z') && !accept(text, pos, 'z')) {
        const bool minus = pos < text.size() && text[pos] == '-';
        if (!accept(text, pos, '+') && !accept(text, pos, '-')) return {};
        const int oh = number(text, pos, 2);
        if (oh < 0 || oh > 23 || !accept(text, pos, ':')) return {};
        const int om = number(text, pos, 2);
        if (om < 0 || om > 59) return {};
        offset = minutes((oh * 60 + om) * (minus ? -1 : 1));
    }
    if (pos != text.size()) return {};
    return Instant(sys_days(ymd) + hours(h) + minutes(mi) + seconds(s) - offset + microseconds(us));
}

} // namespace millrace
