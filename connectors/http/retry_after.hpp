/// When a server that said "later" wants to be asked again (RFC 9110, Retry-After). Pure.
#pragma once

#include "flows/time.hpp"

#include <optional>
#include <string_view>

namespace millrace {
/// Seconds from `now`, from a number of seconds ("120", "1.5") or an HTTP date in any of its three forms. A date that has
/// passed gives 0. Nothing for any other text.
[[nodiscard]] std::optional<double> retry_after_seconds(std::string_view value, Instant now);
} // namespace millrace
