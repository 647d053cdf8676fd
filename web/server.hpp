/// The daemon's door: a TCP listener and a Unix socket, each connection a coroutine on the loop's thread.
///
///     WebServer server(io, config, {service, read_models, validator, keys});
///     server.start();                 // listening when it returns
///     co_await server.stop();         // no connection is left when it returns
#pragma once

#include "web/access.hpp"
#include "web/api/api.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace millrace {

struct WebConfig {
    std::string listen = "127.0.0.1:8686";           ///< address:port, "[::1]:8686", ":0" for any port of loopback; empty: no TCP
    std::string socket;                              ///< path of the Unix socket; empty: none
    std::filesystem::path dashboard;                 ///< folder; empty: Dashboard::default_folder()
    std::vector<std::string> hosts;                  ///< more names under which a browser may reach a daemon without keys
    std::size_t header_limit = 16 << 10;             ///< bytes
    std::size_t body_limit = 12 << 20;               ///< bytes
    std::size_t connections = 512;                   ///< at once, of TCP and of the socket each; more are told 503
    std::chrono::milliseconds idle_timeout{75000};   ///< between the requests of a connection
    std::chrono::milliseconds header_timeout{10000}; ///< from a request's first byte to the end of its header
    std::chrono::milliseconds body_timeout{60000};   ///< for the body, and for writing an answer
    std::chrono::milliseconds event_pulse{15000};    ///< an event stream says at least so often that it is alive
};

/// References outlive the server.
struct WebBackend {
    Service& service;
    ReadModels& read_models;
    FlowValidator& validator;
    const KeyRing& keys;
};

/// Throws Error{Permanent} where `listen` is no ADDRESS:PORT.
[[nodiscard]] boost::asio::ip::tcp::endpoint endpoint_of(const std::string& listen);

/// Whether the addresses can be listened on at all, free or taken: to be asked before anything is begun. Throws
/// Error{Permanent} that names the mistake and the remedy.
void check_addresses(const WebConfig& config, const KeyRing& keys);

class WebServer {
public:
    WebServer(boost::asio::io_context& io, WebConfig config, WebBackend backend);
    ~WebServer();

    /// Throws Error{Permanent} that says which address or path is taken or not allowed, and what to do.
    void start();
    /// Idle connections and event streams end at once; a request that is being answered has until `grace`.
    [[nodiscard]] boost::asio::awaitable<void> stop(std::chrono::milliseconds grace = std::chrono::seconds(5));

    /// Of the TCP listener; 0 without one.
    [[nodiscard]] int port() const;
    /// "http://127.0.0.1:8686"; empty without a TCP listener.
    [[nodiscard]] std::string url() const;

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

} // namespace millrace
