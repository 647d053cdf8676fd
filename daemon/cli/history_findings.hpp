/// What `millrace doctor` says of history, retention and disks: what is there, and what will hurt soon.
#pragma once

#include "flows/json.hpp"
#include "flows/time.hpp"

#include <string>
#include <vector>

namespace millrace {

struct Finding {
    std::string name;
    bool ok = true; ///< with a remedy: it works, and yet there is something to know
    std::string message, remedy;
};

/// `history` is that of the daemon's doctor document. Pure.
[[nodiscard]] std::vector<Finding> history_findings(const Json& history, Instant now);

} // namespace millrace
