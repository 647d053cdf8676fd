/// Whether the system behind a connection answers and takes our credentials: a small real request, made by the same code
/// that will make the others.
#pragma once

#include "daemon/configuration.hpp"

#include <string>

namespace millrace {

struct ConnectionCheck {
    bool ok = false;
    std::string message; ///< what answered, or what went wrong
    std::string remedy;  ///< may be empty
};

/// `connection` is resolved. Reads only.
[[nodiscard]] ConnectionCheck check_connection(const Configuration& configuration, const std::string& name, const Json& connection);

} // namespace millrace
