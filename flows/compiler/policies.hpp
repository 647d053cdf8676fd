/// Options that flows and tasks share: retries, slots, and values of parameters.
#pragma once

#include "flows/grammar/form.hpp"
#include "flows/plan.hpp"

#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// Where a flow says nothing: a short outage of the other side is waited for by what may be done again without harm.
[[nodiscard]] RetryPolicy usual_retry(Verb verb);
[[nodiscard]] RetryPolicy retry_over_outages();

/// `fallback` when the key is absent or wrong.
[[nodiscard]] RetryPolicy parse_retry(const Form& form, std::string_view key, const RetryPolicy& fallback, Diagnostics& diagnostics);

/// `timeout` in seconds, `fallback` when the key is absent or wrong.
[[nodiscard]] double parse_timeout(const Form& form, double fallback, Diagnostics& diagnostics);

/// Appends each demand with its place to `marks`, for the check against the declared limits.
[[nodiscard]] std::vector<SlotDemand> parse_limits(const Form& form, std::vector<std::pair<SlotDemand, Mark>>& marks);

/// The value as a parameter of this type, in JSON; `why` says why it is none. Decimals, dates and instants stay text.
[[nodiscard]] Json typed_param(const ParamSpec& param, const YamlNode& value, std::string& why);

} // namespace millrace
