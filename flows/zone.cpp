#include "flows/zone.hpp"

#include "flows/nearest.hpp"

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace millrace {
namespace {
std::size_t difference(std::size_t a, std::size_t b) { return std::max(a, b) - std::min(a, b); }
} // namespace

const date::time_zone& find_zone(const std::string& name) {
    try {
        return *date::locate_zone(name);
    } catch (const std::runtime_error&) {
        std::vector<std::string> names;
        for (const auto& zone : date::get_tzdb().zones) // there are more than a hint looks at, so those that begin alike
            if (std::tolower(static_cast<unsigned char>(zone.name()[0])) == std::tolower(static_cast<unsigned char>(name[0])) && difference(zone.name().size(), name.size()) < 5) names.push_back(zone.name());
        const auto near = nearest(name, names);
        throw std::invalid_argument("no time zone is called '" + name + "'" + (near.empty() ? "; names are those of the IANA database, America/Sao_Paulo for example" : "; did you mean '" + near + "'?"));
    }
}

Instant to_instant(LocalTime local, const date::time_zone& zone) {
    const auto info = zone.get_info(local);
    if (info.result == date::local_info::nonexistent) return Instant(info.first.end);
    return Instant(local.time_since_epoch() - info.first.offset);
}

LocalTime to_local(Instant t, const date::time_zone& zone) { return zone.to_local(t); }

std::string to_text(LocalTime local) { return date::format("%FT%T", std::chrono::floor<std::chrono::seconds>(local)); }

std::string format_time(Instant t, const std::string& pattern, const date::time_zone& zone) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(t);
    const bool utc = pattern.size() >= 2 && pattern.back() == 'Z' && pattern[pattern.size() - 2] != '%';
    const auto text = date::format(pattern, date::make_zoned(utc ? date::locate_zone("UTC") : &zone, seconds));
    if (text.empty() && !pattern.empty()) throw std::invalid_argument("'" + pattern + "' is no time format; '%Y-%m-%d' is one");
    return text;
}

} // namespace millrace
