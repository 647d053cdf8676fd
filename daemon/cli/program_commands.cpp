/// Commands that become another program: `millrace psql` and `millrace sandbox`.
#include "daemon/cli/commands.hpp"

#include "daemon/cli/api_client.hpp"
#include "daemon/cli/asked_installation.hpp"
#include "daemon/managed_postgres.hpp"
#include "flows/error.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <memory>
#include <unistd.h>

namespace millrace {
namespace {

/// Does not return but by an exception. `argv[0]` is looked up in PATH unless it holds a slash.
[[noreturn]] void become(const std::vector<std::string>& arguments, const std::string& remedy) {
    std::vector<char*> argv;
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execvp(argv.front(), argv.data());
    throw Error(ErrorClass::Permanent, fmt::format("{} cannot be started: {}", arguments.front(), std::strerror(errno)), remedy);
}

/// psql reads the connection from its environment, so that no password is in its arguments.
void set_connection(const std::string& url) {
    check_database_url(url);
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(url.c_str(), nullptr), PQconninfoFree);
    for (const auto* option = options.get(); option->keyword; ++option)
        if (option->val && option->envvar) setenv(option->envvar, option->val, 1);
}

/// Throws what to do where the private server cannot be asked.
void check_answers(const Cli& cli, const Configuration& configuration, const std::string& url) {
    if (PQping(url.c_str()) != PQPING_NO_RESPONSE) return;
    if (ManagedPostgres::is_out_of_reach(configuration.state))
        throw Error(ErrorClass::Permanent,
                    fmt::format("the private PostgreSQL ({}) is for its own user and root", installation_text(configuration)),
                    as_root(cli, configuration, "psql"));
    throw Unreachable(
        fmt::format("the private PostgreSQL ({}) does not answer", installation_text(configuration)),
        "it starts with the daemon: millrace up, or systemctl start millrace; that of another project is asked in its folder");
}

std::string database_url(const Configuration& configuration, bool store) {
    if (store) return configuration.database.empty() ? ManagedPostgres::url_of(configuration.state, "millrace") : configuration.database;
    const auto warehouse = configuration.database.empty() ? ManagedPostgres::url_of(configuration.state, "warehouse") : "";
    const auto connection = ConfiguredConnections(configuration, warehouse).resolve("warehouse");
    if (const auto type = connection.at("type").get<std::string>(); type != "postgres")
        throw UsageError(fmt::format("the connection 'warehouse' is of type {}, which psql does not speak", type),
                         "ask it with a program of its own");
    return connection.at("url").get<std::string>();
}

} // namespace

void add_program_commands(CLI::App& app, Cli& cli) {
    auto store = std::make_shared<bool>(false);
    auto* psql = app.add_subcommand("psql", "PostgreSQL's shell on the warehouse; further options go to psql");
    psql->add_flag("--store", *store, "on the daemon's own tables instead");
    psql->prefix_command()->fallthrough(false);
    on_call(psql, cli, [&cli, store, psql]() -> int {
        if (cli.json) throw UsageError("psql has no --json", "it has --csv: millrace psql --csv -c 'select ...'");
        const auto configuration = asked_configuration(cli);
        const auto url = database_url(configuration, *store);
        if (url == ManagedPostgres::url_of(configuration.state, *store ? "millrace" : "warehouse")) check_answers(cli, configuration, url);
        set_connection(url);
        if (cli.err.is_terminal) // a person may have two
            std::cerr << cli.err.painted(fmt::format("{}: {}", *store ? "store" : "warehouse", installation_text(configuration)),
                                         Paint::Dim)
                      << std::endl;
        std::vector<std::string> arguments{"psql"};
        for (const auto& rest : psql->remaining()) arguments.push_back(rest);
        become(arguments, "install it: apt-get install postgresql-client-15");
    });

    auto* sandbox = app.add_subcommand("sandbox", "Simulators of the outside services; further options go to millrace-sandbox");
    sandbox->prefix_command()->fallthrough(false);
    sandbox->set_help_flag();
    on_call(sandbox, cli, [&cli, sandbox]() -> int {
        std::vector<std::string> arguments{(find_installation().bin / "millrace-sandbox").string()};
        for (const auto& rest : sandbox->remaining()) arguments.push_back(rest);
        become(arguments, "this installation has no sandbox; build it: cmake --build build/release --target millrace-sandbox");
    });
}

} // namespace millrace
