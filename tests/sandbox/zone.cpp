#include "zone.hpp"

#include <date/tz.h>
#include <fmt/format.h>

namespace millrace::sandbox {

Zone::Zone(std::string_view name) : name_(name), zone_(date::locate_zone(name_)) {}

int Zone::offset_at(Instant instant) const {
    if (instant < valid_from_ || instant >= valid_until_) {
        const auto info = zone_->get_info(date::sys_seconds{std::chrono::seconds{instant}});
        valid_from_ = info.begin.time_since_epoch().count();
        valid_until_ = info.end.time_since_epoch().count();
        offset_ = static_cast<int>(info.offset.count());
    }
    return offset_;
}

Instant Zone::to_instant(std::int64_t local) const {
    const date::local_seconds wall{std::chrono::seconds{local}};
    return zone_->to_sys(wall, date::choose::earliest).time_since_epoch().count();
}

Day Zone::day_of(Instant instant) const { return floor_day(instant + offset_at(instant)); }

CivilDay civil(Day day) {
    const date::year_month_day ymd{date::sys_days{date::days{day}}};
    return {static_cast<int>(ymd.year()), static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day())};
}

Day day_of(CivilDay civil) {
    const date::year_month_day ymd{date::year{civil.year}, date::month{civil.month}, date::day{civil.day}};
    return static_cast<Day>(date::sys_days{ymd}.time_since_epoch().count());
}

int weekday(Day day) { return ((day % 7) + 10) % 7; } // 1970-01-01 was a Thursday

Day floor_day(std::int64_t seconds) {
    return static_cast<Day>(seconds >= 0 ? seconds / seconds_per_day : -((seconds_per_day - 1 - seconds) / seconds_per_day));
}

namespace {
char* put_digits(char* out, unsigned value, int digits) {
    for (int at = digits - 1; at >= 0; --at, value /= 10) out[at] = static_cast<char>('0' + value % 10);
    return out + digits;
}
} // namespace

void append_date(std::string& out, Day day) {
    const CivilDay date = civil(day);
    char text[10];
    char* at = put_digits(text, static_cast<unsigned>(date.year), 4);
    *at++ = '-';
    at = put_digits(at, date.month, 2);
    *at++ = '-';
    put_digits(at, date.day, 2);
    out.append(text, sizeof text);
}

std::string date_text(Day day) {
    std::string text;
    append_date(text, day);
    return text;
}

void append_time(std::string& out, std::int64_t local) {
    const Day day = floor_day(local);
    const auto second = static_cast<unsigned>(local - day * seconds_per_day);
    append_date(out, day);
    char text[9] = {'T', '0', '0', ':', '0', '0', ':', '0', '0'};
    put_digits(text + 1, second / 3600, 2);
    put_digits(text + 4, second / 60 % 60, 2);
    put_digits(text + 7, second % 60, 2);
    out.append(text, sizeof text);
}

void append_offset(std::string& out, int offset) {
    if (offset == 0) {
        out += 'Z';
        return;
    }
    const auto minutes = static_cast<unsigned>(offset < 0 ? -offset : offset) / 60;
    char text[6] = {offset < 0 ? '-' : '+', '0', '0', ':', '0', '0'};
    put_digits(text + 1, minutes / 60, 2);
    put_digits(text + 4, minutes % 60, 2);
    out.append(text, sizeof text);
}

std::string iso_duration(std::int64_t seconds) {
    if (seconds == 0) return "PT0S";
    std::string text = "PT";
    if (seconds >= 3600) text += fmt::format("{}H", seconds / 3600);
    if (seconds / 60 % 60) text += fmt::format("{}M", seconds / 60 % 60);
    if (seconds % 60) text += fmt::format("{}S", seconds % 60);
    return text;
}

namespace {
/// `pattern` holds d for a digit, else the character itself.
bool matches(std::string_view text, std::string_view pattern) {
    if (text.size() != pattern.size()) return false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (pattern[at] == 'd' ? text[at] < '0' || text[at] > '9' : text[at] != pattern[at]) return false;
    }
    return true;
}

unsigned number(std::string_view digits) {
    unsigned value = 0;
    for (char c : digits) value = value * 10 + static_cast<unsigned>(c - '0');
    return value;
}
} // namespace

std::optional<Day> parse_date(std::string_view text) {
    if (!matches(text, "dddd-dd-dd")) return std::nullopt;
    const date::year_month_day ymd{date::year{static_cast<int>(number(text.substr(0, 4)))}, date::month{number(text.substr(5, 2))},
                                   date::day{number(text.substr(8, 2))}};
    if (!ymd.ok()) return std::nullopt;
    return static_cast<Day>(date::sys_days{ymd}.time_since_epoch().count());
}

std::optional<std::int64_t> parse_time(std::string_view text) {
    if (!text.empty() && text.back() == 'Z') text.remove_suffix(1);
    const auto day = parse_date(text.substr(0, 10));
    if (!day || text.size() < 19 || !matches(text.substr(10, 9), "Tdd:dd:dd")) return std::nullopt;
    const unsigned hour = number(text.substr(11, 2)), minute = number(text.substr(14, 2)), second = number(text.substr(17, 2));
    if (hour > 24 || minute > 59 || second > 59) return std::nullopt;
    bool fraction = false;
    if (text.size() > 19) {
        if (text[19] != '.' || text.size() == 20) return std::nullopt;
        for (char c : text.substr(20)) {
            if (c < '0' || c > '9') return std::nullopt;
            fraction = fraction || c != '0';
        }
    }
    return *day * seconds_per_day + hour * 3600 + minute * 60 + second + (fraction ? 1 : 0);
}

} // namespace millrace::sandbox
