#include "daemon/cli/cli.hpp"

#include "daemon/cli/command_table.hpp"
#include "flows/error.hpp"
#include "flows/nearest.hpp"
#include "flows/version.hpp"
#include "scheduler/service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <unistd.h>
#include <utility>

namespace millrace {
namespace {

/// `remedy` on a line of its own.
int failed(const Cli& cli, const std::string& what, const std::string& remedy, ExitCode code) {
    std::cout.flush();
    std::cerr << cli.err.painted("millrace:", Paint::Red) << ' ' << what << '\n';
    if (!remedy.empty()) std::cerr << "  " << remedy << '\n';
    return code;
}

std::string with_whose_answer(Cli& cli, const std::string& remedy) {
    const auto whose = cli.whose_answer();
    return remedy + (remedy.empty() || whose.empty() ? "" : "\n  ") + whose;
}

ExitCode code_of(const ApiError& error) { return error.says_later() ? exit_unreachable : exit_usage; }

ExitCode code_of(const Error& error) {
    if (error.error_class == ErrorClass::Permanent) return exit_usage;
    return error.error_class == ErrorClass::Transient ? exit_unreachable : exit_failed; // only databases are away for a while
}

/// Where no daemon answers.
std::string remedy_of_absence(Cli& cli) {
    const auto note = names_daemon() ? "" : left_state(cli.place());
    const bool in_project = names_daemon() || !cli.place().file.empty();
    return (note.empty() ? "" : note + "\n  ") +
           std::string(in_project ? "" : "no millrace.yaml is here or in a folder above: go to your project's folder; or ") +
           "start one with `millrace up` (or: systemctl start millrace), or name one in MILLRACE_URL";
}

int perform(Cli& cli) {
    try {
        const int code = cli.action ? cli.action() : exit_usage;
        cli.say_whose_answer();
        return code;
    } catch (...) {
        return tell_failure(cli, std::current_exception());
    }
}

/// In reverse order, as CLI11 takes them. `help run` is `run --help`.
std::vector<std::string> words_of(int argc, char** argv) {
    std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
    auto command = words.begin();
    while (command != words.end() && command->starts_with('-')) command += *command == "--config" && command + 1 != words.end() ? 2 : 1;
    if (command != words.end() && *command == "help") {
        words.erase(command);
        words.emplace_back("--help");
    }
    std::reverse(words.begin(), words.end());
    return words;
}

/// What of the line was not understood: the command that it came to, and the first word that this does not know.
struct Leftover {
    const CLI::App* command;
    std::string word; ///< may be empty
};

Leftover leftover_of(const CLI::App& app) {
    const CLI::App* command = &app;
    while (!command->get_subcommands().empty()) command = command->get_subcommands().back();
    const auto words = app.remaining(true);
    return {command, words.empty() ? "" : words.front()};
}

/// `--help` behind a word that is no command.
bool is_help_of_nothing(const CLI::App& app) {
    const auto [command, word] = leftover_of(app);
    return !word.empty() && !word.starts_with('-') && !command->get_subcommands({}).empty();
}

std::vector<std::string> options_of(const CLI::App* command) {
    std::vector<std::string> names;
    for (; command; command = command->get_parent())
        for (const auto* option : command->get_options())
            for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    return names;
}

/// CLI11's complaint with our name before it, the nearest command or option, and where to read on.
std::string usage_message(const CLI::App* app, const CLI::Error& error) {
    const auto [command, word] = leftover_of(*app);
    auto path = command->get_name();
    for (const auto* above = command->get_parent(); above; above = above->get_parent()) path = above->get_name() + ' ' + path;
    std::vector<std::string> known;
    for (const auto* subcommand : command->get_subcommands({})) known.push_back(subcommand->get_name());
    if (known.empty() || word.empty() || word.starts_with('-')) {
        const auto near = word.starts_with("--") ? nearest(word.substr(0, word.find('=')), options_of(command)) : "";
        const bool is_extra = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr; // CLI11 tells them in reverse
        const auto what = is_extra ? fmt::format("not expected: {}", fmt::join(app->remaining(true), " ")) : std::string(error.what());
        return fmt::format("millrace: {}\n  {}see: {} --help\n", what, near.empty() ? "" : "did you mean '" + near + "'? ", path);
    }
    const auto near = nearest(word, known);
    return fmt::format("millrace: there is no command '{} {}'\n  {}see: {} --help\n", path, word,
                       near.empty() ? "" : "did you mean '" + near + "'? ", path);
}

} // namespace

bool names_daemon() {
    const char* url = std::getenv("MILLRACE_URL");
    return url && *url;
}

int tell_failure(Cli& cli, const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const UsageError& error) {
        return failed(cli, error.what(), with_whose_answer(cli, error.remedy), exit_usage);
    } catch (const Unreachable& error) {
        return failed(cli, error.what(), error.remedy.empty() ? remedy_of_absence(cli) : error.remedy, exit_unreachable);
    } catch (const ApiError& error) {
        return failed(cli, error.what(), with_whose_answer(cli, error.remedy), code_of(error));
    } catch (const Error& error) {
        return failed(cli, error.what(), error.remedy, code_of(error));
    } catch (const Refusal& error) { // of the engine, where it could not start
        const auto remedy = error.remedy.empty() ? "check that the server of `database:` runs and lets us in" : error.remedy;
        return failed(cli, error.what(), remedy, error.kind == Refusal::Kind::Unavailable ? exit_unreachable : exit_failed);
    } catch (const std::filesystem::filesystem_error& error) {
        return failed(cli, error.path1().string() + ": " + error.code().message(), "check the path and its permissions", exit_usage);
    } catch (const std::exception& error) {
        return failed(cli, error.what(), "", exit_failed);
    }
}

