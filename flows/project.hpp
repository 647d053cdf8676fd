/// The project: what `millrace.yaml` says, and the connections that need no entry in it. Values may hold ${secret.X} and
/// ${env.X}; whoever runs things fills them in (daemon/), never the compiler.
#pragma once

#include "flows/parse_source.hpp"

#include <map>
#include <string>
#include <vector>

namespace millrace {

/// A configured source or target. `type` is one of `target_types()` or the name of a declared source.
struct ConnectionSpec {
    std::string type;
    Json fields = Json::object();     ///< texts by name; without `type`
    std::map<std::string, int> lines; ///< of the file, 1-based, by field
    bool implied = false;             ///< nobody wrote it: a field whose variable is not set is left out
    bool unset = false;               ///< implied, and where the project was read no variable of it is set
    bool operator==(const ConnectionSpec&) const = default;
};

struct Project {
    std::string file; ///< of millrace.yaml; empty: there is none
    std::string database, listen, state, staging;
    std::map<std::string, std::string> retention;
    std::vector<std::string> flows{"flows"}; ///< folders, relative to the file's folder
    std::map<std::string, ConnectionSpec> connections;
    Json channels = Json::object();
    std::map<std::string, int> limits;
};

/// The project without a file: implied connections only.
[[nodiscard]] Project default_project();

/// Declared connections come before implied ones of the same name. Nothing when there are errors.
[[nodiscard]] std::optional<Project> parse_project(const SourceText& source, const Sources& sources, Diagnostics& diagnostics);

/// Only what stands at these top-level keys, and of `connections` only `warehouse`: all else is passed over, but for a key that one of
/// these may be meant by. Nothing when there are errors.
[[nodiscard]] std::optional<Project> parse_part_of_project(const SourceText& source, const std::vector<std::string>& keys,
                                                           Diagnostics& diagnostics);

/// A kind of connection that is not a declared source, with its fields.
struct ConnectionType {
    std::string_view name;
    std::vector<std::string_view> fields;
    bool loads_later;             ///< loading into it is not available yet
    std::size_t longest_name = 0; ///< of a table or column, in bytes; 0: not known
    bool takes_queries = false;   ///< of a `wait`
};
[[nodiscard]] const std::vector<ConnectionType>& connection_types();
[[nodiscard]] const ConnectionType* find_connection_type(std::string_view name);

} // namespace millrace
