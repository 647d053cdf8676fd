/// The command line: what every command shares. Commands live one family per file and are named in command_table.cpp.
///
/// A family adds its subcommands to the parser; a subcommand's callback stores what to do in `Cli::action`, which runs after
/// the whole line was understood. Errors are thrown: Error (configuration), Unreachable, ApiError; run_cli turns them into
/// a message and an exit code.
#pragma once

#include "daemon/cli/api_client.hpp"
#include "daemon/cli/terminal.hpp"
#include "daemon/configuration.hpp"
#include "daemon/exit_code.hpp"

#include <functional>
#include <optional>
#include <string>

namespace millrace {

/// A mistake of the person who typed the command (exit code 2).
class UsageError : public std::runtime_error {
public:
    explicit UsageError(const std::string& message, std::string what_to_do = {})
        : std::runtime_error(message), remedy(std::move(what_to_do)) {}
    std::string remedy;
};

class Cli {
public:
    bool json = false;       ///< --json
    std::string config_file; ///< --config; empty: the project's
    Terminal out, err;       ///< of stdout and stderr
    std::function<int()> action;

    /// Read once, when a command needs it.
    [[nodiscard]] const Configuration& configuration();
    /// Where its daemon is (load_place): of a file with mistakes too, which are then told on stderr.
    [[nodiscard]] const Configuration& place();
    /// The same for its databases (load_databases). `file` empty: the project's.
    [[nodiscard]] Configuration databases(const std::filesystem::path& file = {});
    /// The command tells the mistakes of the configuration itself.
    void tells_mistakes() { are_mistakes_told_ = true; }
    /// MILLRACE_URL, else the socket of the configuration, else, where no project is configured, this machine's daemon.
    [[nodiscard]] ApiClient api();

    /// As `--json` shows it: indented, with a newline.
    static void print(const Json& document);

    /// What to say of an answer where nobody chose the daemon that gave it; empty: somebody did, none was asked, or it was said.
    [[nodiscard]] std::string whose_answer();
    /// The command says itself which daemon it asks.
    void says_whose_answer() { is_said_ = true; }
    /// Says it on stderr, for people, at most once. A command that changes something says it first; the others need not care.
    void say_whose_answer();

private:
    using Loading = std::function<Configuration()>;
    Configuration in_spite_of_mistakes(const Loading& whole, const Loading& part, const std::string& way_round,
                                       const std::function<std::string(const Configuration&)>& what_of_it);

    std::optional<Configuration> configuration_;
    std::optional<Configuration> place_;
    bool are_mistakes_told_ = false; ///< of the configuration
    bool has_asked_ = false;         ///< a daemon
    bool is_said_ = false;           ///< whose answer it is
};

/// Somebody chose the daemon by its address, in MILLRACE_URL.
[[nodiscard]] bool names_daemon();

/// Tells what a command threw: `millrace:` and the cause, with the remedy on a line of its own. Returns an ExitCode.
[[nodiscard]] int tell_failure(Cli& cli, const std::exception_ptr& failure);

/// The whole program. Returns an ExitCode.
[[nodiscard]] int run_cli(int argc, char** argv);

} // namespace millrace
