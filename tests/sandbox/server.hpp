#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "sandbox.hpp"

namespace millrace::sandbox {

/// Listens on the loopback interface (or `address`) at `port` (0: any free one), calls `ready(port)` and serves until
/// SIGTERM or SIGINT. Throws std::system_error when it cannot listen.
void serve(Sandbox& sandbox, const std::string& address, std::uint16_t port, const std::function<void(std::uint16_t)>& ready);

} // namespace millrace::sandbox
