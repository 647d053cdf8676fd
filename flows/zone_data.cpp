#include "flows/zone_data.hpp"

#include <cstdlib>
#include <fstream>

#include <sys/stat.h>

namespace millrace {
namespace {

constexpr const char* systems = "/usr/share/zoneinfo"; ///< where the library reads: other folders are told to it from there

bool is_name(const std::string& name) {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
    if (name.empty() || name.find_first_not_of(letters) != std::string::npos || name.front() == '/') return false;
    return !name.starts_with("right/") && !name.starts_with("posix/"); // with leap seconds, and all of them again
}

bool is_zone_file(const std::filesystem::path& path) {
    char magic[4] = {};
    return std::filesystem::is_regular_file(path) && std::ifstream(path, std::ios::binary).read(magic, sizeof magic) &&
           std::string_view(magic, sizeof magic) == "TZif";
}

} // namespace

std::filesystem::path ZoneData::folder() {
    const char* named = std::getenv("TZDIR");
    return named != nullptr && *named == '/' ? named : systems;
}

/// All zero: there is no such file (now).
ZoneData::Version ZoneData::version_of(const std::string& name) {
    struct stat found {};
    if (stat((folder() / name).c_str(), &found) != 0) return {};
    return {found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec, found.st_size, found.st_ino};
}

const date::time_zone* ZoneData::find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (const auto known = zones_.find(name); known != zones_.end()) return known->second.rules;
    if (!is_name(name) || !is_zone_file(folder() / name)) return nullptr;
    const auto version = version_of(name); // before it is read: what changes meanwhile is noticed
    const auto told = (folder() / name).lexically_relative(systems).string();
    const auto* rules = new date::time_zone(told, date::detail::undocumented{});
    try {
        (void)rules->get_info(date::sys_seconds{}); // reads it
    } catch (const std::exception&) {
        former_.push_back(rules);
        return nullptr;
    }
    zones_[name] = {rules, version};
    return rules;
}

std::vector<std::string> ZoneData::refresh() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> changed;
    for (auto zone = zones_.begin(); zone != zones_.end();) {
        const auto now = version_of(zone->first);
        if (now == Version{} || now == zone->second.version) { // one that is away is about to be replaced
            ++zone;
            continue;
        }
        changed.push_back(zone->first);
        former_.push_back(zone->second.rules);
        zone = zones_.erase(zone);
    }
    return changed;
}

} // namespace millrace
