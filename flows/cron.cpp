#include "flows/cron.hpp"

#include "flows/counted.hpp"
#include "flows/letters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace millrace {
namespace {

struct Field {
    const char* name;
    int first, last;
    const char* unit;                    ///< of a span as long as one of its steps
    std::vector<std::string_view> names; ///< of first, first + 1, ...
};

const std::array<Field, 6> fields{{
    {"second", 0, 59, "s", {}},
    {"minute", 0, 59, "m", {}},
    {"hour", 0, 23, "h", {}},
    {"day-of-month", 1, 31, "d", {}},
    {"month", 1, 12, "mo", {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
    {"day-of-week", 0, 7, "d", {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
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

/// What other programs know in days, and how it is said here. Empty: it is none of that.
std::string why_foreign(const Field& field, const std::string& part) {
    if (part == "?") return "has a '?', which is not supported here; write *";
    if (&field != &fields[3] && &field != &fields[5]) return {};
    if (part.find('#') != std::string::npos) return "has a '#', which is not supported here; a day of the week here is that of every week";
    const auto word = upper_case(part);
    const auto sign = word.find_first_not_of("0123456789");
    const auto rest = sign == std::string::npos ? "" : word.substr(sign);
    if (&field == &fields[3] && (rest == "L" || rest == "LW"))
        return "has an 'L', which is not supported here; for the last day of a month: `every: 1mo` with `start: 2027-01-31`";
    if (rest == "W") return "has a 'W', which is not supported here; write the day of the month, or days of the week such as mon-fri";
    const auto day = std::find(field.names.begin(), field.names.end(), lower_case(word.substr(0, word.size() - 1)));
    if (word.ends_with('L') && (rest == "L" || day != field.names.end()))
        return "has an 'L', which is not supported here; a day of the week here is that of every week";
    return {};
}

/// What a range that ends before it begins is meant to be: `fri-mon` is `fri-sun,mon`.
std::string around(const Field& field, const std::string& from, int first, const std::string& to, int last) {
    const bool by_name = from.find_first_of("0123456789") == std::string::npos;
    const bool of_week = &field == &fields[5];
    if (of_week && first == 7) return "0-" + to;
    const auto name = [&](int value) {
        return std::string(field.names.at(static_cast<std::size_t>(value - field.first) % field.names.size()));
    };
    const auto text = [&](int value) { return by_name ? name(value) : std::to_string(value); };
    const int begin = of_week ? 1 : field.first; // Sunday ends the part before
    const auto before = first == field.last ? from : from + "-" + text(field.last);
    return before + "," + (last == begin ? to : text(begin) + "-" + to);
}

int value_of(const Field& field, const std::string& text, const std::string& part) {
    int value = -1;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size()) {
        const auto found = std::find(field.names.begin(), field.names.end(), lower_case(part));
        if (const auto why = part.empty() ? "" : why_foreign(field, part); !why.empty())
            throw std::invalid_argument(fmt::format("the {} field '{}' {}", field.name, text, why));
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

/// Nothing where the step leaves more than one value, or is as long as the field: `*/60` of minutes is once an hour as it says.
std::optional<LongStep> long_step(const Field& field, const std::string& entry) {
    const auto parts = split(entry, '/');
    if (parts.size() != 2) return std::nullopt;
    const auto range = split(parts[0], '-');
    const bool is_open = range.size() == 1; // * or a
    const int first = parts[0] == "*" ? field.first : value_of(field, entry, range[0]);
    const int last = is_open ? (&field == &fields[5] ? 6 : field.last) : value_of(field, entry, range[1]);
    const int values = is_open ? last - field.first + 1 : last - first + 1;
    constexpr int longest_told = 1000;
    const int step = std::stoi(parts[1]);
    if (step <= values || values < 1) return std::nullopt;
    return LongStep{entry, field.name, first, is_open && step <= longest_told ? std::to_string(step) + field.unit : ""};
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
        if (last < first && slash.size() == 1)
            throw std::invalid_argument(fmt::format("the {} field '{}' has a range that ends before it begins; write {}", field.name, text,
                                                    around(field, range[0], first, range[1], last)));
        if (last < first) refuse(field, text, "has a range that ends before it begins");
    }
    step = std::min(step, last + 1); // as far as it means: one value
    for (int value = first; value <= last; value += step) marked[static_cast<std::size_t>(value)] = true;
}

std::vector<bool> parse_field(const Field& field, const std::string& text) {
    std::vector<bool> marked(static_cast<std::size_t>(field.last) + 1);
    for (const auto& entry : split(text, ',')) mark(field, text, entry, marked);
    return marked;
}

/// Mistakes that are about no single field: a zone in front, a space within a list.
void check_parts(const std::string& text, const std::vector<std::string>& parts) {
    for (const std::string_view key : {"TZ=", "CRON_TZ="})
        if (!parts.empty() && parts[0].starts_with(key))
            throw std::invalid_argument(fmt::format("'{}' is not written in a cron expression here; write `timezone: {}` beside `cron`",
                                                    parts[0], parts[0].substr(key.size())));
    std::string joined;
    bool is_apart = false;
    for (const auto& part : parts) {
        const bool is_list = !joined.empty() && (joined.ends_with(',') || part.starts_with(','));
        is_apart = is_apart || is_list;
        joined += (joined.empty() || is_list ? "" : " ") + part;
    }
    if (is_apart) throw std::invalid_argument(fmt::format("'{}' has a space in a list; write '{}'", text, joined));
}

} // namespace

CronExpression CronExpression::parse(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> parts;
    for (std::string part; stream >> part;) parts.push_back(part);
    if (parts.size() == 1 && parts[0].starts_with('@')) {
        for (const auto& [name, meaning] : shorthands)
            if (parts[0] == name) return parse(meaning);
        throw std::invalid_argument("'" + parts[0] +
                                    "' is no cron shorthand; there are @hourly, @daily or @midnight, @weekly, @monthly, "
                                    "and @yearly or @annually");
    }
    check_parts(text, parts);
    if (parts.size() == 5) parts.insert(parts.begin(), "0");
    if (parts.size() != 6)
        throw std::invalid_argument(
            fmt::format("'{}' has {}; a cron expression has 5 (minute hour day-of-month month day-of-week), or 6 with "
                        "seconds in front",
                        text, counted(static_cast<std::int64_t>(parts.size()), "field")));
    CronExpression cron;
    cron.seconds = parse_field(fields[0], parts[0]);
    cron.minutes = parse_field(fields[1], parts[1]);
    cron.hours = parse_field(fields[2], parts[2]);
    cron.days = parse_field(fields[3], parts[3]);
    cron.months = parse_field(fields[4], parts[4]);
    cron.weekdays = parse_field(fields[5], parts[5]);
    for (std::size_t i = 0; i < parts.size(); ++i)
        for (const auto& entry : split(parts[i], ','))
            if (auto step = long_step(fields[i], entry)) cron.long_steps.push_back(std::move(*step));
    if (cron.weekdays[7]) cron.weekdays[0] = true;
    cron.any_day = parts[3].starts_with('*');
    cron.any_weekday = parts[5].starts_with('*');
    cron.fixed_hours = parts[2].find_first_not_of("0123456789,") == std::string::npos;
    return cron;
}

} // namespace millrace