const Configuration& Cli::configuration() {
    if (!configuration_) configuration_ = load_configuration(config_file);
    return *configuration_;
}

/// The whole configuration, else what `part` finds of it, with the mistakes as a warning. Throws the mistakes where that finds nothing.
Configuration Cli::in_spite_of_mistakes(const Loading& whole, const Loading& part, const std::string& way_round,
                                        const std::function<std::string(const Configuration&)>& what_of_it) {
    try {
        return whole();
    } catch (const Error& error) {
        std::optional<Configuration> found;
        try {
            found = part();
        } catch (const std::exception&) { // the mistakes are told below
        }
        if (!found) throw Error(error.error_class, error.what(), (error.remedy.empty() ? "mend it" : error.remedy) + way_round);
        if (std::exchange(are_mistakes_told_, true)) return *found;
        std::cout.flush();
        std::cerr << err.painted("warning", Paint::Yellow) << ": " << error.what() << '\n' << "  " << what_of_it(*found) << std::endl;
        return *found;
    }
}

const Configuration& Cli::place() {
    if (place_) return *place_;
    std::error_code ignored;
    const bool is_there = config_file.empty() || std::filesystem::exists(config_file, ignored); // else its name was mistyped
    const std::string state_too = is_there ? "the daemon's state folder in MILLRACE_STATE, or its" : "the daemon's";
    place_ = in_spite_of_mistakes(
        [&] { return configuration(); }, [&] { return load_place(config_file); },
        "; or go round it: name " + state_too + " address in MILLRACE_URL",
        [](const Configuration& found) { return "this command needs only its daemon, and looks for that at " + found.socket().string(); });
    return *place_;
}

Configuration Cli::databases(const std::filesystem::path& file) {
    return in_spite_of_mistakes([&] { return file.empty() ? configuration() : load_configuration(file); },
                                [&] { return load_databases(file.empty() ? std::filesystem::path(config_file) : file); }, "",
                                [](const Configuration& found) {
                                    return "this command needs only the databases, and takes those of the state folder " +
                                           found.state.string() + " and of what the file says of `database` and `warehouse`";
                                });
}

