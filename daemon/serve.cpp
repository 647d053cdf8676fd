#include "daemon/serve.hpp"

#include "daemon/compile_project.hpp"
#include "daemon/exit_code.hpp"
#include "daemon/managed_postgres.hpp"
#include "daemon/systemd_notify.hpp"
#include "flows/close_on_exec.hpp"
#include "flows/diagnostic.hpp"
#include "flows/error.hpp"
#include "flows/process_tree.hpp"
#include "flows/version.hpp"
#include "scheduler/engine.hpp"
#include "scheduler/host_process.hpp"
#include "scheduler/one_line.hpp"
#include "web/server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <optional>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace millrace {
namespace {

void log_failure(const char* event, const std::string& reason, const std::string& remedy) {
    std::string line = one_line(reason);
    std::replace(line.begin(), line.end(), '"', '\''); // it stands between such quotes
    spdlog::error("{} reason=\"{}\"{}", event, line, remedy.empty() ? "" : " remedy=\"" + remedy + "\"");
}

/// Of a daemon that was ready.
ExitCode log_end(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& e) {
        log_failure("stopped", e.what(), e.remedy);
    } catch (const std::exception& e) {
        log_failure("stopped", e.what(), "");
    }
    return exit_failed;
}

spdlog::level::level_enum level_of(Severity severity) { return severity == Severity::Error ? spdlog::level::err : spdlog::level::warn; }

/// What a deploy did not do with a setting; what it did stands in the log already.
void log_waiting(const Json& change) {
    const auto setting = change.at("setting").get<std::string>();
    if (change.value("held_back", false)) spdlog::warn("setting={} held_back remedy=\"correct the flow's mistake\"", setting);
    if (change.at("change") == "kept")
        spdlog::warn("setting={} slots={} kept: deployed flows or live runs need as many", setting, change.at("slots").get<int>());
}

/// An earlier start had the demo, this one has not.
void log_end_of_demo(const Json& changes) {
    const auto goes = [](const Json& change) { return change.at("change") == "archived" && change.value("demo", false); };
    if (std::any_of(changes.begin(), changes.end(), goes))
        spdlog::warn("the demo's flows are archived, for without its sandbox they would read an account of yours: `millrace up --demo` "
                     "brings them back");
}

/// Deployed flows wait for a connection of which nothing is set.
void log_lack(const Json& lack) {
    if (lack.contains("flows"))
        spdlog::warn("connection={} flows={} reason=\"{}\" remedy=\"{}\"", lack.at("connection").get<std::string>(),
                     lack.at("flows").dump(), one_line(lack.at("message").get<std::string>()),
                     one_line(lack.at("remedy").get<std::string>()));
}

/// This program with these arguments, in our place: nothing that we remember outlives that, and no process of ours.
void start_again() {
    std::ifstream file("/proc/self/cmdline");
    std::vector<std::string> arguments;
    for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(argument);
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    kill_descendants(getpid());
    // Zombies would stay for the life of the process; one that does not die at once is not worth a wait.
    for (int tries = 0; tries < 200 && waitpid(-1, nullptr, WNOHANG) >= 0; ++tries) usleep(10000);
    spdlog::shutdown();
    close_on_exec_from(3);
    execv("/proc/self/exe", argv.data());
}

/// One process's whole life. Members are in the order in which they depend on each other.
class Daemon {
public:
    Daemon(Settings& settings, const ServeHooks& hooks)
        : settings_(settings), start_(settings.current()), configuration_(*start_), hooks_(hooks), clock_(io_), compiler_(settings),
          signals_(io_, SIGINT, SIGTERM, SIGHUP) {}

