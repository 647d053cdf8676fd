#include "daemon/demo_sandbox.hpp"

#include "daemon/child_process.hpp"
#include "daemon/listeners.hpp"
#include "daemon/serve.hpp"
#include "flows/error.hpp"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>

namespace fs = std::filesystem;

namespace millrace {
namespace {

fs::path env_file_of(const Configuration& configuration) { return configuration.state / "sandbox.env"; }

std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// 0: there was none.
unsigned short port_in(const fs::path& file) {
    unsigned short port = 0;
    std::ifstream(file) >> port;
    return port;
}

/// Waits a moment for the sandbox of a killed daemon, which dies with it.
bool is_free_soon(unsigned short port) {
    const boost::asio::ip::tcp::endpoint endpoint(boost::asio::ip::address_v4::loopback(), port);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    while (is_taken(endpoint)) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

} // namespace

DemoSandbox::DemoSandbox(const Configuration& configuration, std::vector<std::string> arguments,
                         std::function<void(const std::string&)> report)
    : program_(configuration.installation.bin / "millrace-sandbox"), env_file_(env_file_of(configuration)),
      port_file_(configuration.state / "sandbox.port"), log_(configuration.state / "sandbox.log"), arguments_(std::move(arguments)),
      report_(std::move(report)) {
    std::error_code ignored;
    make_private_folder(configuration.state);
    fs::remove(env_file_, ignored);
    fs::remove(log_, ignored);
    const auto former = port_in(port_file_);
    pid_ = launch(former != 0 && is_free_soon(former) ? former : 0);
    wait_until_ready();
    use_sandbox(configuration);
    watcher_ = std::thread([this] { watch(); });
}

DemoSandbox::~DemoSandbox() {
    stopping_ = true;
    if (watcher_.joinable()) watcher_.join();
    std::error_code ignored;
    fs::remove(env_file_, ignored);
    kill(pid_, SIGTERM);
    wait_until_gone(pid_, std::chrono::seconds(5));
}

pid_t DemoSandbox::launch(unsigned short port) const {
    ChildOptions child;
    child.argv = {program_.string(), "--port",           std::to_string(port), "--rate",           "0",
                  "--env-file",      env_file_.string(), "--port-file",        port_file_.string()};
    child.argv.insert(child.argv.end(), arguments_.begin(), arguments_.end());
    child.output = log_.string();
    child.dies_with_us = true;
    return start_child(child);
}

void DemoSandbox::wait_until_ready() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!fs::exists(env_file_)) {
        const bool is_gone = wait_until_gone(pid_, std::chrono::milliseconds(0));
        if (is_gone || std::chrono::steady_clock::now() > deadline) {
            kill(pid_, SIGKILL);
            throw Error(ErrorClass::Crashed, "millrace-sandbox did not start:\n" + text_of(log_),
                        "see its options: millrace sandbox --help; or start without it: millrace up");
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

/// At the same port: what it told the world once is in our environment, and in that of runs under way.
void DemoSandbox::watch() {
    constexpr auto pause = std::chrono::seconds(1); // between two starts
    auto next = std::chrono::steady_clock::now();
    while (!stopping_) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        const auto now = std::chrono::steady_clock::now();
        if (stopping_ || now < next || !wait_until_gone(pid_, std::chrono::milliseconds(0))) continue;
        next = now + pause;
        try {
            const pid_t former = pid_;
            pid_ = launch(port_in(port_file_));
            report_(fmt::format("sandbox=died pid={} action=restart new_pid={} log={}", former, pid_.load(), log_.string()));
        } catch (const std::exception& e) {
            report_(fmt::format("sandbox=not_started reason=\"{}\"", e.what()));
        }
    }
}

void use_sandbox(const Configuration& configuration) {
    const auto file = env_file_of(configuration);
    for (const auto& [name, value] : parse_env_file(text_of(file), file.string())) setenv(name.c_str(), value.c_str(), 1);
}

} // namespace millrace
