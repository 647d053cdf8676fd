/// `interval:` of a flow.
#pragma once

#include "flows/compiler/draft.hpp"

namespace millrace {

/// The tasks of `draft` are parsed: what cuts a step of `every` matters to loads that replace rows.
[[nodiscard]] IntervalSpec parse_interval(const YamlNode& node, const Draft& draft, Diagnostics& diagnostics);

} // namespace millrace
