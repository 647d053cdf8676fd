/// `millrace connections list | check`
#include "daemon/cli/commands.hpp"

#include "daemon/check_connection.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/cli/project_flows.hpp"
#include "daemon/demo_sandbox.hpp"
#include "daemon/managed_postgres.hpp"
#include "flows/connection_lacks.hpp"
#include "flows/error.hpp"
#include "flows/nearest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <set>

namespace millrace {
namespace {

ConfiguredConnections connections_of(const Configuration& configuration) {
    use_sandbox(configuration);
    return {configuration, configuration.database.empty() ? ManagedPostgres::url_of(configuration.state, "warehouse") : ""};
}

int list_connections(Cli& cli) {
    const auto items = connections_of(cli.configuration()).describe();
    if (cli.json) {
        Cli::print(items);
        return exit_done;
    }
    TextTable table({{"connection"}, {"type"}, {"from", TextTable::Align::Left, 1}, {"fields"}});
    for (const auto& item : items) {
        std::string fields;
        for (const auto& [name, value] : item.at("fields").items())
            fields += fmt::format("{}{}={}", fields.empty() ? "" : " ", name, value.is_string() ? value.get<std::string>() : value.dump());
        for (const auto& variable : item.at("missing"))
            if (!item.value("implied", false))
                fields += fmt::format("{}{} is not set", fields.empty() ? "" : ", ", variable.get<std::string>());
        const bool implied = item.value("implied", false);
        const bool is_own = implied && text_of(item, "name") == "warehouse";
        table.add({text_of(item, "name"), text_of(item, "type"),
                   is_own    ? "the daemon's PostgreSQL"
                   : implied ? "environment or .env"
                             : "millrace.yaml",
                   fields});
    }
    table.write(std::cout, cli.out);
    return exit_done;
}

void write_check(const Cli& cli, const std::string& name, const ConnectionCheck& result) {
    std::cout << cli.out.painted(result.ok ? "ok" : "failed", result.ok ? Paint::Green : Paint::Red) << "  " << name << "  "
              << printable(result.message) << std::endl; // the next one may take a while
    if (!result.remedy.empty()) std::cout << "  " << printable(result.remedy) << '\n';
}

Json check_document(const std::string& name, const ConnectionCheck& result) {
    return {{"name", name}, {"ok", result.ok}, {"message", result.message}, {"remedy", result.remedy}};
}

int check(Cli& cli, const std::string& name) {
    const auto& configuration = cli.configuration();
    if (const auto& all = configuration.project.connections; !all.contains(name)) {
        std::vector<std::string> names;
        for (const auto& [known, spec] : all) names.push_back(known);
        const auto near = nearest(name, names);
        throw UsageError(fmt::format("there is no connection '{}'", name),
                         near.empty() ? "declare it under `connections:` in millrace.yaml" : fmt::format("did you mean '{}'?", near));
    }
    const auto result = check_connection(configuration, name, connections_of(configuration).resolve(name));
    cli.json ? Cli::print(check_document(name, result)) : write_check(cli, name, result);
    return result.ok ? exit_done : exit_failed;
}

void note(const Cli& cli, const std::string& what) { std::cerr << cli.err.painted("note: " + printable(what), Paint::Yellow) << std::endl; }

using Lacks = std::map<std::string, ConnectionCheck>; ///< by connection

/// Of flows that are deployed: as the daemon knows, whose environment may be another. Their names.
std::set<std::string> add_lacks_of_deployed(Cli& cli, Lacks& lacks) {
    std::set<std::string> deployed;
    for (const auto& flow : cli.api().list("/api/v1/flows"))
        if (!flow.value("archived", false)) deployed.insert(text_of(flow, "name"));
    for (const auto& lack : list_of(cli.api().get("/api/v1/doctor").at("settings"), "missing"))
        if (lack.contains("flows")) lacks[text_of(lack, "connection")] = {false, lack_text(lack), text_of(lack, "remedy")};
    return deployed;
}

/// Of flows that stand in files only: a mistake in one of them keeps all of its folder from being deployed.
void add_lacks_of_files(Cli& cli, ConfiguredConnections& connections, const std::set<std::string>& deployed, Lacks& lacks) {
    if (project_flow_files(cli.configuration()).empty()) return;
    const auto result = compile_named_files(cli.configuration(), {});
    std::vector<const FlowPlan*> plans;
    for (const auto& flow : result.flows)
        if (!deployed.contains(flow.plan.name)) plans.push_back(&flow.plan);
    const auto resolve = [&](const std::string& name) {
        if (!lacks.contains(name)) (void)connections.resolve(name);
    };
    for (const auto& lack : lacks_of_flows(plans, resolve))
        lacks[lack.connection] = {false, lack_text({{"message", lack.message}, {"flows", lack.flows}}), lack.remedy};
    const auto is_error = [](const Diagnostic& diagnostic) { return diagnostic.severity == Severity::Error; };
    const auto& all = result.diagnostics;
    if (const auto first = std::find_if(all.begin(), all.end(), is_error); first != all.end())
        note(cli, fmt::format("flow files have mistakes, and what those use was not looked at ({}); see: millrace flows validate",
                              to_line(*first)));
}

/// What connections lack of which nothing is set here, and that flows use. What cannot be looked at is told, and hinders nothing else.
Lacks all_lacks(Cli& cli, ConfiguredConnections& connections) {
    Lacks lacks;
    std::set<std::string> deployed;
    try {
        deployed = add_lacks_of_deployed(cli, lacks);
    } catch (const std::exception& error) {
        note(cli, std::string("what deployed flows use was not looked at: ") + error.what());
    }
    try {
        add_lacks_of_files(cli, connections, deployed, lacks);
    } catch (const std::exception& error) {
        note(cli, std::string("what flow files use was not looked at: ") + error.what());
    }
    return lacks;
}

/// Those that `list` shows, whatever is wrong with one of them, and those that flows lack.
int check_all(Cli& cli) {
    const auto& configuration = cli.configuration();
    auto connections = connections_of(configuration);
    Json documents = Json::array();
    bool ok = true;
    auto lacks = all_lacks(cli, connections);
    for (const auto& item : connections.describe()) {
        const auto name = text_of(item, "name");
        lacks.erase(name);
        ConnectionCheck result;
        try {
            result = check_connection(configuration, name, connections.resolve(name));
        } catch (const Error& error) {
            result = {false, error.what(), error.remedy};
        }
        ok = ok && result.ok;
        documents.push_back(check_document(name, result));
        if (!cli.json) write_check(cli, name, result);
    }
    for (const auto& [name, result] : lacks) {
        ok = false;
        documents.push_back(check_document(name, result));
        if (!cli.json) write_check(cli, name, result);
    }
    if (cli.json) Cli::print(documents);
    if (documents.empty() && !cli.json) std::cout << "There is no connection: declare one under `connections:` in millrace.yaml.\n";
    return ok ? exit_done : exit_failed;
}

} // namespace

void add_connections_commands(CLI::App& app, Cli& cli) {
    auto* connections = app.add_subcommand("connections", "The systems that flows read from and load into");
    connections->fallthrough();
    on_call(connections, cli, [&cli] { return list_connections(cli); });
    on_call(connections->add_subcommand("list", "Connections of this project and of the environment, without secrets"), cli,
            [&cli] { return list_connections(cli); });
    auto name = std::make_shared<std::string>();
    auto* command = connections->add_subcommand("check", "Does it answer, and does it take our credentials?");
    command->add_option("NAME", *name, "a connection, as `millrace connections list` shows it (default: each of them)")->type_name("");
    on_call(command, cli, [&cli, name] { return name->empty() ? check_all(cli) : check(cli, *name); });
}

} // namespace millrace
