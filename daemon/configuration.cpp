#include "daemon/configuration.hpp"

#include "flows/error.hpp"
#include "flows/hash.hpp"
#include "flows/project_files.hpp"
#include "flows/yaml.hpp"
#include "web/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <unistd.h>

namespace millrace {
namespace fs = std::filesystem;
namespace {

constexpr const char* default_listen = "127.0.0.1:8686";

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

[[noreturn]] void refuse(const std::string& where, const std::vector<Diagnostic>& diagnostics) {
    std::string text;
    for (const auto& diagnostic : diagnostics) text += to_text(diagnostic);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    throw Error(ErrorClass::Permanent, where + " has mistakes:\n" + text);
}

Sources checked_sources(const fs::path& folder) {
    std::vector<Diagnostic> diagnostics;
    auto sources = read_sources(folder, diagnostics);
    if (has_errors(diagnostics)) refuse(folder.string(), diagnostics);
    return sources;
}

/// The installation's, and the project's own before them.
Sources all_sources(const Configuration& configuration) {
    auto sources = checked_sources(configuration.installation.sources);
    if (configuration.file.empty()) return sources;
    const auto own = configuration.folder / "sources";
    for (auto& [name, spec] : sources) spec.own_file = (own / fs::path(spec.file).filename()).string();
    std::error_code ignored;
    if (fs::is_directory(own, ignored))
        for (auto& [name, spec] : checked_sources(own)) sources[name] = std::move(spec);
    return sources;
}

/// Fills in the project and the hash of its text.
void read_project(Configuration& configuration) {
    configuration.project = default_project();
    if (configuration.file.empty()) return;
    const auto source = read_source_text(configuration.file);
    Diagnostics diagnostics(source);
    auto project = parse_project(source, configuration.sources, diagnostics);
    if (!project || diagnostics.has_errors()) refuse(configuration.file.string(), diagnostics.sorted());
    configuration.project = std::move(*project);
    configuration.hash = sha256_hex(source.text());
}

/// What the file says at these keys; mistakes elsewhere do not matter. Throws Error{Permanent} for those there.
Project part_of_project(const fs::path& file, const std::vector<std::string>& keys) {
    if (file.empty()) return default_project();
    const auto source = read_source_text(file);
    Diagnostics diagnostics(source);
    auto project = parse_part_of_project(source, keys, diagnostics);
    if (!project || diagnostics.has_errors()) refuse(file.string(), diagnostics.sorted());
    return *std::move(project);
}

/// The value of a top-level key that may hold references.
std::string filled(const std::string& text, const char* key, const Secrets& secrets) {
    std::string missing;
    auto value = secrets.fill(text, missing);
    if (!value)
        throw Error(ErrorClass::Permanent, fmt::format("`{}` in millrace.yaml needs {}, which is not set", key, missing),
                    secrets.remedy(missing));
    return *value;
}

/// The environment's, or `.env`'s, before what is written at the key.
std::string chosen(const char* environment_name, const std::string& written, const char* key, const Secrets& secrets) {
    const auto found = secrets.find(environment_name);
    return found ? *found : filled(written, key, secrets);
}

void set_state(Configuration& configuration, const std::string& written, const Secrets& secrets) {
    const auto folder = chosen("MILLRACE_STATE", written, "state", secrets);
    configuration.state = (folder.empty() ? default_state_folder() : configuration.folder / folder).lexically_normal();
}

/// Of a file with mistakes: the default may be the state of another project.
void set_told_state(Configuration& configuration, const Project& project, const Secrets& secrets) {
    if (project.state.empty() && !secrets.find("MILLRACE_STATE"))
        throw Error(ErrorClass::Permanent, fmt::format("{} does not say where the state is", configuration.file.string()));
    set_state(configuration, project.state, secrets);
}

/// The environment, or `.env`, fills in something of the connection.
bool sets_any(const ConnectionSpec& spec, const Secrets& secrets) {
    std::string missing;
    return std::any_of(spec.fields.begin(), spec.fields.end(), [&](const Json& text) { return secrets.fill(text, missing).has_value(); });
}

/// Of what the references in the connection's fields stand for; empty where it has none, or none is set. Not the values: a
/// configuration outlives the call that needs them.
std::string fingerprint_of(const ConnectionSpec& spec, const Secrets& secrets) {
    Json values = Json::array();
    bool is_set = false;
    for (const auto& [field, text] : spec.fields.items()) {
        const auto written = text.get<std::string>();
        std::string missing;
        const auto value = secrets.fill(written, missing);
        if (value == written) continue;
        is_set = is_set || value;
        values.push_back({field, value ? Json(*value) : Json()});
    }
    return is_set ? sha256_hex(values.dump(-1, ' ', false, Json::error_handler_t::replace)) : "";
}

fs::path find_file(const fs::path& asked) {
    std::error_code ignored;
    if (!asked.empty()) return fs::absolute(asked);
    if (auto near = find_project_file(fs::current_path()); !near.empty()) return near;
    const fs::path system = "/etc/millrace/millrace.yaml";
    return fs::is_regular_file(system, ignored) ? system : fs::path();
}

/// With nothing but its file and folder.
Configuration found_at(const fs::path& asked) {
    Configuration configuration;
    configuration.file = find_file(asked);
    configuration.folder = configuration.file.empty() ? fs::current_path() : configuration.file.parent_path();
    return configuration;
}

} // namespace

/// A file of two folders would be deployed twice.
void refuse_nested(const std::vector<fs::path>& folders, const fs::path& file) {
    for (const auto& inner : folders)
        for (const auto& outer : folders)
            if (&inner != &outer && is_within(inner, outer))
                throw Error(ErrorClass::Permanent,
                            fmt::format("{}: of `flows`, {} is in {}", file.string(), inner.string(), outer.string()),
                            "name only the outer one: folders are read with those below them");
}

fs::path default_state_folder() {
    if (auto folder = variable("STATE_DIRECTORY"); !folder.empty()) return folder.substr(0, folder.find(':'));
    if (geteuid() == 0 || variable("USER") == "millrace") return "/var/lib/millrace";
    if (auto folder = variable("XDG_STATE_HOME"); !folder.empty()) return fs::path(folder) / "millrace";
    if (auto home = variable("HOME"); !home.empty()) return fs::path(home) / ".local/state/millrace";
    throw Error(ErrorClass::Permanent, "there is no folder for the state: neither HOME nor MILLRACE_STATE is set",
                "set MILLRACE_STATE or `state:` in millrace.yaml");
}

Configuration load_configuration(const fs::path& asked) {
    auto configuration = found_at(asked);
    configuration.installation = find_installation();
    configuration.sources = all_sources(configuration);
    read_project(configuration);

    const Secrets secrets(configuration.folder);
    for (auto& [name, spec] : configuration.project.connections) {
        spec.unset = spec.implied && !spec.fields.empty() && !sets_any(spec, secrets);
        if (auto fingerprint = fingerprint_of(spec, secrets); !fingerprint.empty()) configuration.secrets[name] = std::move(fingerprint);
    }
    const auto& project = configuration.project;
    configuration.database = chosen("MILLRACE_DATABASE", project.database, "database", secrets);
    configuration.listen = chosen("MILLRACE_LISTEN", project.listen, "listen", secrets);
    if (configuration.listen.empty()) configuration.listen = default_listen;
    (void)endpoint_of(configuration.listen);
    set_state(configuration, project.state, secrets);
    const auto staging = filled(project.staging, "staging", secrets);
    configuration.staging = (staging.empty() ? configuration.state / "staging" : configuration.folder / staging).lexically_normal();
    std::error_code ignored;
    for (const auto& folder : project.flows) {
        const auto path = (configuration.folder / folder).lexically_normal();
        // without a millrace.yaml nobody asked for the folder
        if (!configuration.file.empty() || fs::is_directory(path, ignored)) configuration.flows.push_back(path);
    }
    refuse_nested(configuration.flows, configuration.file);
    return configuration;
}

Configuration load_place(const fs::path& asked) {
    auto configuration = found_at(asked);
    std::error_code ignored;
    if (!configuration.file.empty() && !fs::exists(configuration.file, ignored)) // its name was mistyped
        throw Error(ErrorClass::Permanent, fmt::format("there is no file {}", configuration.file.string()));
    const auto listen = variable("MILLRACE_LISTEN"), state = variable("MILLRACE_STATE");
    configuration.listen = listen.empty() ? default_listen : listen;
    if (!state.empty()) { // then neither the file is needed nor `.env`
        configuration.state = (configuration.folder / state).lexically_normal();
        return configuration;
    }
    set_told_state(configuration, part_of_project(configuration.file, {"state"}), Secrets(configuration.folder));
    return configuration;
}

Configuration load_databases(const fs::path& asked) {
    auto configuration = found_at(asked);
    configuration.project = part_of_project(configuration.file, {"database", "state", "connections"});
    const Secrets secrets(configuration.folder);
    configuration.database = chosen("MILLRACE_DATABASE", configuration.project.database, "database", secrets);
    set_told_state(configuration, configuration.project, secrets);
    return configuration;
}

std::string left_state(const Configuration& configuration) {
    const auto left = configuration.folder / ".millrace";
    std::error_code ignored;
    if (configuration.file.empty() || !fs::is_directory(left / "run", ignored) || fs::equivalent(left, configuration.state, ignored))
        return "";
    return fmt::format("the state is in {}, another one in {}: to go on with that, write `state: .millrace` in {}",
                       configuration.state.string(), left.string(), configuration.file.string());
}

} // namespace millrace
