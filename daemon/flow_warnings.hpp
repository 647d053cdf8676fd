/// What a flow will miss when it runs, as warnings of its deploy: it may be set by then.
#pragma once

#include "daemon/configuration.hpp"
#include "scheduler/ports.hpp"

namespace millrace {

/// Connections of the environment, and `${env.NAME}` of tasks, that nobody has set. `file` has a plan.
void warn_of_unset(const Configuration& configuration, CompiledFolder::File& file);

} // namespace millrace
