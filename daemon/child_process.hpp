/// Programs that the daemon starts for itself: PostgreSQL's tools and, in the demo, the sandbox. Not for attempts: those
/// are the business of scheduler/host_pool. Blocking; call it off the loop.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace millrace {

struct ChildOptions {
    std::vector<std::string> argv;                  ///< argv[0] is the path of the program
    std::map<std::string, std::string> environment; ///< added to ours
    std::string output;                             ///< file that gets stdout and stderr, appended; empty: /dev/null
    std::optional<uid_t> uid;                       ///< with its groups; only root may set it
    std::optional<gid_t> gid;
    std::optional<int> descriptor_3; ///< of ours, becomes descriptor 3 of the child
    bool own_session = true;         ///< a Ctrl-C on our terminal does not reach it
    bool dies_with_us = false;       ///< SIGTERM when our process ends, however it ends
};

/// Starts it and returns its process id. Throws Error when the program cannot be started.
[[nodiscard]] pid_t start_child(const ChildOptions& options);

struct ChildResult {
    int exit_code = 0;  ///< 128 + signal when a signal ended it
    std::string output; ///< stdout and stderr, the last 64 KiB
};

/// Runs it to its end; `options.output` is not used.
[[nodiscard]] ChildResult run_child(const ChildOptions& options);

/// Whether the process is there and no zombie.
[[nodiscard]] bool is_alive(pid_t pid);
/// Waits until it is gone; reaps it when it is our child. False when the time was not enough.
bool wait_until_gone(pid_t pid, std::chrono::milliseconds limit);

} // namespace millrace
