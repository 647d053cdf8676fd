/// `millrace up` and `millrace serve`
#include "daemon/cli/commands.hpp"

#include "daemon/logging.hpp"
#include "daemon/serve.hpp"
#include "daemon/up.hpp"
#include "flows/error.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>

namespace millrace {
namespace {

/// The project's settings, where --listen wins.
Settings::Load settings_of(const std::string& config_file, const std::string& listen) {
    return [config_file, listen] {
        auto configuration = load_configuration(config_file);
        if (!listen.empty()) configuration.listen = listen;
        return configuration;
    };
}

/// Before PostgreSQL and the sandbox are started for nothing. What is no address is reported by the server.
void check_is_free(const std::string& listen) {
    namespace ip = boost::asio::ip;
    const auto colon = listen.rfind(':');
    if (colon == std::string::npos) return;
    boost::system::error_code failure;
    boost::asio::io_context io;
    const auto found =
        ip::tcp::resolver(io).resolve(listen.substr(0, colon), listen.substr(colon + 1), ip::tcp::resolver::passive, failure);
    if (failure || found.empty()) return;
    ip::tcp::acceptor acceptor(io);
    acceptor.open(found.begin()->endpoint().protocol(), failure);
    acceptor.set_option(ip::tcp::acceptor::reuse_address(true), failure);
    if (failure) return;
    acceptor.bind(found.begin()->endpoint(), failure);
    if (failure == boost::asio::error::address_in_use)
        throw Error(ErrorClass::Permanent, fmt::format("something already listens on {}", listen),
                    fmt::format("a daemon that runs here answers to `millrace nodes`; else give another address: --listen {}:{}",
                                listen.substr(0, colon), found.begin()->endpoint().port() + 1));
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
    local->add_option("--sandbox", options->sandbox_arguments, "more options for millrace-sandbox, such as --scale=2")
        ->type_name("OPTION")
        ->allow_extra_args(false);
    add_listen_and_log(local);
    on_call(local, cli, [&cli, options, log_level, listen] {
        set_up_logging(*log_level);
        const auto load = settings_of(cli.config_file, *listen);
        check_is_free(load().listen);
        return up(load, *options);
    });

    auto* daemon = app.add_subcommand("serve", "The daemon (systemd runs this)");
    add_listen_and_log(daemon);
    on_call(daemon, cli, [&cli, log_level, listen] {
        set_up_logging(*log_level);
        Settings settings(settings_of(cli.config_file, *listen));
        return serve(settings);
    });
}

} // namespace millrace
