/// Time zones as files of the system (TZif), each read when it is first asked for, and read anew when its file has changed: rules of
/// summer time change with weeks of notice, and a daemon lives longer. The library (date, over the system's files) reads each once.
#pragma once

#include <date/tz.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace millrace {

/// Any thread may call it. One for the process, and for ever: what it found is never freed, since somebody may hold it (and the
/// library shows nobody else how).
class ZoneData {
public:
    /// Null: there is none of that name. What was found stays as it is for ever, for those that hold it.
    [[nodiscard]] const date::time_zone* find(const std::string& name);
    /// The zones whose files changed since they were found, in order; from now on find() gives what they are now.
    [[nodiscard]] std::vector<std::string> refresh();
    /// That of TZDIR, as for other programs; else the system's.
    [[nodiscard]] static std::filesystem::path folder();

private:
    struct Version {
        std::int64_t changed_at = 0; ///< nanoseconds
        std::int64_t size = 0;
        std::uint64_t file = 0;
        friend bool operator==(const Version&, const Version&) = default;
    };
    struct Zone {
        const date::time_zone* rules;
        Version version;
    };
    [[nodiscard]] static Version version_of(const std::string& name);

    std::mutex mutex_;
    std::map<std::string, Zone> zones_;
    std::vector<const date::time_zone*> former_;
};

} // namespace millrace
