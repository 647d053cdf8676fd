#include "running_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::test {

namespace {

int connected(int family, const sockaddr* address, socklen_t size) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    timeval patience{5, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(fd, address, size) != 0) throw std::runtime_error("cannot connect to the server under test");
    return fd;
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

std::filesystem::path new_folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-web-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("cannot make a temporary folder");
    return pattern;
}

WebConfig in_folder(WebConfig config, const std::filesystem::path& folder) {
    config.listen = "127.0.0.1:0";
    config.socket = folder / "millrace.sock";
    config.dashboard = folder / "dashboard";
    std::filesystem::create_directories(config.dashboard / "assets");
    std::ofstream(config.dashboard / "index.html") << "<!doctype html><title>Millrace</title>";
    std::ofstream(config.dashboard / "assets" / "app-1234.js") << "'use strict';";
    return config;
}

} // namespace

Client Client::tcp(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return Client(connected(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

Client Client::local(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return Client(connected(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

Client::Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}

Client::~Client() {
    if (fd_ >= 0) ::close(fd_);
}

void Client::send(const std::string& bytes) {
    for (std::size_t sent = 0; sent < bytes.size();) {
        const ssize_t n = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += static_cast<std::size_t>(n);
    }
}

bool Client::more() {
    char chunk[16384];
    const ssize_t n = ::recv(fd_, chunk, sizeof chunk, 0);
    if (n <= 0) return false;
    buffer_.append(chunk, static_cast<std::size_t>(n));
    return true;
}

std::string Client::receive_until(const std::string& end) {
    std::size_t at;
    while ((at = buffer_.find(end)) == std::string::npos) {
        if (!more()) return std::exchange(buffer_, {});
    }
    std::string text = buffer_.substr(0, at + end.size());
    buffer_.erase(0, at + end.size());
    return text;
}

Answer Client::receive(const std::string& method) {
    Answer answer;
    const std::string head = receive_until("\r\n\r\n");
    if (!head.starts_with("HTTP/1.1 ")) return answer;
    answer.status = std::stoi(head.substr(9, 3));
    for (std::size_t at = head.find("\r\n") + 2; at < head.size() - 2;) {
        const std::size_t end = head.find("\r\n", at), colon = head.find(": ", at);
        answer.headers[lower(head.substr(at, colon - at))] = head.substr(colon + 2, end - colon - 2);
        at = end + 2;
    }
    if (method == "HEAD" || !answer.headers.contains("content-length")) return answer;
    const std::size_t length = std::stoul(answer.headers["content-length"]);
    while (buffer_.size() < length && more()) {
    }
    answer.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    return answer;
}

Answer Client::ask(const std::string& method, const std::string& target, const std::string& body, const std::string& headers) {
    std::string request = method + " " + target + " HTTP/1.1\r\n";
    if (headers.find("Host:") == std::string::npos) request += "Host: localhost\r\n";
    if (!body.empty() && headers.find("Content-Type:") == std::string::npos) request += "Content-Type: application/json\r\n";
    if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    send(request + headers + "\r\n" + body);
    return receive(method);
}

bool Client::is_closed() { return buffer_.empty() && !more(); }

RunningServer::RunningServer(WebConfig config) : folder(new_folder()), work_(io.get_executor()) {
    const WebBackend backend{service, read_models, validator, keys};
    server = std::make_unique<WebServer>(io, in_folder(std::move(config), folder), backend);
    server->start();
    thread_ = std::thread([this] { io.run(); });
}

void RunningServer::stop(std::chrono::milliseconds grace) {
    if (std::exchange(stopped_, true)) return;
    boost::asio::co_spawn(io, server->stop(grace), boost::asio::use_future).get();
}

RunningServer::~RunningServer() {
    stop();
    work_.reset();
    thread_.join();
    std::filesystem::remove_all(folder);
}

Answer RunningServer::get(const std::string& target, const std::string& headers) { return connect().ask("GET", target, {}, headers); }

Answer RunningServer::post(const std::string& target, const std::string& body, const std::string& headers) {
    return connect().ask("POST", target, body, headers);
}

} // namespace millrace::test
