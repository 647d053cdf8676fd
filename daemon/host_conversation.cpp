#include "daemon/host_conversation.hpp"

#include "daemon/child_process.hpp"
#include "flows/error.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace {

HostConversation::~HostConversation() { end(); }

void HostConversation::start() {
    if (socket_ >= 0) return;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        throw Error(ErrorClass::Resource, std::string("no socket for a host: ") + std::strerror(errno));
    ChildOptions host;
    host.argv = {program_.string(), "--kind", kind_};
    host.descriptor_3 = pair[1];
    host.dies_with_us = false; // it ends when its socket closes; a parent-death signal would follow our thread, not us
    try {
        pid_ = start_child(host);
    } catch (...) {
        close(pair[0]);
        close(pair[1]);
        throw;
    }
    close(pair[1]);
    socket_ = pair[0];
}

void HostConversation::end() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
    if (pid_ > 0 && !wait_until_gone(pid_, std::chrono::seconds(2))) {
        kill(pid_, SIGKILL);
        wait_until_gone(pid_, std::chrono::seconds(2));
    }
    pid_ = 0;
    received_.clear();
}

std::string HostConversation::next_line(std::chrono::milliseconds patience) {
    for (;;) {
        if (const auto at = received_.find('\n'); at != std::string::npos) {
            auto line = received_.substr(0, at);
            received_.erase(0, at + 1);
            return line;
        }
        pollfd ready{socket_, POLLIN, 0};
        const int n = poll(&ready, 1, static_cast<int>(patience.count()));
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) {
            kill(pid_, SIGKILL);
            end();
            throw Error(ErrorClass::Timeout, fmt::format("millrace-host has not answered for {} seconds", patience.count() / 1000));
        }
        std::array<char, 65536> buffer;
        const auto size = read(socket_, buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) {
            end();
            throw Error(ErrorClass::Crashed, "millrace-host ended while it was asked",
                        "run " + program_.string() + " --version: it must start");
        }
        received_.append(buffer.data(), static_cast<std::size_t>(size));
    }
}

void HostConversation::send(const std::string& line) {
    if (pid_ > 0 && wait_until_gone(pid_, std::chrono::seconds(0))) { // it was started ahead, and did not last
        pid_ = 0;
        end();
    }
    start();
    for (std::size_t sent = 0; sent < line.size();) {
        const auto n = ::send(socket_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            end();
            throw Error(ErrorClass::Crashed, "millrace-host ended before it was asked",
                        "run " + program_.string() + " --version: it must start");
        }
        sent += static_cast<std::size_t>(n);
    }
}

Json HostConversation::next(const std::string& type, std::chrono::milliseconds patience) {
    for (;;) {
        auto message = Json::parse(next_line(patience));
        if (message.value("type", "") == type) return message;
    }
}

} // namespace millrace
