/// `millrace up`: the quick local start. The daemon in the foreground with a private PostgreSQL; with the demo also a
/// sandbox that plays the outside services, and the shipped flows.
#pragma once

#include "daemon/serve.hpp"

#include <string>
#include <vector>

namespace millrace {

struct UpOptions {
    bool demo = false;
    std::vector<std::string> sandbox_arguments; ///< more options for millrace-sandbox
};

/// Until Ctrl-C, as serve(), with a greeting of its own when it is ready. Throws Error.
[[nodiscard]] int up(const Settings::Load& load, const UpOptions& options, ServeHooks hooks);

} // namespace millrace
