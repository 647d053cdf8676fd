/// The configuration of daemon and command line: millrace.yaml, completed by defaults and the environment. Secrets are not
/// in it: whoever needs a connection asks ConfiguredConnections, which fills them in at that moment.
///
/// millrace.yaml is that of the current folder or its nearest parent, else /etc/millrace/millrace.yaml; without one there are
/// only the connections that the environment names. The variables MILLRACE_DATABASE, MILLRACE_LISTEN, MILLRACE_STATE win
/// over the file.
#pragma once

#include "daemon/installation.hpp"
#include "daemon/secrets.hpp"
#include "flows/project.hpp"
#include "scheduler/ports.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace millrace {

struct Configuration {
    std::filesystem::path file;                         ///< of millrace.yaml; empty: there is none
    std::string hash;                                   ///< of its text; empty: there is none
    std::filesystem::path folder;                       ///< of the file, else the current one: relative paths start here
    std::string database;                               ///< libpq URL of the store; empty: the private PostgreSQL
    std::string listen;                                 ///< HOST:PORT of the API and the dashboard
    std::filesystem::path state;                        ///< absolute: locks, socket, private PostgreSQL
    std::filesystem::path staging;                      ///< absolute: datasets and logs of runs
    std::vector<std::filesystem::path> flows;           ///< absolute: folders of flow files, none below another
    std::vector<std::filesystem::path> withdrawn_flows; ///< folders whose flows are archived, unless `flows` has them
    Project project;                                    ///< connections, channels, limits, retention as written
    Sources sources; ///< the installation's, and those of the folder `sources` beside millrace.yaml, which replace them by name
    Installation installation;
    std::map<std::string, std::string> secrets; ///< connection -> fingerprint of what its references stood for when this was read

    /// The socket of the API for this machine's users.
    [[nodiscard]] std::filesystem::path socket() const { return state / "run/millrace.sock"; }
};

/// Empty `file`: the one that belongs to the current folder. Throws Error{Permanent}: what cannot be read or parsed, with
/// the diagnostics in the form for people.
[[nodiscard]] Configuration load_configuration(const std::filesystem::path& file = {});

/// Of a configuration with mistakes, for who wants only what says where the daemon is: file, folder, state, and the environment's
/// `listen`. What else the file says wrong does not matter; with MILLRACE_STATE in the environment neither the file nor `.env` is read.
/// Throws Error{Permanent} where nothing says where the state is: the default may be another project's.
[[nodiscard]] Configuration load_place(const std::filesystem::path& file = {});

/// The same for who wants only the databases: file, folder, state, database and the connection `warehouse`.
[[nodiscard]] Configuration load_databases(const std::filesystem::path& file = {});

/// Throws Error{Permanent} where libpq would not understand the URL; without its text, which may hold a password.
void check_database_url(const std::string& url);

/// Where the state is unless told: $STATE_DIRECTORY (systemd), /var/lib/millrace for root and the user `millrace`, else
/// ~/.local/state/millrace.
[[nodiscard]] std::filesystem::path default_state_folder();

/// Where no `state` is written and yet an earlier start left one in the project, as `state: .millrace` of `init` does: a sentence
/// that says so, and what to write; empty: there is nothing to say.
[[nodiscard]] std::string left_state(const Configuration& configuration);

/// Connections of a configuration, secrets filled in anew for each call.
class ConfiguredConnections final : public Connections {
public:
    /// `warehouse_url` fills in the connection `warehouse` where the project does not declare one; empty: there is none.
    ConfiguredConnections(const Configuration& configuration, std::string warehouse_url);

    [[nodiscard]] Json resolve(const std::string& name) override;
    [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override { return secrets_.find(name); }
    [[nodiscard]] std::vector<std::string> names() const override;
    struct Lack {
        std::string connection, variable;
        std::string message, remedy; ///< for people
        bool unread = false;         ///< set, and nothing reads it: the connection may lack another one
    };
    /// What the declared connections name and nobody has set.
    [[nodiscard]] std::vector<Lack> lacks() const;
    /// Every connection without its secrets, for the API: `[{name, type, fields: {name: value or "***"}, implied, missing: [variable]}]`.
    /// An implied connection of which nothing is set is left out.
    [[nodiscard]] Json describe() const;

private:
    void add_unread(const std::string& name, const ConnectionSpec& spec, std::vector<Lack>& all) const;
    struct Resolved {
        Json fields = Json::object();
        std::map<std::string, std::string> missing; ///< field -> variable
        bool is_set = false;                        ///< somebody wrote it, or one of its variables is set
    };
    [[nodiscard]] Lack lack(const std::string& name, const ConnectionSpec& spec, const std::string& field,
                            const std::string& variable) const;
    [[nodiscard]] Resolved fill(const std::string& name, const ConnectionSpec& spec) const;

    const Configuration& configuration_;
    Secrets secrets_;
    std::string warehouse_url_;
};

} // namespace millrace
