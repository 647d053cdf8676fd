/// A millrace-host of one's own for a few questions, without a daemon: the line protocol of flows/host_message.hpp over a
/// socket, blocking. The host starts with start() or the first line, and ends with this object.
#pragma once

#include "flows/json.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <sys/types.h>

namespace millrace {

class HostConversation {
public:
    /// `program` is millrace-host, `kind` its --kind.
    HostConversation(std::filesystem::path program, std::string kind) : program_(std::move(program)), kind_(std::move(kind)) {}
    ~HostConversation();
    HostConversation(const HostConversation&) = delete;
    HostConversation& operator=(const HostConversation&) = delete;

    /// Ahead of the first line, so that the host is warm by then. Throws Error{Resource}.
    void start();
    /// A line as to_line() makes it. Throws Error{Crashed}.
    void send(const std::string& line);
    /// The next message of this type; others are passed over. Throws Error{Crashed} when the host dies, and Error{Timeout}
    /// when it says nothing for so long; then it has been killed.
    [[nodiscard]] Json next(const std::string& type, std::chrono::milliseconds patience);

private:
    void end();
    [[nodiscard]] std::string next_line(std::chrono::milliseconds patience);

    std::filesystem::path program_;
    std::string kind_;
    pid_t pid_ = 0;
    int socket_ = -1;
    std::string received_; ///< bytes after the last complete line
};

} // namespace millrace
