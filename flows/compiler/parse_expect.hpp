/// `expect:` of a flow.
#pragma once

#include "flows/compiler/draft.hpp"

namespace millrace {

/// The schedules and tasks of `draft` are parsed: what can never be seen of this flow is a mistake.
[[nodiscard]] Expectations parse_expect(const YamlNode& node, const Draft& draft, Diagnostics& diagnostics);

} // namespace millrace
