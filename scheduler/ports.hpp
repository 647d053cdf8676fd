/// What the engine needs from the daemon that wires it.
#pragma once

#include "flows/json.hpp"
#include "flows/plan.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// Connections by name, with secrets filled in, resolved anew for each attempt so that a rotated key counts at once.
class Connections {
public:
    virtual ~Connections() = default;
    /// `{"type": ..., fields}`. Throws Error{Permanent} that names the connection and what it lacks.
    [[nodiscard]] virtual Json resolve(const std::string& name) = 0;
    /// A variable of the environment, which flows name as `${env.X}`; nothing where it is not set.
    [[nodiscard]] virtual std::optional<std::string> variable(const std::string&) const { return std::nullopt; }
    /// All that may be named; empty: nobody knows.
    [[nodiscard]] virtual std::vector<std::string> names() const { return {}; }
};

/// One folder of flow files, compiled.
struct CompiledFolder {
    std::string folder;
    struct File {
        std::string flow;                 ///< name; of the file where the flow has none
        std::optional<FlowPlan> plan;     ///< nothing: it has mistakes
        Json diagnostics = Json::array(); ///< [{file, line, column, severity, message, hint}]
    };
    std::vector<File> files;
};

/// What a deploy puts in force: flow folders, and the settings that they were compiled with.
struct CompiledProject {
    std::vector<CompiledFolder> folders;
    std::optional<std::map<std::string, int>> limits; ///< slots by key; nothing: as they were
    Json settings = Json::array(); ///< [{setting, change: new|changed|removed|needs_restart|in_force|unmet}]; of a deploy also kept
    std::function<void()> adopt;   ///< connections and folders count from now on; may be empty
};

/// Reads and compiles flow folders (with the help of a host for the SQL), with the settings as they are written now.
class FlowFolders {
public:
    virtual ~FlowFolders() = default;
    /// Empty `folders`: all that are configured. Throws Refusal{Invalid} for a folder that is not there, and for settings that
    /// have mistakes: then those in force stay.
    [[nodiscard]] virtual boost::asio::awaitable<CompiledProject> compile(std::vector<std::string> folders) = 0;
    /// Whether its flows came with Millrace, for the demo.
    [[nodiscard]] virtual bool is_demo(const std::string&) const { return false; }
    /// How long things are kept, of the settings in force: durations as text by kind (retention.hpp); null: nothing is said.
    [[nodiscard]] virtual Json retention() const { return {}; }
    /// The settings in force: `{file, hash, state, needs_restart: [setting], missing: [{connection, variable, message, remedy,
    /// unread}]}`; `file` null: there is none. `missing`: of the connections that millrace.yaml declares; `unread`: the variable is
    /// set, and nothing reads it.
    [[nodiscard]] virtual Json settings() const {
        return {{"file", nullptr}, {"hash", ""}, {"state", ""}, {"needs_restart", Json::array()}, {"missing", Json::array()}};
    }
};

} // namespace millrace
