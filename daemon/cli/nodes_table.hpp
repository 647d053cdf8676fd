/// The daemons of a store, as `millrace nodes` shows them: those that live first, then those that are gone since less than a week.
#pragma once

#include "daemon/cli/text_table.hpp"
#include "flows/json.hpp"

namespace millrace {

/// `nodes` are the API's documents, in its order.
[[nodiscard]] TextTable nodes_table(const Json& nodes);

} // namespace millrace
