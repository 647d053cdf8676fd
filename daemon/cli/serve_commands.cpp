/// `millrace up` and `millrace serve`
#include "daemon/cli/commands.hpp"

#include "daemon/cli/taken_address.hpp"
#include "daemon/logging.hpp"
#include "daemon/serve.hpp"
#include "daemon/up.hpp"

namespace millrace {
namespace {

/// The project's settings, where --listen wins.
Settings::Load settings_of(const std::string& config_file, const std::string& listen) {
    return [config_file, listen](const std::filesystem::path& file) {
        auto configuration = load_configuration(file.empty() ? std::filesystem::path(config_file) : file);
        if (!listen.empty()) configuration.listen = listen;
        return configuration;
    };
}

ServeHooks hooks_of(Cli& cli) {
    ServeHooks hooks;
    hooks.not_started = [&cli](const std::exception_ptr& failure) { return tell_failure(cli, failure); };
    return hooks;
}

} // namespace

void add_serve_commands(CLI::App& app, Cli& cli) {
    auto options = std::make_shared<UpOptions>();
    auto log_level = std::make_shared<std::string>("info");
    auto listen = std::make_shared<std::string>();
    const auto add_listen_and_log = [&](CLI::App* command) {
        command->add_option("--listen", *listen, "address of API and dashboard (default: `listen:`, else 127.0.0.1:8686)")
            ->type_name("HOST:PORT");
        command->add_option("--log", *log_level, "trace, debug, info, warning or error")
            ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error"}))
            ->capture_default_str()
            ->type_name("LEVEL");
    };

    auto* local = app.add_subcommand("up", "Quick local start: private PostgreSQL, daemon and dashboard, until Ctrl-C");
    local->add_flag("--demo", options->demo, "with a sandbox that plays the outside services, and the shipped flows");
    local->add_option("--sandbox", options->sandbox_arguments, "another option for millrace-sandbox, such as --scale=2; once for each")
        ->option_text("OPTION")
        ->allow_extra_args(false);
    add_listen_and_log(local);
    on_call(local, cli, [&cli, options, log_level, listen] {
        set_up_logging(*log_level);
        const auto load = settings_of(cli.config_file, *listen);
        const auto configuration = load({});
        check_can_start(configuration);
        return up(load, *options, hooks_of(cli));
    });

    auto* daemon = app.add_subcommand("serve", "The daemon (systemd runs this)");
    add_listen_and_log(daemon);
    on_call(daemon, cli, [&cli, log_level, listen] {
        set_up_logging(*log_level);
        Settings settings(settings_of(cli.config_file, *listen));
        check_can_start(*settings.current());
        return serve(settings, hooks_of(cli));
    });
}

} // namespace millrace
