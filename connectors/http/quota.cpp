#include "connectors/http/quota.hpp"

#include <charconv>
#include <string_view>

namespace millrace {
namespace {

std::optional<double> number(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '=')) text.remove_prefix(1);
    double value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc() || !(value >= 0) || value > 1e15) return {};
    return value; // what follows is a unit or a policy: "100, 100;w=60"
}

/// `r=50` of `"default";r=50;t=30`, `remaining=50` of `limit=100, remaining=50, reset=5`.
std::optional<double> member(std::string_view text, std::string_view name) {
    for (auto at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
        const bool begins = at == 0 || text[at - 1] == ';' || text[at - 1] == ',' || text[at - 1] == ' ';
        if (begins && at + name.size() < text.size() && text[at + name.size()] == '=') return number(text.substr(at + name.size()));
    }
    return {};
}

/// A span in seconds, or an instant in seconds or milliseconds since 1970.
double seconds_until(double reset, Instant now) {
    constexpr double year = 366.0 * 86400;
    if (reset > 1e11) reset /= 1000;
    if (reset > 1e9) reset -= static_cast<double>(to_micros(now)) / 1e6;
    return reset > 0 && reset < year ? reset : 0;
}

} // namespace

std::optional<ServiceQuota> quota_in(const std::map<std::string, std::string>& headers, Instant now) {
    const auto header = [&](const std::string& name) -> std::optional<double> {
        const auto at = headers.find(name);
        return at == headers.end() ? std::nullopt : number(at->second);
    };
    std::optional<double> limit, left, reset;
    for (const char* family : {"x-ratelimit-", "ratelimit-", "x-rate-limit-"}) {
        const std::string prefix = family;
        if (left) break;
        limit = header(prefix + "limit"), left = header(prefix + "remaining"), reset = header(prefix + "reset");
    }
    if (const auto whole = headers.find("ratelimit"); !left && whole != headers.end()) {
        limit = member(whole->second, "limit");
        left = member(whole->second, "r"), reset = member(whole->second, "t");
        if (!left) left = member(whole->second, "remaining"), reset = member(whole->second, "reset");
    }
    if (!left) return {};
    ServiceQuota quota;
    if (limit) quota.limit = static_cast<std::int64_t>(*limit);
    quota.left = static_cast<std::int64_t>(*left);
    quota.reset = seconds_until(reset.value_or(0), now);
    return quota;
}

} // namespace millrace
