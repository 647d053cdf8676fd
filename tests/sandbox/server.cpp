#include "server.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <fmt/format.h>

namespace millrace::sandbox {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;

namespace {

constexpr std::uint64_t largest_request = 64 << 20;

std::string percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto digit = [&](std::size_t where) {
            const char c = where < text.size() ? text[where] : ' ';
            return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        };
        if (text[at] == '%' && digit(at + 1) >= 0 && digit(at + 2) >= 0) {
            out += static_cast<char>(digit(at + 1) * 16 + digit(at + 2));
            at += 2;
        } else {
            out += text[at] == '+' ? ' ' : text[at];
        }
    }
    return out;
}

Request understood(http::request<http::string_body>& message) {
    Request request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    const std::size_t mark = request.target.find('?');
    request.path = percent_decoded(std::string_view(request.target).substr(0, mark));
    std::string_view rest = mark == std::string::npos ? std::string_view() : std::string_view(request.target).substr(mark + 1);
    while (!rest.empty()) {
        const std::string_view part = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        const std::size_t equals = part.find('=');
        request.query[percent_decoded(part.substr(0, equals))] =
            equals == std::string_view::npos ? "" : percent_decoded(part.substr(equals + 1));
    }
    for (const auto& field : message) {
        std::string name(field.name_string());
        for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        request.headers[std::move(name)] = std::string(field.value());
    }
    request.body = std::move(message.body());
    return request;
}

std::string head_of(const Response& response, bool keep_alive) {
    const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
    std::string head = fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {}\r\n", response.status,
                                   std::string_view(reason.data(), reason.size()), response.type, response.body.size(),
                                   keep_alive ? "keep-alive" : "close");
    for (const auto& [name, value] : response.headers) head += fmt::format("{}: {}\r\n", name, value);
    return head + "\r\n";
}

awaitable<void> wait(std::chrono::milliseconds span) {
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, span);
    co_await timer.async_wait(use_awaitable);
}

void end_with_reset(tcp::socket& socket) {
    boost::system::error_code ignored;
    socket.set_option(asio::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
}

awaitable<void> send_in_drops(tcp::socket& socket, const std::string& body, std::size_t drop, std::chrono::milliseconds pause) {
    for (std::size_t at = 0; at < body.size(); at += drop) {
        co_await asio::async_write(socket, asio::buffer(body.data() + at, std::min(drop, body.size() - at)), use_awaitable);
        co_await wait(pause);
    }
}

/// Whether the connection may go on.
awaitable<bool> send(tcp::socket& socket, const Sandbox::Answer& answer, bool keep_alive) {
    const Delivery& how = answer.delivery;
    if (how.delay.count() > 0) co_await wait(how.delay);
    if (how.refuse) {
        end_with_reset(socket);
        co_return false;
    }
    const std::string head = head_of(answer.response, keep_alive && !how.cut_after);
    const std::string& body = answer.response.body;
    if (how.drip_bytes > 0) {
        co_await asio::async_write(socket, asio::buffer(head), use_awaitable);
        co_await send_in_drops(socket, body, how.drip_bytes, how.drip_every);
        co_return keep_alive;
    }
    const std::size_t length = std::min(body.size(), how.cut_after.value_or(body.size()));
    const std::array<asio::const_buffer, 2> pieces{asio::buffer(head), asio::buffer(body.data(), length)};
    co_await asio::async_write(socket, pieces, use_awaitable);
    if (!how.cut_after) co_return keep_alive;
    if (how.reset) end_with_reset(socket);
    co_return false;
}

awaitable<void> converse(tcp::socket socket, Sandbox& sandbox) {
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    boost::beast::flat_buffer buffer;
    try {
        for (bool keep_alive = true; keep_alive;) {
            http::request_parser<http::string_body> parser;
            parser.body_limit(largest_request);
            co_await http::async_read(socket, buffer, parser, use_awaitable);
            keep_alive = parser.get().keep_alive();
            const Request request = understood(parser.get());
            const Sandbox::Answer answer = sandbox.handle(request);
            keep_alive = co_await send(socket, answer, keep_alive);
        }
        socket.shutdown(tcp::socket::shutdown_both, ignored);
    } catch (const boost::system::system_error&) {
        // The client went away, or spoke no HTTP: the connection ends.
    }
}

awaitable<void> accept_all(tcp::acceptor& acceptor, Sandbox& sandbox) {
    while (true) {
        tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
        auto executor = socket.get_executor();
        asio::co_spawn(executor, converse(std::move(socket), sandbox), asio::detached);
    }
}

} // namespace

void serve(Sandbox& sandbox, const std::string& address, std::uint16_t port, const std::function<void(std::uint16_t)>& ready) {
    asio::io_context context(1);
    tcp::acceptor acceptor(context, {asio::ip::make_address(address), port});
    asio::signal_set signals(context, SIGTERM, SIGINT);
    signals.async_wait([&](const boost::system::error_code&, int) { context.stop(); });
    asio::co_spawn(context, accept_all(acceptor, sandbox), asio::detached);
    ready(acceptor.local_endpoint().port());
    context.run();
}

} // namespace millrace::sandbox
