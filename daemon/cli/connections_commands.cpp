/// `millrace connections list | check`
#include "daemon/cli/commands.hpp"

#include "daemon/check_connection.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/cli/project_flows.hpp"
#include "daemon/demo_sandbox.hpp"
#include "daemon/managed_postgres.hpp"
#include "flows/error.hpp"
#include "flows/nearest.hpp"

#include <fmt/format.h>

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
    Table table({{"connection"}, {"type"}, {"from", Table::Align::Left, 1}, {"fields"}});
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
    const auto result = compile_named_files(cli.configuration(), {});
    std::map<std::string, std::set<std::string>> users;
    for (const auto& flow : result.flows)
        for (const auto& task : flow.plan.tasks)
            if (const auto name = task.options.value("connection", ""); !name.empty() && !deployed.contains(flow.plan.name))
                users[name].insert(flow.plan.name);
    for (const auto& [name, flows] : users) {
        if (name.find("${") != std::string::npos || lacks.contains(name)) continue;
        try {
            (void)connections.resolve(name);
        } catch (const Error& error) {
            lacks[name] = {false, lack_text({{"message", error.what()}, {"flows", flows}}), error.remedy};
        }
    }
    if (has_errors(result.diagnostics))
        std::cerr << cli.err.painted("note: flow files have mistakes, and what those use was not looked at; see: millrace flows validate",
                                     Paint::Yellow)
                  << std::endl;
}

/// What connections lack of which nothing is set here, and that flows use.
Lacks lacks_of_flows(Cli& cli, ConfiguredConnections& connections) {
    Lacks lacks;
    std::set<std::string> deployed;
    try {
        deployed = add_lacks_of_deployed(cli, lacks);
    } catch (const std::exception&) {
        // it is about connections, which need no daemon
    }
    try {
        add_lacks_of_files(cli, connections, deployed, lacks);
    } catch (const std::exception&) {
        // no flow file here, or no host to read its SQL
    }
    return lacks;
}

/// Those that `list` shows, whatever is wrong with one of them, and those that flows lack.
int check_all(Cli& cli) {
    const auto& configuration = cli.configuration();
    auto connections = connections_of(configuration);
    Json documents = Json::array();
    bool ok = true;
    auto lacks = lacks_of_flows(cli, connections);
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
