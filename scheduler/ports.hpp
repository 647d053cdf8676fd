/// What the engine needs from the daemon that wires it.
#pragma once

#include "flows/json.hpp"
#include "flows/plan.hpp"

#include <boost/asio/awaitable.hpp>

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

/// Reads and compiles flow folders (with the help of a host for the SQL).
class FlowFolders {
public:
    virtual ~FlowFolders() = default;
    /// Empty `folders`: all that are configured. Throws Refusal{Invalid} for a folder that is not there.
    [[nodiscard]] virtual boost::asio::awaitable<std::vector<CompiledFolder>> compile(std::vector<std::string> folders) = 0;
};

} // namespace millrace
