/// Whether the address that a daemon is to listen on is still free, and if not, who has it.
#pragma once

#include "daemon/configuration.hpp"

#include <functional>
#include <optional>

namespace millrace {

/// Before PostgreSQL and the sandbox are started for nothing. What is no address is left to the server's complaint.
/// Throws Error{Permanent}, which says who listens there and what to type.
void check_is_free(const Configuration& configuration);

/// The next port above `taken` that is free, else the next one below; nothing where all are taken.
[[nodiscard]] std::optional<unsigned short> free_port_beside(unsigned short taken, const std::function<bool(unsigned short)>& is_taken);

} // namespace millrace
