/// The rows that a contract kept out, as `millrace data head --rejected` shows them.
#pragma once

#include "daemon/cli/terminal.hpp"
#include "flows/json.hpp"

#include <ostream>

namespace millrace {

/// A row is a line about its rule, and its fields below: they are as many as the rows that a source sends have.
void write_rejected(std::ostream& out, const Terminal& terminal, const Json& dataset);

} // namespace millrace
