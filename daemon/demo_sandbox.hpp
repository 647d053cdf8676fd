/// The demo's millrace-sandbox: plays the outside services as long as this object lives, is started again when it dies, and keeps its
/// port from one start to the next, for an extraction goes on only where it began.
#pragma once

#include "daemon/configuration.hpp"

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace millrace {

class DemoSandbox {
public:
    /// Until it answers. Its addresses and keys are in our environment from then on, under the names that the implied connections
    /// read. `arguments` are further ones of millrace-sandbox; `report` is called for facts worth a log line, from any thread.
    /// Throws Error.
    DemoSandbox(const Configuration& configuration, std::vector<std::string> arguments, std::function<void(const std::string&)> report);
    ~DemoSandbox();
    DemoSandbox(const DemoSandbox&) = delete;
    DemoSandbox& operator=(const DemoSandbox&) = delete;

private:
    [[nodiscard]] pid_t launch(unsigned short port) const;
    void wait_until_ready() const;
    void watch();

    std::filesystem::path program_;
    std::filesystem::path env_file_;  ///< there while the sandbox runs
    std::filesystem::path port_file_; ///< stays
    std::filesystem::path log_;
    std::vector<std::string> arguments_;
    std::function<void(const std::string&)> report_;
    std::atomic<pid_t> pid_ = 0;
    std::atomic<bool> stopping_ = false;
    std::thread watcher_;
};

/// Where the demo of this project runs: the addresses and keys of its sandbox, into our environment.
void use_sandbox(const Configuration& configuration);

} // namespace millrace
