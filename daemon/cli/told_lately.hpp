/// What happened lately to no run, as `doctor` and `flows show` end with it: firings that were left out, a clock that was set.
#pragma once

#include "daemon/cli/terminal.hpp"
#include "flows/json.hpp"

#include <ostream>
#include <string>

namespace millrace {

/// `events` are of the doctor's document, or of that of the flow `of_flow`, newest first. Nothing where there are none.
void write_told_lately(std::ostream& out, const Terminal& terminal, const Json& events, const std::string& of_flow = {});

} // namespace millrace
