/// Whether the address that a daemon is to listen on is still free, and if not, who has it.
#pragma once

#include "daemon/configuration.hpp"

namespace millrace {

/// Before PostgreSQL and the sandbox are started for nothing. What is no address is left to the server's complaint.
/// Throws Error{Permanent}, which says who listens there and what to type.
void check_is_free(const Configuration& configuration);

} // namespace millrace
