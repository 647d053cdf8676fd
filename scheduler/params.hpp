/// The parameters of a run: what was given, checked against what the flow declares, with defaults filled in. Pure.
#pragma once

#include "flows/plan.hpp"

namespace millrace {

/// Text is converted where another type is declared ("42" for an int), since a command line has nothing else. Throws
/// Refusal{Invalid} that names every parameter that is wrong.
[[nodiscard]] Json checked_params(const FlowPlan& flow, const Json& given);

} // namespace millrace
