#include "daemon/flow_warnings.hpp"

#include "flows/connection_lacks.hpp"
#include "flows/error.hpp"
#include "flows/substitute.hpp"

namespace millrace {
namespace {

void warn(CompiledFolder::File& file, const std::string& task, const std::string& message, const std::string& remedy) {
    const auto& origins = file.plan->origins.tasks;
    const auto origin = origins.find(task);
    Diagnostic warning;
    if (origin != origins.end()) warning.file = origin->second.file, warning.line = origin->second.line;
    warning.severity = Severity::Warning;
    warning.message = message;
    warning.hint = remedy;
    file.diagnostics.push_back(std::move(warning));
}

/// A `${env.NAME}` that an attempt would look for in vain.
void warn_of_variables(const Configuration& configuration, CompiledFolder::File& file) {
    const ConfiguredConnections connections(configuration, "");
    for (const auto& task : file.plan->tasks) {
        try {
            (void)with_environment(task.options, [&](const std::string& name) { return connections.variable(name); });
        } catch (const Error& e) {
            warn(file, task.name, e.what(), e.remedy);
        }
    }
}

/// Warns where a flow names a connection that waits for its variables: those that stand in millrace.yaml are told of once, by themselves.
void warn_of_connections(const Configuration& configuration, CompiledFolder::File& file) {
    ConfiguredConnections connections(configuration, "");
    const auto resolve = [&](const std::string& name) {
        const auto known = configuration.project.connections.find(name);
        const bool is_implied = known != configuration.project.connections.end() && known->second.implied;
        if (is_implied && name != "warehouse") (void)connections.resolve(name); // the warehouse is the daemon's own
    };
    for (const auto& lack : lacks_of_flows({&*file.plan}, resolve)) warn(file, lack.task, lack.message, lack.remedy);
}

} // namespace

void warn_of_unset(const Configuration& configuration, CompiledFolder::File& file) {
    warn_of_connections(configuration, file);
    warn_of_variables(configuration, file);
}

} // namespace millrace
