#include "daemon/flow_warnings.hpp"

#include "flows/error.hpp"
#include "flows/substitute.hpp"

#include <set>

namespace millrace {
namespace {

void warn(CompiledFolder::File& file, const TaskPlan& task, const Error& e) {
    const auto& origins = file.plan->origins.tasks;
    const auto origin = origins.find(task.name);
    Diagnostic warning;
    if (origin != origins.end()) warning.file = origin->second.file, warning.line = origin->second.line;
    warning.severity = Severity::Warning;
    warning.message = e.what();
    warning.hint = e.remedy;
    file.diagnostics.push_back(std::move(warning));
}

/// A `${env.NAME}` that an attempt would look for in vain.
void warn_of_variables(const Configuration& configuration, CompiledFolder::File& file) {
    const ConfiguredConnections connections(configuration, "");
    for (const auto& task : file.plan->tasks) {
        try {
            (void)with_environment(task.options, [&](const std::string& name) { return connections.variable(name); });
        } catch (const Error& e) {
            warn(file, task, e);
        }
    }
}

/// Warns where a flow names a connection that waits for its variables: those that stand in millrace.yaml are told of once, by themselves.
void warn_of_connections(const Configuration& configuration, CompiledFolder::File& file) {
    std::set<std::string> told;
    for (const auto& task : file.plan->tasks) {
        const auto name = task.options.value("connection", "");
        const auto known = configuration.project.connections.find(name);
        if (known == configuration.project.connections.end() || !known->second.implied || !told.insert(name).second) continue;
        if (task.verb != Verb::Extract) continue; // the warehouse is the daemon's own
        try {
            (void)ConfiguredConnections(configuration, "").resolve(name);
        } catch (const Error& e) {
            warn(file, task, e);
        }
    }
}

} // namespace

void warn_of_unset(const Configuration& configuration, CompiledFolder::File& file) {
    warn_of_connections(configuration, file);
    warn_of_variables(configuration, file);
}

} // namespace millrace
