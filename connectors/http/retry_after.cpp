#include "connectors/http/retry_after.hpp"

#include <algorithm>
#include <charconv>
#include <curl/curl.h>
#include <string>

namespace millrace {

std::optional<double> retry_after_seconds(std::string_view value, Instant now) {
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
    if (value.empty()) return {};
    double seconds = 0;
    const auto [end, status] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (status == std::errc() && end == value.data() + value.size()) {
        if (!(seconds >= 0) || seconds > 366.0 * 86400) return {};
        return seconds;
    }
    if (value.find(':') == std::string_view::npos) return {};
    const std::time_t at = curl_getdate(std::string(value).c_str(), nullptr);
    if (at < 0) return {};
    return std::max(0.0, static_cast<double>(at) - static_cast<double>(to_micros(now)) / 1e6);
}

} // namespace millrace
