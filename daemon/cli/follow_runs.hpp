/// Watching runs until their end, for `run --wait` and `runs rerun --wait`.
#pragma once

#include "daemon/cli/cli.hpp"
#include "daemon/cli/run_view.hpp"

#include <ostream>
#include <vector>

namespace millrace {

/// Shows progress on `out` until every run is final; nothing where `out` is null. Returns the final documents, in order; where `out` is
/// null with all of their task runs.
/// SIGINT (Ctrl-C) and SIGTERM cancel the runs and the end is waited for; a second one ends this program. A cancel that the daemon does
/// not take, because it or its store just went away, is told and asked for again. Throws Unreachable where the daemon is away for too
/// long, or at a signal while it is; before that its absence is told (absence.hpp): on `out`, else on stderr.
[[nodiscard]] std::vector<RunDocument> follow_runs(const ApiClient& api, const std::vector<std::string>& ids, std::ostream* out,
                                                   const Terminal& terminal);

/// Of the worst of them.
[[nodiscard]] ExitCode code_of_runs(const std::vector<RunDocument>& runs);

} // namespace millrace
