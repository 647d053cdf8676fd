/// Time zones: the one place that turns local times into instants and back (Howard Hinnant's date; GCC 12 has no zones).
/// A local time that does not exist is the first instant after the gap; one that happens twice is its first occurrence.
#pragma once

#include "flows/time.hpp"

#include <date/tz.h>

#include <string>
#include <vector>

namespace millrace {

using LocalTime = date::local_time<std::chrono::microseconds>;

/// Throws std::invalid_argument that names the zone and the nearest one that exists.
[[nodiscard]] const date::time_zone& find_zone(const std::string& name);
[[nodiscard]] bool has_zone(const std::string& name);
/// Looks whether the files of the zones that were found have changed: which have. find_zone() gives what they are now; a zone that
/// somebody holds stays as it was.
[[nodiscard]] std::vector<std::string> refresh_zones();
[[nodiscard]] Instant to_instant(LocalTime local, const date::time_zone& zone);
[[nodiscard]] LocalTime to_local(Instant t, const date::time_zone& zone);

/// "2026-03-29T02:30:00", no fraction.
[[nodiscard]] std::string to_text(LocalTime local);

/// strftime's letters (of date::format), in `zone`; a pattern that ends in a literal Z is written in UTC, because that is
/// what the Z says. Throws std::invalid_argument for a pattern that means nothing.
[[nodiscard]] std::string format_time(Instant t, const std::string& pattern, const date::time_zone& zone);

} // namespace millrace
