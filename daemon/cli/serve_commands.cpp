/// `millrace up` and `millrace serve`
#include "daemon/cli/commands.hpp"

#include "daemon/logging.hpp"
#include "daemon/serve.hpp"
#include "daemon/up.hpp"

namespace millrace {
namespace {

Configuration listening(Configuration configuration, const std::string& asked) {
    if (!asked.empty()) configuration.listen = asked;
    return configuration;
}

} // namespace

void add_serve_commands(CLI::App& app, Cli& cli) {
    auto options = std::make_shared<UpOptions>();
    auto log_level = std::make_shared<std::string>("info");
    auto listen = std::make_shared<std::string>();
    const auto levels = CLI::IsMember({"trace", "debug", "info", "warning", "error"});

    auto* local = app.add_subcommand("up", "Quick local start: private PostgreSQL, daemon and dashboard, until Ctrl-C");
    local->add_flag("--demo", options->demo, "with a sandbox that plays the outside services, and the shipped flows");
    local->add_option("--sandbox", options->sandbox_arguments, "more options for millrace-sandbox, such as --scale=2")
        ->type_name("OPTION")->allow_extra_args(false);
    local->add_option("--listen", *listen, "address of API and dashboard (default: `listen:`, else 127.0.0.1:8686)")->type_name("HOST:PORT");
    local->add_option("--log", *log_level, "trace, debug, info, warning or error")->check(levels)->capture_default_str()->type_name("LEVEL");
    on_call(local, cli, [&cli, options, log_level, listen] {
        set_up_logging(*log_level);
        return up(listening(cli.configuration(), *listen), *options);
    });

    auto* daemon = app.add_subcommand("serve", "The daemon (systemd runs this)");
    daemon->add_option("--listen", *listen, "address of API and dashboard (default: `listen:`, else 127.0.0.1:8686)")->type_name("HOST:PORT");
    daemon->add_option("--log", *log_level, "trace, debug, info, warning or error")->check(levels)->capture_default_str()->type_name("LEVEL");
    on_call(daemon, cli, [&cli, log_level, listen] {
        set_up_logging(*log_level);
        return serve(listening(cli.configuration(), *listen));
    });
}

} // namespace millrace
