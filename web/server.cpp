#include "web/server.hpp"

#include "web/dashboard_files.hpp"
#include "web/session.hpp"

#include "flows/error.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <list>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using local = asio::local::stream_protocol;

namespace {

Error cannot_listen(const std::string& where, const error_code& error) {
    const std::string elsewhere = " with --listen, or `listen:` in millrace.yaml";
    return Error(ErrorClass::Permanent, "cannot listen on " + where + ": " + error.message(),
                 error == asio::error::access_denied    ? "ports below 1024 are root's: take another" + elsewhere
                 : error == asio::error::address_in_use ? "end the program that listens there, or take another port" + elsewhere
                                                        : "take an address that this machine has" + elsewhere);
}

error_code bind(tcp::acceptor& acceptor, const tcp::endpoint& endpoint) {
    error_code error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    return error;
}

/// One that is taken is left to who can say by whom.
void check_may_be_bound(const std::string& listen) {
    asio::io_context io;
    tcp::acceptor acceptor(io);
    const auto error = bind(acceptor, endpoint_of(listen));
    if (error && error != asio::error::address_in_use) throw cannot_listen(listen, error);
}

Peer unix_peer(local::socket& socket) {
    Peer peer;
    peer.kind = Peer::Kind::Unix;
    peer.address = "unix";
    ucred credentials{};
    socklen_t size = sizeof credentials;
    const bool known = ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0;
    peer.uid = known ? credentials.uid : static_cast<std::uint32_t>(-1);
    return peer;
}

Peer tcp_peer(tcp::socket& socket) {
    Peer peer;
    error_code error;
    // An answer is written at once and wholly; waiting for more to send only delays it.
    socket.set_option(tcp::no_delay(true), error);
    const auto remote = socket.remote_endpoint(error);
    peer.address = error ? "gone" : remote.address().to_string();
    return peer;
}

} // namespace

struct WebServer::Parts {
    struct Connection {
        Peer::Kind kind;
        std::unique_ptr<Session> session;
        asio::cancellation_signal cancel;
    };

    asio::io_context& io;
    WebConfig config;
    const KeyRing& keys;
    EventStreams events;
    Dashboard dashboard;
    Api api;
    SessionContext context;
    tcp::acceptor tcp_acceptor;
    local::acceptor local_acceptor;
    asio::steady_timer changed; ///< cancelled whenever a coroutine of ours ends
    std::list<Connection> connections;
    int accepting = 0; ///< accept loops under way
    int port = 0;

    Parts(asio::io_context& i, WebConfig c, WebBackend b)
        : io(i), config(std::move(c)), keys(b.keys), events(b.service),
          dashboard(config.dashboard.empty() ? Dashboard::default_folder() : config.dashboard),
          api{b.service, b.read_models, b.validator, events, dashboard, io.get_executor()}, context{config, b.keys,
                                                                                                    AccessRules{config.hosts}, api},
          tcp_acceptor(io), local_acceptor(io), changed(io) {}

    void listen_tcp();
    void listen_local();
    void admit(ClientSocket socket, Peer peer);
    template <class Acceptor, class PeerOf>
    asio::awaitable<void> accept(Acceptor& acceptor, PeerOf peer_of);
    void accepted_loop_ended();
    asio::awaitable<bool> wait_until_empty(std::chrono::milliseconds most);
};

void WebServer::Parts::listen_tcp() {
    auto error = bind(tcp_acceptor, endpoint_of(config.listen));
    if (!error) tcp_acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) throw cannot_listen(config.listen, error);
    port = tcp_acceptor.local_endpoint().port();
}

/// The state folder's lock is held by now, so a socket file that is there belongs to nobody.
void WebServer::Parts::listen_local() {
    ::unlink(config.socket.c_str());
    error_code error;
    local_acceptor.open(local(), error);
    if (!error) local_acceptor.bind(local::endpoint(config.socket), error);
    if (!error) local_acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error)
        throw Error(ErrorClass::Permanent, "cannot listen on " + config.socket + ": " + error.message(),
                    "take away what is there, and let this user write to its folder; or choose another with `state:` in millrace.yaml");
    // Everyone may connect; peer credentials decide, and say why not.
    ::chmod(config.socket.c_str(), 0666);
}

void WebServer::Parts::admit(ClientSocket socket, Peer peer) {
    // The limit is for each door: browsers that hold all of TCP must not keep the command line out.
    const auto same_door = [kind = peer.kind](const Connection& c) { return c.kind == kind; };
    const auto open = std::count_if(connections.begin(), connections.end(), same_door);
    const bool full = static_cast<std::size_t>(open) >= config.connections;
    const auto place = connections.emplace(connections.end());
    place->kind = peer.kind;
    place->session = std::make_unique<Session>(context, std::move(socket), std::move(peer));
    Session& session = *place->session;
    auto ended = [this, place](std::exception_ptr thrown) {
        connections.erase(place);
        changed.cancel();
        try {
            if (thrown) std::rethrow_exception(thrown);
        } catch (const std::exception& e) {
            spdlog::warn("http connection ended reason=\"{}\"", e.what());
        }
    };
    asio::co_spawn(io, full ? session.refuse() : session.run(), asio::bind_cancellation_slot(place->cancel.slot(), std::move(ended)));
}

