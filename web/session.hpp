/// One connection: reads requests, has them answered, writes the answers. The only place that knows Beast.
#pragma once

#include "web/access.hpp"
#include "web/server.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <memory>

namespace millrace {

/// What all sessions share; outlives them.
struct SessionContext {
    const WebConfig& config;
    const KeyRing& keys;
    AccessRules rules;
    Api& api;
};

using ClientSocket = boost::asio::generic::stream_protocol::socket;

class Session {
public:
    Session(SessionContext& context, ClientSocket socket, Peer peer);
    ~Session();

    /// Until the client leaves, falls silent or close() is called. Does not throw but for cancellation.
    [[nodiscard]] boost::asio::awaitable<void> run();
    /// Answers 503 and ends: there are too many connections.
    [[nodiscard]] boost::asio::awaitable<void> refuse();
    /// No further request: ends at once when idle or streaming, else after the answer that is under way.
    void close();

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

/// Routes and guards one request and calls its handler; every failure is a problem document.
[[nodiscard]] boost::asio::awaitable<Response> answer(SessionContext& context, Request& request, const Peer& peer);

} // namespace millrace
