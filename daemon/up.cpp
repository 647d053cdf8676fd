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

/// The simulators, as long as this object lives. Their addresses and keys are in our environment from then on, under the
/// names that the implied connections read.
class Sandbox {
public:
    Sandbox(const Configuration& configuration, const std::vector<std::string>& arguments) {
        const auto env_file = configuration.state / "sandbox.env";
        const auto log = configuration.state / "sandbox.log";
        std::error_code ignored;
        make_private_folder(configuration.state);
        fs::remove(env_file, ignored);
        fs::remove(log, ignored);
        ChildOptions child;
        child.argv = {(configuration.installation.bin / "millrace-sandbox").string(), "--port", "0", "--rate", "0", "--env-file", env_file.string()};
        child.argv.insert(child.argv.end(), arguments.begin(), arguments.end());
        child.output = log.string();
        child.dies_with_us = true;
        pid_ = start_child(child);
        wait_for(env_file, log);
    }
    ~Sandbox() {
        kill(pid_, SIGTERM);
        wait_until_gone(pid_, std::chrono::seconds(5));
    }
    Sandbox(const Sandbox&) = delete;
    Sandbox& operator=(const Sandbox&) = delete;

private:
    static std::string text_of(const fs::path& file) {
        std::ifstream in(file);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    void wait_for(const fs::path& env_file, const fs::path& log) const {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (!fs::exists(env_file)) {
            if (wait_until_gone(pid_, std::chrono::milliseconds(0)) || std::chrono::steady_clock::now() > deadline)
                throw Error(ErrorClass::Crashed, "millrace-sandbox did not start:\n" + text_of(log));
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        for (const auto& [name, value] : parse_env_file(text_of(env_file), env_file.string())) setenv(name.c_str(), value.c_str(), 1);
    }

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

} // namespace

int up(Configuration configuration, const UpOptions& options) {
    std::optional<Sandbox> sandbox;
    if (options.demo) {
        sandbox.emplace(configuration, options.sandbox_arguments);
        configuration.flows.push_back(configuration.installation.flows);
        // the sandbox stands as many requests as this machine can make
        auto& clockify = configuration.project.connections["clockify"];
        clockify.fields["requests_per_second"] = "1000";
    }
    ServeHooks hooks;
    hooks.ready = [&](const std::string& url) { greet(configuration, options, url); };
    return serve(configuration, hooks);
}

} // namespace millrace