ApiClient Cli::api() {
    const char* key = std::getenv("MILLRACE_KEY");
    if (names_daemon()) return ApiClient({"", std::getenv("MILLRACE_URL"), key ? key : ""});
    const auto& settings = place();
    has_asked_ = true;
    const auto socket = settings.socket().string();
    if (settings.file.empty() && access(socket.c_str(), R_OK | W_OK) != 0)
        return ApiClient({"", "http://" + settings.listen, key ? key : ""});
    return ApiClient({socket, "", ""});
}

std::string Cli::whose_answer() {
    if (!has_asked_ || is_said_ || names_daemon() || !place().file.empty()) return "";
    const auto daemon = api();
    const auto& address = daemon.address();
    const char* state = std::getenv("MILLRACE_STATE");
    if (state && *state && !address.socket.empty()) return ""; // the daemon of that folder
    return fmt::format("no millrace.yaml is here or in a folder above, so the daemon at {} was asked",
                       address.socket.empty() ? address.url : address.socket);
}

void Cli::say_whose_answer() {
    const auto whose = json ? "" : whose_answer();
    if (whose.empty()) return;
    is_said_ = true;
    std::cout.flush();
    std::cerr << err.painted("note: " + whose, Paint::Dim) << std::endl;
}

void Cli::print(const Json& document) { std::cout << document.dump(2, ' ', false, Json::error_handler_t::replace) << '\n'; }

namespace {

/// An option that is not offered stands in a group without a name, which CLI11 ends with an empty line all the same.
class HelpText : public CLI::Formatter {
public:
    std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
        auto text = CLI::Formatter::make_help(app, std::move(name), mode);
        if (const auto gap = text.find("\n\n\n"); gap != std::string::npos) text.erase(gap, 1);
        return text;
    }
};

/// Everything but the end of the output.
int run_line(Cli& cli, int argc, char** argv) {
    CLI::App app("Millrace runs flows: from SaaS APIs, databases and files, through SQL, into databases and warehouses.", "millrace");
    app.set_version_flag("--version", std::string("millrace ") + version);
    app.add_flag("--json", cli.json, "print JSON");
    app.add_option("--config", cli.config_file, "millrace.yaml of the project (default: of this folder or a parent)")->type_name("FILE");
    app.formatter(std::make_shared<HelpText>());
    app.fallthrough();
    app.require_subcommand(1);
    app.failure_message(usage_message);
    app.footer("Exit codes: 0 done; 1 failed: a run, a check, a deploy, mistakes in flow files; 2 refused: usage, millrace.yaml, no such\n"
               "flow or run, no access; 3 no daemon answers, its database is away, it failed to answer (5xx), or it says to try again;\n"
               "4 the run was cancelled or timed out.");
    for (const auto& family : command_families()) {
        const auto before = app.get_subcommands({}).size();
        family.add(app, cli);
        const auto all = app.get_subcommands({});
        for (std::size_t i = before; i < all.size(); ++i) all[i]->group(family.group);
    }
    try {
        app.parse(words_of(argc, argv));
    } catch (const CLI::CallForHelp& error) {
        if (!is_help_of_nothing(app)) return app.exit(error);
        std::cerr << usage_message(&app, error);
        return exit_usage;
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? exit_done : exit_usage;
    } catch (const UsageError&) { // of a check of one option
        return tell_failure(cli, std::current_exception());
    }
    return perform(cli);
}

} // namespace

int run_cli(int argc, char** argv) {
    Cli cli;
    cli.out = terminal_of(STDOUT_FILENO);
    cli.err = terminal_of(STDERR_FILENO);
    const int code = run_line(cli, argc, argv);
    errno = 0;
    if (std::cout.flush()) return code;
    if (errno == 0) (void)!write(STDOUT_FILENO, "", 0); // an earlier write failed: most files say again why
    const int reason = errno;
    return failed(cli, "stdout cannot be written" + (reason == 0 ? "" : std::string(": ") + std::strerror(reason)), "", exit_failed);
}

} // namespace millrace
