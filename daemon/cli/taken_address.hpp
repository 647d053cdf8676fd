/// Whether a daemon can be started here: no other one has the state folder, and nobody the address that it is to listen on.
#pragma once

#include "daemon/configuration.hpp"

#include <functional>
#include <optional>

namespace millrace {

/// Throws Error{Permanent} where a daemon of this state folder is up: its process, URL, state folder and millrace.yaml.
void check_is_down(const Configuration& configuration);

/// Before PostgreSQL and the sandbox are started for nothing. What is no address is left to the server's complaint.
/// Throws Error{Permanent}, which says who listens there and what to type.
void check_is_free(const Configuration& configuration);

/// The next port above `taken` that is free, else the next one below; nothing where all are taken.
[[nodiscard]] std::optional<unsigned short> free_port_beside(unsigned short taken, const std::function<bool(unsigned short)>& is_taken);

} // namespace millrace
