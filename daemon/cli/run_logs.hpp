/// The log of a run on the command line: `millrace runs logs`, one of the commands about runs.
#pragma once

#include "daemon/cli/commands.hpp"

namespace millrace {

/// Adds `logs` to `millrace runs`.
void add_runs_logs(CLI::App& runs, Cli& cli);

} // namespace millrace
