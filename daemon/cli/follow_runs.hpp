/// Watching runs until their end, for `run --wait` and `runs rerun --wait`.
#pragma once

#include "daemon/cli/cli.hpp"
#include "daemon/cli/run_view.hpp"

#include <ostream>
#include <vector>

namespace millrace {

/// A run with its tasks and, where it has chunks, their tasks. Of `before`, the same run a while ago, chunks that were over stand.
[[nodiscard]] RunDocument fetch_run(const ApiClient& api, const std::string& id, const RunDocument& before = RunDocument());

/// Shows progress on `out` until every run is final; nothing where `out` is null. Returns the final documents, in order.
/// SIGINT (Ctrl-C) and SIGTERM cancel the runs and the end is waited for; a second one ends this program. Throws Unreachable where
/// the daemon is away for too long, or at a signal while it is; before that its absence is told (absence.hpp): on `out`, else on
/// stderr.
[[nodiscard]] std::vector<RunDocument> follow_runs(const ApiClient& api, const std::vector<std::string>& ids, std::ostream* out,
                                                   const Terminal& terminal);

/// Of the worst of them.
[[nodiscard]] ExitCode code_of_runs(const std::vector<RunDocument>& runs);

} // namespace millrace
