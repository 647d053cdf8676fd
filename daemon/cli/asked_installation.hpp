/// Which installation a command looks at: that of the project, or, outside of any, that of the daemon that answers here. Two may
/// stand side by side on a machine, such as deploy/quickstart's in /var/lib/millrace and a project of `init`.
#pragma once

#include "daemon/cli/cli.hpp"

namespace millrace {

/// "state folder /var/lib/millrace, no millrace.yaml"
[[nodiscard]] std::string installation_text(const std::string& state, const std::string& file);
[[nodiscard]] std::string installation_text(const Configuration& configuration);

/// Of the daemon that commands here ask, where it is another installation than `configuration`: its `settings` in the API's doctor.
/// Else null. `settings` may be empty: there is no daemon.
[[nodiscard]] Json other_installation(const Configuration& configuration, const Json& settings);

/// The project's, else the daemon's that answers on this machine, else that of a start without millrace.yaml: as far as its databases
/// go (Cli::databases).
[[nodiscard]] Configuration asked_configuration(Cli& cli);

/// How root calls `command` for this installation: "sudo millrace psql".
[[nodiscard]] std::string as_root(const Cli& cli, const Configuration& configuration, const std::string& command);

} // namespace millrace
