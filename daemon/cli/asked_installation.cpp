#include "daemon/cli/asked_installation.hpp"

#include "daemon/cli/format.hpp"

#include <fmt/format.h>

namespace millrace {

std::string installation_text(const std::string& state, const std::string& file) {
    return fmt::format("state folder {}, {}", state, file.empty() ? "no millrace.yaml" : "configuration " + file);
}

std::string installation_text(const Configuration& configuration) {
    return installation_text(configuration.state.string(), configuration.file.string());
}

Json other_installation(const Configuration& configuration, const Json& settings) {
    const auto state = text_of(settings, "state");
    return state.empty() || std::filesystem::path(state).lexically_normal() == configuration.state ? Json() : settings;
}

Configuration asked_configuration(Cli& cli) {
    auto configuration = cli.databases();
    if (!configuration.file.empty() || names_daemon()) return configuration; // that daemon may be on another machine
    Json other;
    try {
        other = other_installation(configuration, cli.api().get("/api/v1/doctor").value("settings", Json::object()));
    } catch (const std::exception&) {
        return configuration; // no daemon answers, or not us
    }
    if (other.is_null()) return configuration;
    if (const auto file = text_of(other, "file"); !file.empty()) return cli.databases(file);
    configuration.state = text_of(other, "state");
    return configuration;
}

std::string as_root(const Cli& cli, const Configuration& configuration, const std::string& command) {
    const bool needs_state = configuration.file.empty() && configuration.state != "/var/lib/millrace";
    return fmt::format("sudo {}millrace {}{}", needs_state ? "MILLRACE_STATE=" + configuration.state.string() + " " : "",
                       cli.config_file.empty() ? "" : "--config " + configuration.file.string() + " ", command);
}

} // namespace millrace
