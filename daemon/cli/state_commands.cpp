/// `millrace limits` and `millrace nodes`
#include "daemon/cli/commands.hpp"

#include "daemon/cli/format.hpp"

#include <fmt/format.h>

#include <iostream>

namespace millrace {
namespace {

int list_limits(Cli& cli) {
    const auto limits = cli.api().list("/api/v1/limits");
    if (cli.json) {
        Cli::print(limits);
        return exit_done;
    }
    using enum Table::Align;
    Table table({{"limit"}, {"slots", Right}, {"held", Right}, {"by"}});
    for (const auto& limit : limits) {
        std::string holders;
        const auto held = list_of(limit, "held");
        for (const auto& holder : held) {
            const auto task = text_of(holder, "task"); // none: the run as a whole holds it
            holders += (holders.empty() ? "" : ", ") + text_of(holder, "run_id") + (task.empty() ? "" : "." + task);
        }
        table.add({text_of(limit, "key"), text_of(limit, "slots"), std::to_string(held.size()), holders});
    }
    if (table.is_empty())
        std::cout << "No limit is configured (`limits:` in millrace.yaml).\n";
    else
        table.write(std::cout, cli.out);
    return exit_done;
}

int list_nodes(Cli& cli) {
    const auto nodes = cli.api().list("/api/v1/nodes");
    if (cli.json) {
        Cli::print(nodes);
        return exit_done;
    }
    // a node's document may grow: what is there is shown
    std::vector<Table::Column> titles;
    std::vector<std::string> members;
    if (!nodes.empty())
        for (const auto& [member, value] : nodes.front().items()) {
            const bool is_time = parse_rfc3339(text_of(nodes.front(), member.c_str())).has_value();
            titles.push_back({is_time ? local_title(member) : member, Table::Align::Left, is_time ? 1 : 0});
            members.push_back(member);
        }
    if (members.empty()) {
        std::cout << "No node has a lease.\n";
        return exit_done;
    }
    Table table(std::move(titles));
    for (const auto& node : nodes) {
        std::vector<Table::Cell> cells;
        for (const auto& member : members) cells.emplace_back(local_time_text(text_of(node, member.c_str())));
        table.add(std::move(cells));
    }
    table.write(std::cout, cli.out);
    return exit_done;
}

} // namespace

void add_state_commands(CLI::App& app, Cli& cli) {
    on_call(app.add_subcommand("limits", "Limits and who holds their slots"), cli, [&cli] { return list_limits(cli); });
    on_call(app.add_subcommand("nodes", "Running daemons of the store"), cli, [&cli] { return list_nodes(cli); });
}

} // namespace millrace
