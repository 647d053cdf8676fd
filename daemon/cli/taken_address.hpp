/// Whether a daemon can be started here: no other one has the state folder, and the address that it is to listen on may be had.
#pragma once

#include "daemon/configuration.hpp"

#include <functional>
#include <optional>

namespace millrace {

/// Before PostgreSQL and the sandbox are started for nothing. Throws Error{Permanent} where a daemon of this state folder is up, with
/// its process, URL, state folder and millrace.yaml; where its addresses cannot be listened on; and where one is taken: by whom, and
/// what to type.
void check_can_start(const Configuration& configuration);

/// The next port above `taken` that is free, else the next one below; nothing where all are taken.
[[nodiscard]] std::optional<unsigned short> free_port_beside(unsigned short taken, const std::function<bool(unsigned short)>& is_taken);

} // namespace millrace
