/// What `millrace doctor` says of a daemon that answers: what is broken in it, and what will hurt soon.
#pragma once

#include "daemon/cli/history_findings.hpp"

namespace millrace {

/// `facts` is the daemon's doctor document. Pure.
[[nodiscard]] std::vector<Finding> daemon_findings(const Json& facts);

} // namespace millrace
