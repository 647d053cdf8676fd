/// Every command of `millrace`: the one list.
#pragma once

#include "daemon/cli/cli.hpp"

#include <CLI/CLI.hpp>

#include <span>

namespace millrace {

/// `add` gives the parser the family's subcommands.
struct CommandFamily {
    const char* group; ///< heading in `millrace --help`
    void (*add)(CLI::App& app, Cli& cli);
};

[[nodiscard]] std::span<const CommandFamily> command_families();

/// What a command does, unless one of its own subcommands was named. It is performed after the whole line was understood.
template <class Action>
void on_call(CLI::App* command, Cli& cli, Action action) {
    command->callback([command, &cli, action] {
        if (command->get_subcommands().empty()) cli.action = action;
    });
}

/// For an option whose empty text, that of a variable which is not set, would count as not given. `what` it is, as "the idempotency key".
[[nodiscard]] CLI::Validator not_empty(const char* what);

} // namespace millrace
