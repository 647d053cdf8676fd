#include "daemon/up.hpp"

#include "daemon/child_process.hpp"
#include "daemon/exit_code.hpp"
#include "daemon/secrets.hpp"
#include "daemon/serve.hpp"
#include "flows/error.hpp"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <unistd.h>

namespace fs = std::filesystem;

namespace millrace {
namespace {

fs::path env_file_of(const Configuration& configuration) { return configuration.state / "sandbox.env"; }

std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// The simulators, as long as this object lives. Their addresses and keys are in our environment from then on, under the
/// names that the implied connections read.
class Sandbox {
public:
    Sandbox(const Configuration& configuration, const std::vector<std::string>& arguments) : env_file_(env_file_of(configuration)) {
        const auto log = configuration.state / "sandbox.log";
        std::error_code ignored;
        make_private_folder(configuration.state);
        fs::remove(env_file_, ignored);
        fs::remove(log, ignored);
        ChildOptions child;
        child.argv = {
            (configuration.installation.bin / "millrace-sandbox").string(), "--port", "0", "--rate", "0", "--env-file", env_file_.string()};
        child.argv.insert(child.argv.end(), arguments.begin(), arguments.end());
        child.output = log.string();
        child.dies_with_us = true;
        pid_ = start_child(child);
        wait_until_ready(log);
        use_sandbox(configuration);
    }
    ~Sandbox() {
        std::error_code ignored;
        fs::remove(env_file_, ignored);
        kill(pid_, SIGTERM);
        wait_until_gone(pid_, std::chrono::seconds(5));
    }
    Sandbox(const Sandbox&) = delete;
    Sandbox& operator=(const Sandbox&) = delete;

private:
    void wait_until_ready(const fs::path& log) const {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (!fs::exists(env_file_)) {
            if (wait_until_gone(pid_, std::chrono::milliseconds(0)) || std::chrono::steady_clock::now() > deadline)
                throw Error(ErrorClass::Crashed, "millrace-sandbox did not start:\n" + text_of(log));
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }

    fs::path env_file_; ///< there while the sandbox runs
    pid_t pid_ = 0;
};

void greet(const Configuration& configuration, const UpOptions& options, const std::string& url) {
    fmt::print("\n  Millrace is up{}.\n\n", options.demo ? ", with a sandbox that plays Clockify" : "");
    fmt::print("  dashboard   {}\n", url);
    fmt::print("  flows       millrace flows list\n");
    if (options.demo) fmt::print("  try         millrace run clockify_clients --wait\n");
    fmt::print("  rows        millrace psql\n");
    fmt::print("  state       {}\n\n", configuration.state.string());
    fmt::print("  Ctrl-C stops it; everything is kept for the next start.\n\n");
    std::fflush(stdout);
}

Configuration with_demo(Configuration configuration) {
    configuration.flows.push_back(configuration.installation.flows);
    // the sandbox stands as many requests as this machine can make
    auto& clockify = configuration.project.connections["clockify"];
    clockify.fields["requests_per_second"] = "1000";
    return configuration;
}

} // namespace

void use_sandbox(const Configuration& configuration) {
    const auto file = env_file_of(configuration);
    for (const auto& [name, value] : parse_env_file(text_of(file), file.string())) setenv(name.c_str(), value.c_str(), 1);
}

int up(const Settings::Load& load, const UpOptions& options) {
    Settings::Load with_more = load;
    if (options.demo) with_more = [load](const fs::path& file) { return with_demo(load(file)); };
    Settings settings(with_more);
    const auto configuration = settings.current();
    std::optional<Sandbox> sandbox;
    if (options.demo) sandbox.emplace(*configuration, options.sandbox_arguments);
    ServeHooks hooks;
    hooks.ready = [&](const std::string& url) { greet(*configuration, options, url); };
    return serve(settings, hooks);
}

} // namespace millrace
