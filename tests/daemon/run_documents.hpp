/// Documents of the API, as a client sees them, for what the command line shows of them.
#pragma once

#include "flows/json.hpp"
#include "flows/time.hpp"

#include <cstdlib>
#include <string>
#include <vector>

#include <time.h>

namespace millrace::test {

inline Json task(const std::string& name, const std::string& state, const Json& more = Json::object()) {
    Json document = {{"task", name},       {"item", nullptr},  {"verb", "extract"}, {"state", state},         {"state_name", nullptr},
                     {"message", nullptr}, {"error", nullptr}, {"attempts", 1},     {"loads", Json::array()}, {"progress", nullptr}};
    document.update(more);
    return document;
}

inline Json run(const std::string& state, const std::vector<Json>& tasks) {
    return {{"id", 7},
            {"flow", "hours"},
            {"state", state},
            {"state_name", nullptr},
            {"message", nullptr},
            {"started_at", "2026-11-21T06:00:00Z"},
            {"finished_at", nullptr},
            {"loads", Json::array()},
            {"tasks", tasks},
            {"chunks", Json::array()}};
}

inline const Instant at = *parse_rfc3339("2026-11-21T06:00:04Z");

/// Local time of the process, while it lives.
struct Zone {
    explicit Zone(const char* name) {
        setenv("TZ", name, 1);
        tzset();
    }
    ~Zone() {
        unsetenv("TZ");
        tzset();
    }
};

} // namespace millrace::test
