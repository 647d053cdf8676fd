/// `millrace connections list | check`
#include "daemon/cli/commands.hpp"

#include "daemon/check_connection.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/managed_postgres.hpp"
#include "daemon/up.hpp"
#include "flows/nearest.hpp"

#include <fmt/format.h>

#include <iostream>

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
    Table table({{"connection"}, {"type"}, {"from"}, {"fields"}});
    for (const auto& item : items) {
        std::string fields;
        for (const auto& [name, value] : item.at("fields").items())
            fields += fmt::format("{}{}={}", fields.empty() ? "" : " ", name, value.is_string() ? value.get<std::string>() : value.dump());
        for (const auto& variable : item.at("missing"))
            if (!item.value("implied", false))
                fields += fmt::format("{}{} is not set", fields.empty() ? "" : ", ", variable.get<std::string>());
        const bool implied = item.value("implied", false);
        table.add({text_of(item, "name"), text_of(item, "type"), implied ? "environment" : "millrace.yaml", fields});
    }
    table.write(std::cout, cli.out);
    return exit_done;
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
    const auto connection = connections_of(configuration).resolve(name);
    const auto result = check_connection(configuration, name, connection);
    if (cli.json)
        Cli::print({{"name", name}, {"ok", result.ok}, {"message", result.message}, {"remedy", result.remedy}});
    else {
        std::cout << cli.out.painted(result.ok ? "ok" : "failed", result.ok ? Paint::Green : Paint::Red) << "  " << name << "  "
                  << printable(result.message) << '\n';
        if (!result.remedy.empty()) std::cout << "  " << printable(result.remedy) << '\n';
    }
    return result.ok ? exit_done : exit_failed;
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
    command->add_option("NAME", *name, "a connection, as `millrace connections list` shows it")->required()->type_name("");
    on_call(command, cli, [&cli, name] { return check(cli, *name); });
}

} // namespace millrace
