#include "flows/zone.hpp"

#include "flows/nearest.hpp"
#include "flows/zone_data.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace millrace {
namespace {

/// Zones that people call by letters, which the database does not know or means otherwise.
constexpr std::array<std::pair<std::string_view, const char*>, 14> letters{{
    {"brt", "America/Sao_Paulo"},
    {"pst", "America/Los_Angeles"},
    {"pdt", "America/Los_Angeles"},
    {"pt", "America/Los_Angeles"},
    {"mdt", "America/Denver"},
    {"cst", "America/Chicago"},
    {"cdt", "America/Chicago"},
    {"edt", "America/New_York"},
    {"et", "America/New_York"},
    {"bst", "Europe/London"},
    {"cest", "Europe/Berlin"},
    {"eest", "Europe/Athens"},
    {"ist", "Asia/Kolkata"},
    {"jst", "Asia/Tokyo"},
}};

/// As names are compared: lower case, with _ for a space.
std::string plain(std::string_view name) {
    std::string text;
    for (const char c : name) text += c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

std::string_view city(std::string_view name) { return name.substr(name.rfind('/') + 1); } // npos + 1 is 0

std::size_t difference(std::size_t a, std::size_t b) { return std::max(a, b) - std::min(a, b); }

/// "UTC+3" and "-03:00" -> the zone with that offset, whose sign is the other one. Empty: it is none of whole hours.
std::string of_offset(std::string text) {
    if (text.starts_with("utc") || text.starts_with("gmt")) text.erase(0, 3);
    if (text.size() < 2 || (text[0] != '+' && text[0] != '-')) return {};
    if (text.ends_with(":00")) text.erase(text.size() - 3);
    const auto digits = text.substr(text.size() > 2 && text[1] == '0' ? 2 : 1);
    if (digits.empty() || digits.size() > 2 || digits.find_first_not_of("0123456789") != std::string::npos) return {};
    return "Etc/GMT" + std::string(text[0] == '+' ? "-" : "+") + digits;
}

/// The zone that is meant; empty where none is near.
std::string nearest_zone(const std::string& name) {
    const auto wanted = plain(name);
    if (auto offset = of_offset(wanted); !offset.empty()) return offset;
    for (const auto& [word, zone] : letters)
        if (word == wanted) return zone;
    std::vector<std::string> alike, cities; // there are more zones than nearest() looks at
    std::string by_city;
    for (const auto& zone : date::get_tzdb().zones) {
        if (zone.name().find('/') == std::string::npos && zone.name() != "UTC") continue; // "localtime" and other old names
        const auto full = plain(zone.name());
        if (full == wanted) return zone.name();
        if (city(full) == city(wanted) && (by_city.empty() || zone.name().size() < by_city.size())) by_city = zone.name();
        if (full[0] == wanted[0] && difference(full.size(), wanted.size()) < 5) alike.push_back(zone.name());
        if (city(full).substr(0, 1) == city(wanted).substr(0, 1) && difference(city(full).size(), city(wanted).size()) < 3)
            cities.emplace_back(city(zone.name()));
    }
    if (!by_city.empty()) return by_city;
    if (auto near = nearest(name, alike); !near.empty()) return near;
    const auto near = nearest(city(name), cities);
    for (const auto& zone : date::get_tzdb().zones)
        if (!near.empty() && city(zone.name()) == near) return zone.name();
    return {};
}

} // namespace

/// One for the process, as the system's files are.
static ZoneData& zone_data() {
    static ZoneData& data = *new ZoneData;
    return data;
}

const date::time_zone& find_zone(const std::string& name) {
    if (const auto* zone = zone_data().find(name)) return *zone;
    const auto near = name.empty() ? "" : nearest_zone(name);
    throw std::invalid_argument(
        "no time zone is called '" + name + "'" +
        (near.empty() ? "; names are those of the IANA database: Europe/Berlin, America/New_York" : "; did you mean '" + near + "'?"));
}

bool has_zone(const std::string& name) { return zone_data().find(name) != nullptr; }

std::vector<std::string> refresh_zones() { return zone_data().refresh(); }

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
    const auto text = date::format(pattern, date::make_zoned(utc ? &find_zone("UTC") : &zone, seconds));
    if (text.empty() && !pattern.empty()) throw std::invalid_argument("'" + pattern + "' is no time format; '%Y-%m-%d' is one");
    return text;
}

} // namespace millrace
