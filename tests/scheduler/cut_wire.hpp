/// A wire between a client and PostgreSQL's Unix socket that a test can cut around a COMMIT, so that the client does not know
/// what became of it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::test {

class CutWire {
public:
    /// DuringCommit: the server has it and may not be through.
    enum class Cut { Never, BeforeCommit, DuringCommit, AfterCommit };

    /// `server`: the folder of PostgreSQL's socket. What a client says with `hang_at` in it is not carried on, and not answered
    /// for half a minute.
    explicit CutWire(const std::string& server, std::string hang_at = {}) : server_(server + socket_name), hang_at_(std::move(hang_at)) {
        std::string name = (std::filesystem::temp_directory_path() / "millrace-wire-XXXXXX").string();
        if (!mkdtemp(name.data())) throw std::runtime_error("no folder for the wire");
        folder_ = name;
        listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_un at = address(folder_ + socket_name);
        if (bind(listener_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 || listen(listener_, 8) != 0)
            throw std::runtime_error("the wire cannot listen");
        thread_ = std::thread([this] { carry(); });
    }
    ~CutWire() {
        stop_ = true;
        thread_.join();
        close(listener_);
        std::filesystem::remove_all(folder_);
    }
    [[nodiscard]] const std::string& folder() const { return folder_; }
    /// Of the next COMMIT; after it the wire is whole again.
    void cut(Cut when) { cut_ = when; }
    [[nodiscard]] int cuts() const { return cuts_; }
    [[nodiscard]] bool hangs() const { return hangs_; }

private:
    static constexpr const char* socket_name = "/.s.PGSQL.5432";

    static sockaddr_un address(const std::string& path) {
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        std::strncpy(at.sun_path, path.c_str(), sizeof at.sun_path - 1);
        return at;
    }

    bool readable(int fd) const {
        pollfd p{fd, POLLIN, 0};
        while (!stop_)
            if (poll(&p, 1, 20) > 0) return true;
        return false;
    }

    void carry() {
        while (readable(listener_)) {
            const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            const sockaddr_un at = address(server_);
            if (connect(server, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) carry(client, server);
            close(client);
            close(server);
        }
    }

    bool must_hang(std::string_view said) const { return !hang_at_.empty() && said.find(hang_at_) != std::string_view::npos; }

    /// As a statement, or as the name of a prepared one.
    static std::size_t place_of_commit(std::string_view said) {
        return std::min(said.find("COMMIT"), said.find(std::string_view("commit", 7)));
    }

    void hang(int client) {
        hangs_ = true;
        pollfd p{client, POLLIN, 0};
        for (int i = 0; i < 1500 && !stop_ && poll(&p, 1, 20) == 0; ++i) {
        }
    }

    void carry(int client, int server) {
        char buffer[65536];
        pollfd both[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
        while (!stop_) {
            if (poll(both, 2, 20) <= 0) continue;
            for (int i = 0; i < 2; ++i) {
                if (!both[i].revents) continue;
                const auto n = read(both[i].fd, buffer, sizeof buffer);
                if (n <= 0) return;
                if (i == 0 && must_hang({buffer, static_cast<std::size_t>(n)})) return hang(client);
                const auto commit = i == 0 ? place_of_commit({buffer, static_cast<std::size_t>(n)}) : std::string_view::npos;
                const Cut when = commit == std::string_view::npos ? Cut::Never : cut_.exchange(Cut::Never);
                if (when != Cut::Never) ++cuts_;
                const auto carried = when == Cut::BeforeCommit ? static_cast<ssize_t>(commit) : n; // rows may come in front of it
                if (send(both[1 - i].fd, buffer, static_cast<std::size_t>(carried), MSG_NOSIGNAL) != carried) return;
                if (when == Cut::BeforeCommit || when == Cut::DuringCommit) return;
                if (when != Cut::AfterCommit) continue;
                (void)(readable(server) && read(server, buffer, sizeof buffer) > 0); // it is done, and nobody hears of it
                return;
            }
        }
    }

    std::string server_, hang_at_, folder_;
    int listener_ = -1;
    std::atomic<bool> stop_ = false;
    std::atomic<Cut> cut_ = Cut::Never;
    std::atomic<int> cuts_ = 0;
    std::atomic<bool> hangs_ = false;
    std::thread thread_;
};

} // namespace millrace::test
