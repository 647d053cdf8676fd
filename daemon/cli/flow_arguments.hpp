/// Flows and their parameters as commands name them: FLOW..., --param NAME=VALUE.
#pragma once

#include "daemon/cli/cli.hpp"

#include <string>
#include <vector>

namespace millrace {

/// The documents of these flows, so that a name that is none is told before anything was started. Throws UsageError, also where
/// one of `params` is not NAME=VALUE.
[[nodiscard]] std::vector<Json> flows_named(const ApiClient& api, const std::vector<std::string>& names,
                                            const std::vector<std::string>& params);

/// As the API takes them. Throws UsageError for a parameter that the flow does not have.
[[nodiscard]] Json params_of(const Json& flow, const std::vector<std::string>& assignments);

/// The same for a run that is repeated on the plan that it had, of which a client knows no more than the run's own values: texts, but
/// for lists. Where the run had no value the type is that of the newest plan, `flow`. Which names there are is left to the daemon.
[[nodiscard]] Json params_of_pinned(const Json& run, const Json& flow, const std::vector<std::string>& assignments);

} // namespace millrace