    int run() {
        if (const auto note = left_state(configuration_); !note.empty()) spdlog::warn("{}", note);
        make_private_folder(configuration_.state);
        make_private_folder(configuration_.staging, "another folder in `staging:` of millrace.yaml");
        make_private_folder(configuration_.socket().parent_path());
        compiler_.prepare();
        start_database();
        connections_.emplace(settings_, warehouse_);
        asio::co_spawn(io_, life(), [this](const std::exception_ptr& failure) { ended(failure); });
        while (!is_over_) io_.run_one();
        io_.run_for(std::chrono::seconds(1)); // hosts are reaped; alarms that lie further ahead have nothing left to do
        web_.reset();
        engine_.reset();
        end_strays(std::chrono::seconds(2));
        if (postgres_ && owns_node_) postgres_->stop();
        spdlog::info("stopped");
        return exit_done;
    }

private:
    void start_database() {
        store_ = configuration_.database;
        if (!store_.empty()) return check_database_url(store_);
        postgres_.emplace(configuration_.state, [](const std::string& fact) {
            spdlog::log(fact.starts_with("postgres=died") ? spdlog::level::warn : spdlog::level::info, "{}", fact);
        });
        postgres_->start();
        store_ = postgres_->url("millrace");
        warehouse_ = postgres_->url("warehouse");
    }

    [[nodiscard]] EngineConfig engine_config() const {
        EngineConfig config;
        config.database = store_;
        config.state = configuration_.state.string();
        config.staging = configuration_.staging.string();
        if (!configuration_.file.empty()) config.project = configuration_.folder.string();
        config.host_program = (configuration_.installation.bin / "millrace-host").string();
        config.limits = configuration_.project.limits;
        return config;
    }

    /// What commands of tasks started and left behind: every process below a host holds its lock.
    void end_strays(std::chrono::milliseconds patience) const {
        try {
            close(take_host_lock(configuration_.state / "hosts.lock", patience, Holders::Own));
        } catch (const Error& e) {
            // while the engine is there, it is the last holder
            if (!engine_) log_failure("strays", e.what(), e.remedy);
        }
    }

    asio::awaitable<void> life() {
        engine_ =
            std::make_unique<Engine>(io_, clock_, engine_config(), *connections_, compiler_, [this](const std::string& why) { die(why); });
        co_await engine_->start();
        owns_node_ = true;
        web_ = std::make_unique<WebServer>(io_, web_config(), WebBackend{engine_->service(), engine_->read_models(), compiler_, keys_});
        DeployRequest all;
        all.at_start = true;
        co_await deploy(std::move(all));
        web_->start();
        settings_.serve_at(web_->url());
        spdlog::info("ready version={} url={} socket={} pid={}", version, web_->url(), configuration_.socket().string(), getpid());
        notify_ready("serving " + web_->url());
        is_ready_ = true;
        if (hooks_.ready) hooks_.ready(web_->url(), mistaken_files_);
        start_watchdog();
        log_lacks();
        co_await wait_for_the_end();
        notify_stopping();
        co_await web_->stop();
        co_await engine_->stop();
        stop_timers();
    }

    [[nodiscard]] WebConfig web_config() const {
        WebConfig config;
        config.listen = configuration_.listen;
        config.socket = configuration_.socket().string();
        config.dashboard = configuration_.installation.dashboard;
        return config;
    }

    /// A folder with mistakes keeps its former flows; the daemon starts all the same.
    asio::awaitable<void> deploy(DeployRequest all) {
        mistaken_files_ = 0;
        try {
            const Json result = co_await engine_->service().deploy(std::move(all));
            for (const auto& change : result.at("changes")) {
                const auto kind = change.value("change", "");
                if (kind == "error") {
                    ++mistaken_files_;
                    for (const auto& diagnostic : change.at("diagnostics").get<std::vector<Diagnostic>>())
                        spdlog::log(level_of(diagnostic.severity), "{}", one_line(to_line(diagnostic)));
                } else if (kind != "unchanged") {
                    spdlog::info("flow={} change={}{}", change.value("flow", ""), kind,
                                 change.value("held_back", false) ? " held_back" : "");
                }
            }
            for (const auto& change : result.at("settings")) log_waiting(change);
            log_end_of_demo(result.at("changes"));
        } catch (const Refusal& e) {
            log_failure("deploy=failed", e.what(), e.remedy);
        } catch (const std::exception& e) {
            log_failure("deploy=failed", e.what(), "");
        }
    }

