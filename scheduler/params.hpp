/// The parameters of a run: what was given, checked against what the flow declares, and the defaults of the others. Pure.
#pragma once

#include "flows/plan.hpp"
#include "flows/substitute.hpp"

namespace millrace {

/// What was given, as the types that are declared. Text is converted ("42" for an int), since a command line has nothing
/// else. Throws Refusal{Invalid} that names every parameter that is wrong or missing.
[[nodiscard]] Json checked_params(const FlowPlan& flow, const Json& given);

/// `checked`, and for each parameter that it lacks the default, whose `${}` are evaluated here and never again: `scope` has
/// the run and its interval; a default may use the parameters above it. Throws Refusal{Invalid}.
[[nodiscard]] Json with_defaults(const FlowPlan& flow, Json checked, Scope scope);

/// Parameters of type connection name one of `connections`; where that is empty nobody knows. Throws Refusal{Invalid} that
/// names the nearest one.
void check_connections(const FlowPlan& flow, const Json& params, const std::vector<std::string>& connections);

} // namespace millrace
