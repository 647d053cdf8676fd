/// A real millrace-host, beside the test's executable, spoken to over its socket.
#pragma once

#include "flows/host_message.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <poll.h>
#include <set>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace::test {

class TempFolder {
public:
    TempFolder() {
        std::string name = "/tmp/millrace-tasks-XXXXXX";
        path = ::mkdtemp(name.data());
    }
    TempFolder(const TempFolder&) = delete;
    ~TempFolder() { std::filesystem::remove_all(path); }
    std::string path;
};

class HostProcess {
public:
    explicit HostProcess(const std::string& kind = "sql", const std::vector<std::string>& environment = {}) {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        const std::string program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "millrace-host",
                          option = "--kind=" + kind;
        pid_ = ::fork();
        if (pid_ == 0) {
            if (ends[1] == 3)
                ::fcntl(3, F_SETFD, 0);
            else
                ::dup2(ends[1], 3);
            for (const std::string& e : environment) ::putenv(const_cast<char*>(e.c_str()));
            ::execl(program.c_str(), "millrace-host", option.c_str(), nullptr);
            ::_exit(127);
        }
        ::close(ends[1]);
        channel_ = ends[0];
    }
    HostProcess(const HostProcess&) = delete;
    ~HostProcess() {
        ::close(channel_);
        if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    }

    void send(const std::string& line) const {
        REQUIRE(::send(channel_, line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size()));
    }

    /// The next message of that type; null when the host ended or nothing came within the time.
    Json receive(const std::string& type, int seconds = 30) { return receive_any({type}, seconds); }
    /// The same of several types.
    Json receive_any(const std::set<std::string>& types, int seconds = 30) {
        for (;;) {
            for (std::size_t end; (end = buffered_.find('\n')) != std::string::npos;) {
                const Json message = Json::parse(buffered_.substr(0, end));
                buffered_.erase(0, end + 1);
                if (types.contains(message.at("type").get<std::string>())) return message;
            }
            pollfd source{channel_, POLLIN, 0};
            if (::poll(&source, 1, seconds * 1000) != 1) return nullptr;
            char block[65536];
            const ssize_t n = ::recv(channel_, block, sizeof block, 0);
            if (n <= 0) return nullptr;
            buffered_.append(block, static_cast<std::size_t>(n));
        }
    }

    /// The answer to "evaluate", of all its parts.
    EvaluateReply rows() {
        auto reply = receive("rows").get<EvaluateReply>();
        while (reply.more) {
            auto next = receive("rows").get<EvaluateReply>();
            next.rows.insert(next.rows.begin(), std::make_move_iterator(reply.rows.begin()), std::make_move_iterator(reply.rows.end()));
            reply = std::move(next);
        }
        return reply;
    }

    AttemptDone attempt(const AttemptOrder& order) {
        send(to_line("attempt", order));
        const Json done = receive("done", 120);
        REQUIRE(!done.is_null());
        CHECK(done.at("id") == order.id);
        return done.get<AttemptDone>();
    }

    void kill() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    pid_t pid_ = -1;
    int channel_ = -1;
    std::string buffered_;
};

inline AttemptOrder order_for(const TempFolder& run, const std::string& task, const std::string& verb, const Json& options) {
    static OrderId next = 1;
    AttemptOrder order;
    order.id = next++;
    order.task = task;
    order.verb = verb;
    order.options = options;
    order.staging = run.path + "/" + task;
    order.log = run.path + "/logs/" + task + ".1.ndjson";
    order.context.flow = "f";
    order.context.run_id = 7;
    order.context.run_at = "2026-11-20T06:00:00Z";
    order.context.interval_start = "2026-11-19T03:00:00Z";
    order.context.interval_end = "2026-11-20T03:00:00Z";
    order.context.timezone = "America/Sao_Paulo";
    order.interval_key = "k1";
    return order;
}

inline std::vector<Json> log_of(const AttemptOrder& order) {
    std::vector<Json> out;
    std::ifstream in(order.log);
    for (std::string line; std::getline(in, line);) out.push_back(Json::parse(line));
    return out;
}

/// The lines of one level, each with a "|" behind it.
inline std::string text_of(const std::vector<Json>& log, const std::string& level) {
    std::string out;
    for (const Json& line : log)
        if (line["level"] == level) out += line["text"].get<std::string>() + "|";
    return out;
}

inline OrderError error_of(const AttemptDone& done) {
    REQUIRE(done.error);
    return *done.error;
}

inline std::vector<Json> rows_of_dataset(HostProcess& host, const std::string& manifest, const std::string& sql = "select * from d") {
    EvaluateOrder ask;
    ask.id = 999;
    ask.sql = sql;
    ask.inputs = {{"d", manifest}};
    host.send(to_line("evaluate", ask));
    const auto reply = host.rows();
    if (reply.error) FAIL(reply.error->message);
    return reply.rows;
}

} // namespace millrace::test