template <class Acceptor, class PeerOf>
asio::awaitable<void> WebServer::Parts::accept(Acceptor& acceptor, PeerOf peer_of) {
    while (acceptor.is_open()) {
        error_code error;
        typename Acceptor::protocol_type::socket socket(io);
        co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
        if (error == asio::error::operation_aborted) break;
        if (error) {
            // Out of descriptors, or a client that left while it waited: neither may end the listener.
            spdlog::warn("http accept failed reason=\"{}\"", error.message());
            asio::steady_timer pause(io, std::chrono::milliseconds(100));
            co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
            continue;
        }
        Peer peer = peer_of(socket);
        admit(ClientSocket(std::move(socket)), std::move(peer));
    }
}

void WebServer::Parts::accepted_loop_ended() {
    --accepting;
    changed.cancel();
}

asio::awaitable<bool> WebServer::Parts::wait_until_empty(std::chrono::milliseconds most) {
    const auto until = std::chrono::steady_clock::now() + most;
    while (accepting > 0 || !connections.empty()) {
        if (std::chrono::steady_clock::now() >= until) co_return false;
        error_code ignored;
        changed.expires_at(until);
        co_await changed.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    co_return true;
}

tcp::endpoint endpoint_of(const std::string& listen) {
    const auto wrong = [&](const std::string& why) {
        return Error(ErrorClass::Permanent, "listen: '" + listen + "' " + why, "write ADDRESS:PORT, such as 127.0.0.1:8686 or [::1]:8686");
    };
    const std::size_t colon = listen.rfind(':');
    if (colon == std::string::npos)
        throw wrong(listen.find_first_not_of("0123456789") == std::string::npos ? "is a port without an address" : "has no port");
    std::string host = listen.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.empty() || host == "localhost") host = "127.0.0.1";
    error_code error;
    const auto address = asio::ip::make_address(host, error);
    if (error) throw wrong("has an address that is none");
    const std::string port = listen.substr(colon + 1);
    if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos || std::stoi(port) > 65535)
        throw wrong("has no port from 0 to 65535");
    return {address, static_cast<unsigned short>(std::stoi(port))};
}

void check_addresses(const WebConfig& config, const KeyRing& keys) {
    if (!config.listen.empty() && !endpoint_of(config.listen).address().is_loopback() && keys.is_empty())
        throw Error(ErrorClass::Permanent, "listen: " + config.listen + " can be reached from other machines, and no key exists",
                    "listen on 127.0.0.1, and come from elsewhere through an SSH tunnel or a proxy that authenticates");
    if (config.socket.size() >= sizeof(sockaddr_un::sun_path))
        throw Error(ErrorClass::Permanent,
                    fmt::format("the socket's path {} is longer than {} bytes", config.socket, sizeof(sockaddr_un::sun_path) - 1),
                    "choose a state folder with a shorter path");
    if (!config.listen.empty()) check_may_be_bound(config.listen);
}

WebServer::WebServer(asio::io_context& io, WebConfig config, WebBackend backend)
    : parts_(std::make_unique<Parts>(io, std::move(config), backend)) {}

WebServer::~WebServer() = default;

void WebServer::start() {
    Parts& self = *parts_;
    check_addresses(self.config, self.keys);
    if (!self.config.listen.empty()) self.listen_tcp();
    if (!self.config.socket.empty()) self.listen_local();
    const auto ended = [&self](std::exception_ptr) { self.accepted_loop_ended(); };
    if (self.tcp_acceptor.is_open()) {
        ++self.accepting;
        asio::co_spawn(self.io, self.accept(self.tcp_acceptor, tcp_peer), ended);
    }
    if (self.local_acceptor.is_open()) {
        ++self.accepting;
        asio::co_spawn(self.io, self.accept(self.local_acceptor, unix_peer), ended);
    }
}

asio::awaitable<void> WebServer::stop(std::chrono::milliseconds grace) {
    Parts& self = *parts_;
    error_code ignored;
    self.tcp_acceptor.close(ignored);
    self.local_acceptor.close(ignored);
    if (!self.config.socket.empty()) ::unlink(self.config.socket.c_str());
    self.events.close();
    for (auto& connection : self.connections) connection.session->close();
    const bool drained = co_await self.wait_until_empty(grace);
    if (drained) co_return;
    for (auto& connection : self.connections) connection.cancel.emit(asio::cancellation_type::terminal);
    co_await self.wait_until_empty(std::chrono::hours(1));
}

int WebServer::port() const { return parts_->port; }

std::string WebServer::url() const {
    if (parts_->port == 0) return {};
    const auto address = parts_->tcp_acceptor.local_endpoint().address();
    return "http://" + (address.is_v6() ? "[" + address.to_string() + "]" : address.to_string()) + ":" + std::to_string(parts_->port);
}

} // namespace millrace
