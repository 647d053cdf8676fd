/// Instants and their text. One clock type for the whole project: microseconds since 1970 in UTC, as PostgreSQL keeps them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

using Instant = std::chrono::sys_time<std::chrono::microseconds>;

/// RFC 3339 in UTC, "2026-11-20T06:00:00Z"; a fraction is written only where there is one (up to 6 digits).
[[nodiscard]] std::string to_rfc3339(Instant t);

/// RFC 3339 with Z or an offset. Nothing for any other text.
[[nodiscard]] std::optional<Instant> parse_rfc3339(std::string_view text);

/// `seconds` may have a fraction; more than a hundred years of them are those.
[[nodiscard]] Instant after(Instant t, double seconds);

[[nodiscard]] inline std::int64_t to_micros(Instant t) { return t.time_since_epoch().count(); }
[[nodiscard]] inline Instant from_micros(std::int64_t us) { return Instant(std::chrono::microseconds(us)); }

} // namespace millrace
