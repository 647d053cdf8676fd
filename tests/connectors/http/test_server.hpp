/// A small HTTP server inside the test, on a free port: answers by a function, and can misbehave like the real world.
#pragma once

#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace millrace::test {

struct TestRequest {
    std::string method, target, body;
    std::map<std::string, std::string> headers; ///< names in lower case
    int number = 0;                             ///< of the server, 1-based
};

struct TestAnswer {
    int status = 200;
    std::string body;
    std::map<std::string, std::string> headers{{"Content-Type", "application/json"}};
    std::size_t cut_after = std::string::npos; ///< bytes of the body, then the connection is reset
    int drip_ms = 0;                           ///< one byte, then so long nothing, again and again
    int think_ms = 0;                          ///< nothing at all, then the answer
};

class TestServer {
public:
    explicit TestServer(std::function<TestAnswer(const TestRequest&)> handler) : handler_(std::move(handler)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_, 64) != 0)
            throw std::runtime_error("no port");
        socklen_t size = sizeof address;
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        acceptor_ = std::thread([this] { accept_all(); });
    }
    TestServer(const TestServer&) = delete;
    ~TestServer() {
        stopping_ = true;
        ::shutdown(listener_, SHUT_RDWR);
        acceptor_.join();
        ::close(listener_);
        {
            const std::lock_guard lock(mutex_);
            for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
        }
        for (std::thread& t : threads_) t.join();
    }
    [[nodiscard]] std::string url(const std::string& host = "127.0.0.1") const { return "http://" + host + ":" + std::to_string(port_); }
    [[nodiscard]] std::vector<TestRequest> log() const {
        const std::lock_guard lock(mutex_);
        return log_;
    }

private:
    void accept_all() {
        for (;;) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) return;
            const std::lock_guard lock(mutex_);
            open_.push_back(fd);
            threads_.emplace_back([this, fd] {
                serve(fd);
                const std::lock_guard inner(mutex_);
                std::erase(open_, fd);
                ::close(fd);
            });
        }
    }
    void serve(int fd) {
        std::string in;
        while (!stopping_) {
            std::size_t head = 0;
            while ((head = in.find("\r\n\r\n")) == std::string::npos)
                if (!more(fd, in)) return;
            TestRequest request = parse(in.substr(0, head));
            const auto length = request.headers.contains("content-length") ? std::stoul(request.headers["content-length"]) : 0;
            while (in.size() < head + 4 + length)
                if (!more(fd, in)) return;
            request.body = in.substr(head + 4, length);
            in.erase(0, head + 4 + length);
            TestAnswer answer;
            {
                const std::lock_guard lock(mutex_);
                request.number = static_cast<int>(log_.size()) + 1;
                log_.push_back(request);
                answer = handler_(request);
            }
            if (!send(fd, answer)) return;
        }
    }
    static bool more(int fd, std::string& in) {
        char block[65536];
        const ssize_t n = ::recv(fd, block, sizeof block, 0);
        if (n > 0) in.append(block, static_cast<std::size_t>(n));
        return n > 0;
    }
    static TestRequest parse(const std::string& head) {
        TestRequest r;
        const auto space = head.find(' '), second = head.find(' ', space + 1);
        r.method = head.substr(0, space);
        r.target = head.substr(space + 1, second - space - 1);
        for (std::size_t at = head.find("\r\n"); at != std::string::npos;) {
            const auto next = head.find("\r\n", at + 2);
            const std::string line = head.substr(at + 2, next == std::string::npos ? next : next - at - 2);
            const auto colon = line.find(':');
            std::string name = line.substr(0, colon);
            for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
            if (colon != std::string::npos) r.headers[name] = line.substr(line.find_first_not_of(' ', colon + 1));
            at = next;
        }
        return r;
    }
    bool send(int fd, const TestAnswer& answer) const {
        std::this_thread::sleep_for(std::chrono::milliseconds(answer.think_ms));
        std::string out =
            "HTTP/1.1 " + std::to_string(answer.status) + " Text\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\n";
        for (const auto& [name, value] : answer.headers) out += name + ": " + value + "\r\n";
        out += "\r\n";
        if (answer.drip_ms > 0) {
            if (!all(fd, out)) return false;
            for (const char c : answer.body) {
                if (stopping_ || !all(fd, std::string(1, c))) return false;
                std::this_thread::sleep_for(std::chrono::milliseconds(answer.drip_ms));
            }
            return true;
        }
        const bool cut = answer.cut_after < answer.body.size();
        if (!all(fd, out + answer.body.substr(0, answer.cut_after))) return false;
        if (cut) {
            const linger abrupt{1, 0};
            ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &abrupt, sizeof abrupt);
        }
        return !cut;
    }
    static bool all(int fd, const std::string& text) {
        std::size_t done = 0;
        while (done < text.size()) {
            const ssize_t n = ::send(fd, text.data() + done, text.size() - done, MSG_NOSIGNAL);
            if (n <= 0) return false;
            done += static_cast<std::size_t>(n);
        }
        return true;
    }

    std::function<TestAnswer(const TestRequest&)> handler_; ///< called with the lock held
    int listener_ = -1;
    int port_ = 0;
    std::atomic<bool> stopping_{false};
    mutable std::mutex mutex_;
    std::vector<TestRequest> log_;
    std::vector<int> open_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

} // namespace millrace::test
