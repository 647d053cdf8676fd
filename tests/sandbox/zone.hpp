#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace date {
class time_zone;
}

namespace millrace::sandbox {

/// A second since 1970 in UTC.
using Instant = std::int64_t;
/// A day since 1970 of some calendar; the caller knows of which zone.
using Day = std::int32_t;

constexpr std::int64_t seconds_per_day = 86400;

/// A time zone by its IANA name. Not shared between threads: it remembers the last offset that it looked up.
class Zone {
public:
    /// Throws std::runtime_error for a name that the time zone database lacks.
    explicit Zone(std::string_view name);

    [[nodiscard]] const std::string& name() const { return name_; }
    /// Seconds to add to UTC at `instant`.
    [[nodiscard]] int offset_at(Instant instant) const;
    /// The instant of a wall-clock time, given as if it were UTC; the earlier one where there are two.
    [[nodiscard]] Instant to_instant(std::int64_t local) const;
    [[nodiscard]] Day day_of(Instant instant) const;

private:
    std::string name_;
    const date::time_zone* zone_;
    mutable Instant valid_from_ = 1, valid_until_ = 0; ///< where offset_ holds
    mutable int offset_ = 0;
};

struct CivilDay {
    int year;
    unsigned month, day;
};

CivilDay civil(Day day);
Day day_of(CivilDay civil);
/// 0 is Monday.
int weekday(Day day);
Day floor_day(std::int64_t seconds);

/// 2026-11-20
void append_date(std::string& out, Day day);
std::string date_text(Day day);
/// 2026-11-20T09:30:00 of a wall-clock time given as if it were UTC.
void append_time(std::string& out, std::int64_t local);
/// Z, or +01:00
void append_offset(std::string& out, int offset);
/// PT2H54M, PT0S
std::string iso_duration(std::int64_t seconds);

std::optional<Day> parse_date(std::string_view text);
/// The wall-clock seconds of `2026-11-20T00:00:00[.999][Z]`, as if they were UTC. A fraction rounds up to the next
/// second, so that an inclusive end of 23:59:59.999 becomes an exclusive end at midnight.
std::optional<std::int64_t> parse_time(std::string_view text);

} // namespace millrace::sandbox
