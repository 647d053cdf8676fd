/// The real server over real sockets, with its loop on a thread of its own, and a client that speaks plain HTTP.
#pragma once

#include "fakes.hpp"

#include "web/server.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <filesystem>
#include <future>
#include <map>
#include <string>
#include <thread>

namespace millrace::test {

struct Answer {
    int status = 0;                             ///< 0: the connection ended without one
    std::map<std::string, std::string> headers; ///< names in lower case
    std::string body;
    [[nodiscard]] Json json() const { return Json::parse(body); }
};

/// One connection. Reads time out after five seconds.
class Client {
public:
    static Client tcp(int port);
    static Client local(const std::string& path);
    Client(Client&& other) noexcept;
    ~Client();

    void send(const std::string& bytes);
    /// The next answer, by its Content-Length.
    Answer receive(const std::string& method = "GET");
    /// Everything up to and including `end`; what came where the connection ends before.
    std::string receive_until(const std::string& end);
    Answer ask(const std::string& method, const std::string& target, const std::string& body = {}, const std::string& headers = {});
    [[nodiscard]] bool is_closed();

private:
    explicit Client(int fd) : fd_(fd) {}
    bool more();
    int fd_;
    std::string buffer_;
};

class RunningServer {
public:
    explicit RunningServer(WebConfig config = {});
    ~RunningServer();

    /// One request on a connection of its own; a body is sent as application/json.
    Answer get(const std::string& target, const std::string& headers = {});
    Answer post(const std::string& target, const std::string& body = "{}", const std::string& headers = {});
    Client connect() { return Client::tcp(server->port()); }
    /// Runs `work` on the loop's thread.
    template <class Work>
    auto on_loop(Work work) {
        std::packaged_task<std::invoke_result_t<Work>()> task(std::move(work));
        auto result = task.get_future();
        boost::asio::post(io, std::move(task));
        return result.get();
    }
    void stop(std::chrono::milliseconds grace = std::chrono::seconds(5));

    FakeService service;
    FakeReadModels read_models;
    FakeValidator validator;
    FakeKeys keys;
    boost::asio::io_context io;
    std::filesystem::path folder; ///< of the Unix socket and the dashboard; removed in the end
    std::unique_ptr<WebServer> server;

private:
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    std::thread thread_;
    bool stopped_ = false;
};

} // namespace millrace::test