    void log_lacks() {
        for (const auto& lack : engine_->read_models().lacks()) log_lack(lack);
    }

    asio::awaitable<void> wait_for_the_end() {
        for (;;) {
            const int signal = co_await signals_.async_wait(asio::use_awaitable);
            if (signal != SIGHUP) {
                spdlog::info("stopping signal={}", signal == SIGINT ? "SIGINT" : "SIGTERM");
                co_return;
            }
            spdlog::info("deploying signal=SIGHUP");
            co_await deploy(DeployRequest());
            log_lacks();
        }
    }

    void start_watchdog() {
        const auto period = watchdog_period();
        if (!period) return;
        notify_alive();
        watchdog_.expires_after(*period / 3);
        watchdog_.async_wait([this](const boost::system::error_code& failure) {
            if (!failure) start_watchdog();
        });
    }

    void stop_timers() {
        watchdog_.cancel();
        signals_.cancel();
    }

    /// After a failure nothing is unwound: coroutines may still be suspended inside engine and server.
    void ended(const std::exception_ptr& failure) {
        is_over_ = true;
        if (!failure) return;
        const int code = is_ready_ ? log_end(failure) : hooks_.not_started(failure);
        if (owns_node_) end_strays(std::chrono::milliseconds(50));
        if (postgres_ && owns_node_) postgres_->stop();
        spdlog::shutdown();
        _exit(code);
    }

    /// The node's lease is gone: another may work on our runs already, so whatever works for us ends, and nothing else is
    /// tidied up. A store that lost history leaves the node ours: this process begins anew, also where nobody watches over it.
    void die(const std::string& why) {
        const bool again = engine_->has_lost_history();
        spdlog::critical("node=lost reason=\"{}\" action={}", one_line(why), again ? "restart" : "exit");
        end_strays(std::chrono::milliseconds(50));
        if (again) {
            if (postgres_) postgres_->stop();
            start_again();
        }
        _exit(exit_failed);
    }

    Settings& settings_;
    const std::shared_ptr<const Configuration> start_;
    const Configuration& configuration_; ///< as it was at the start: for what does not change afterwards
    const ServeHooks& hooks_;
    std::optional<ManagedPostgres> postgres_;
    std::string store_, warehouse_; ///< libpq URLs
    asio::io_context io_{1};
    SystemClock clock_;
    ProjectCompiler compiler_;
    NoKeys keys_;
    std::optional<SettingsConnections> connections_;
    asio::signal_set signals_;
    asio::steady_timer watchdog_{io_};
    std::unique_ptr<Engine> engine_;
    std::unique_ptr<WebServer> web_;
    std::size_t mistaken_files_ = 0; ///< of the last deploy
    bool owns_node_ = false;         ///< the private PostgreSQL is ours to stop
    bool is_ready_ = false, is_over_ = false;
};

} // namespace

void make_private_folder(const fs::path& folder, const std::string& other) {
    umask(0077);
    const std::string remedy = "choose " + other;
    std::error_code failure;
    fs::create_directories(folder, failure);
    if (failure) throw Error(ErrorClass::Permanent, folder.string() + " cannot be made: " + failure.message(), remedy);
    if (access(folder.c_str(), W_OK) != 0) throw Error(ErrorClass::Permanent, folder.string() + " cannot be written by this user", remedy);
}

int serve(Settings& settings, const ServeHooks& hooks) {
    signal(SIGPIPE, SIG_IGN);
    umask(0077);
    setenv("PGCONNECT_TIMEOUT", "5", 0); // libpq waits for ever by default, even for a server that is stopped
    return Daemon(settings, hooks).run();
}

} // namespace millrace
