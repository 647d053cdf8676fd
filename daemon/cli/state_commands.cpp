/// `millrace limits` and `millrace nodes`
#include "daemon/cli/commands.hpp"

#include "daemon/cli/format.hpp"
#include "daemon/cli/nodes_table.hpp"

#include <fmt/format.h>

#include <iostream>

namespace millrace {
namespace {

/// "12.load, 13"; of many the first few.
std::string who_text(const Json& list) {
    constexpr std::ptrdiff_t most_named = 4;
    std::string text;
    for (const auto& who : list) {
        if (&who - &list.front() == most_named) return text + fmt::format(" and {} more", std::ssize(list) - most_named);
        const auto task = text_of(who, "task"); // none: the run as a whole
        text += (text.empty() ? "" : ", ") + text_of(who, "run_id") + (task.empty() ? "" : "." + task);
    }
    return text;
}

/// Of who has it longest.
std::string held_since_text(const Json& held) {
    std::string first;
    for (const auto& holder : held)
        if (const auto since = text_of(holder, "since"); first.empty() || since < first) first = since;
    return first.empty() ? "" : local_time_text(first);
}

int list_limits(Cli& cli) {
    const auto limits = cli.api().list("/api/v1/limits");
    if (cli.json) {
        Cli::print(limits);
        return exit_done;
    }
    using enum TextTable::Align;
    TextTable table({{"limit"},
                     {"slots", Right},
                     {"held", Right},
                     {"by", Left, 2},
                     {local_title("since"), Left, 1},
                     {"waiting", Right},
                     {"first", Left, 2}});
    TextTable rates({{"rate of connection"},
                     {"a second", Right},
                     {"in use", Right},
                     {local_title("paused until")},
                     {"quota left", Right},
                     {local_title("whole again")}});
    for (const auto& limit : limits) {
        if (text_of(limit, "kind") == "rate") {
            const auto rate = text_of(limit, "rate"), quota = text_of(limit, "quota_limit"), left = text_of(limit, "quota_left");
            const auto at = [&](const char* member) {
                const auto time = text_of(limit, member);
                return time.empty() ? std::string() : local_time_text(time);
            };
            rates.add({text_of(limit, "connection"), rate.empty() ? "no limit" : rate, text_of(limit, "in_use"), at("paused_until"),
                       quota.empty() ? left : left + " of " + quota, at("quota_reset_at")});
            continue;
        }
        const auto held = list_of(limit, "held"), waiting = list_of(limit, "waiting");
        table.add({text_of(limit, "key"), text_of(limit, "slots"), std::to_string(held.size()), who_text(held), held_since_text(held),
                   std::to_string(waiting.size()), who_text(waiting)});
    }
    if (table.is_empty())
        std::cout << "No limit is configured (`limits:` in millrace.yaml).\n";
    else
        table.write(std::cout, cli.out);
    if (!rates.is_empty()) {
        std::cout << '\n';
        rates.write(std::cout, cli.out);
    }
    return exit_done;
}

int list_nodes(Cli& cli) {
    const auto nodes = cli.api().list("/api/v1/nodes");
    if (cli.json) {
        Cli::print(nodes);
        return exit_done;
    }
    nodes_table(nodes).write(std::cout, cli.out);
    return exit_done;
}

} // namespace

void add_state_commands(CLI::App& app, Cli& cli) {
    on_call(app.add_subcommand("limits", "Limits and who holds their slots"), cli, [&cli] { return list_limits(cli); });
    on_call(app.add_subcommand("nodes", "Running daemons of the store"), cli, [&cli] { return list_nodes(cli); });
}

} // namespace millrace
