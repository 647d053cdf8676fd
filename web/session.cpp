#include "web/session.hpp"

#include "flows/letters.hpp"
#include "web/problem.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace millrace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Stream = beast::basic_stream<asio::generic::stream_protocol>;
using Parser = http::request_parser<http::string_body>;
using boost::system::error_code;

namespace {

Method method_of(http::verb verb) {
    switch (verb) {
    case http::verb::get: return Method::Get;
    case http::verb::head: return Method::Head;
    case http::verb::post: return Method::Post;
    case http::verb::patch: return Method::Patch;
    default: return Method::Other;
    }
}

Request request_of(Parser::value_type message) {
    Request request;
    request.method = method_of(message.method());
    request.target = std::string(message.target());
    for (const auto& field : message) {
        const auto name = field.name_string();
        request.headers.emplace_back(lower_case({name.data(), name.size()}), std::string(field.value()));
    }
    request.body = std::move(message.body());
    return request;
}

/// The answer to a request that could not be read; nothing where the client just left, or was so slow that Beast has closed
/// the connection.
std::optional<Problem> unreadable(const error_code& error, const WebConfig& config) {
    if (error == http::error::header_limit)
        return Problem(431, "the header has more than " + std::to_string(config.header_limit) + " bytes");
    if (error == http::error::body_limit) return Problem(413, "the body has more than " + std::to_string(config.body_limit) + " bytes");
    if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
    if (error.category() == make_error_code(http::error::bad_target).category())
        return Problem(400, "this is no HTTP request: " + error.message());
    return std::nullopt;
}

http::response<http::string_body> message_of(const Response& response, unsigned version, bool keep_alive) {
    http::response<http::string_body> message(static_cast<http::status>(response.status), version);
    message.reason(beast::string_view(reason_phrase(response.status).data(), reason_phrase(response.status).size()));
    message.keep_alive(keep_alive);
    message.set("X-Content-Type-Options", "nosniff");
    message.set("Referrer-Policy", "no-referrer");
    if (!response.content_type.empty()) message.set(http::field::content_type, response.content_type);
    const bool cached =
        std::any_of(response.headers.begin(), response.headers.end(), [](const auto& h) { return h.first == "Cache-Control"; });
    if (!cached) message.set(http::field::cache_control, "no-store");
    for (const auto& [name, value] : response.headers) message.set(name, value);
    return message;
}

/// What a command of this machine is refused, it tells itself; that somebody may not enter is worth knowing.
spdlog::level::level_enum access_level(const Peer& peer, int status) {
    if (status >= 500) return spdlog::level::warn;
    const bool is_told = peer.kind == Peer::Kind::Unix && status != 401 && status != 403;
    return status >= 400 && !is_told ? spdlog::level::info : spdlog::level::debug;
}

void log_access(const Request& request, const Peer& peer, const Response& response, std::chrono::steady_clock::time_point since) {
    const double milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - since).count();
    const char* method = request.method == Method::Get     ? "GET"
                         : request.method == Method::Head  ? "HEAD"
                         : request.method == Method::Post  ? "POST"
                         : request.method == Method::Patch ? "PATCH"
                                                           : "OTHER";
    spdlog::log(access_level(peer, response.status), "http method={} target={} status={} bytes={} ms={:.1f} from={} by=\"{}\"", method,
                request.target, response.status, response.body.size(), milliseconds, peer.address, request.caller.name);
}

} // namespace

struct Session::Parts {
    SessionContext& context;
    Stream stream;
    Peer peer;
    beast::flat_buffer buffer;
    std::shared_ptr<EventFeed> feed; ///< while an event stream is under way
    bool answering = false;          ///< between the last byte of a request and the last byte of its answer
    bool closing = false;

    Parts(SessionContext& c, ClientSocket socket, Peer p) : context(c), stream(std::move(socket)), peer(std::move(p)) {}

    asio::awaitable<error_code> wait_for_request();
    asio::awaitable<error_code> read(Parser& parser);
    asio::awaitable<bool> serve(Parser& parser);
    asio::awaitable<error_code> write(const Response& response, unsigned version, bool keep_alive, bool head);
    asio::awaitable<void> write_events(const Response& response, unsigned version);
    void shutdown();
};

/// Waits for the first byte of a request, which may take as long as a connection may be idle.
asio::awaitable<error_code> Session::Parts::wait_for_request() {
    error_code error;
    if (buffer.size() > 0) co_return error;
    stream.expires_after(context.config.idle_timeout);
    const std::size_t got = co_await stream.async_read_some(buffer.prepare(4096), asio::redirect_error(asio::use_awaitable, error));
    buffer.commit(got);
    co_return error;
}

asio::awaitable<error_code> Session::Parts::read(Parser& parser) {
    error_code error;
    parser.header_limit(static_cast<std::uint32_t>(context.config.header_limit));
    parser.body_limit(context.config.body_limit);
    stream.expires_after(context.config.header_timeout);
    co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return error;
    stream.expires_after(context.config.body_timeout);
    if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        http::response<http::empty_body> go_on(http::status::continue_, parser.get().version());
        co_await http::async_write(stream, go_on, asio::redirect_error(asio::use_awaitable, error));
        if (error) co_return error;
    }
    co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
    co_return error;
}

asio::awaitable<error_code> Session::Parts::write(const Response& response, unsigned version, bool keep_alive, bool head) {
    error_code error;
    auto message = message_of(response, version, keep_alive);
    message.body() = response.body;
    message.prepare_payload();
    stream.expires_after(context.config.body_timeout);
    http::response_serializer<http::string_body> serializer(message);
    if (head) {
        co_await http::async_write_header(stream, serializer, asio::redirect_error(asio::use_awaitable, error));
    } else {
        co_await http::async_write(stream, serializer, asio::redirect_error(asio::use_awaitable, error));
    }
    co_return error;
}

/// The stream ends with the connection: its length is not known, and a client that wants to go on reconnects anyway.
asio::awaitable<void> Session::Parts::write_events(const Response& response, unsigned version) {
    error_code error;
    feed = response.feed;
    auto message = message_of(response, version, false);
    message.set("X-Accel-Buffering", "no");
    http::response_serializer<http::string_body> serializer(message);
    stream.expires_after(context.config.body_timeout);
    co_await http::async_write_header(stream, serializer, asio::redirect_error(asio::use_awaitable, error));
    std::string text = "retry: 1000\n\n";
    while (!error && !text.empty() && !closing) {
        stream.expires_after(context.config.body_timeout);
        co_await asio::async_write(stream, asio::buffer(text), asio::redirect_error(asio::use_awaitable, error));
        stream.expires_never();
        if (!error) text = co_await feed->next(context.config.event_pulse);
    }
    feed.reset();
}

/// Whether the connection goes on.
asio::awaitable<bool> Session::Parts::serve(Parser& parser) {
    const auto since = std::chrono::steady_clock::now();
    const unsigned version = parser.get().version();
    const bool keep_alive = parser.keep_alive();
    answering = true;
    Request request = request_of(parser.release());
    const Response response = co_await answer(context, request, peer);
    if (response.feed && request.method != Method::Head) {
        log_access(request, peer, response, since);
        co_await write_events(response, version);
        co_return false;
    }
    const error_code error = co_await write(response, version, keep_alive && !closing, request.method == Method::Head);
    log_access(request, peer, response, since);
    answering = false;
    co_return !error && keep_alive && !closing;
}

void Session::Parts::shutdown() {
    error_code ignored;
    stream.socket().shutdown(asio::socket_base::shutdown_send, ignored);
    stream.close();
}

Session::Session(SessionContext& context, ClientSocket socket, Peer peer)
    : parts_(std::make_unique<Parts>(context, std::move(socket), std::move(peer))) {}

Session::~Session() = default;

asio::awaitable<void> Session::run() {
    Parts& self = *parts_;
    for (bool going_on = true; going_on && !self.closing;) {
        const error_code silent = co_await self.wait_for_request();
        if (silent) break;
        Parser parser;
        const error_code error = co_await self.read(parser);
        if (error) {
            const auto problem = unreadable(error, self.context.config);
            if (problem) co_await self.write(problem_response(*problem, ""), 11, false, false);
            break;
        }
        going_on = co_await self.serve(parser);
    }
    self.shutdown();
}

asio::awaitable<void> Session::refuse() {
    const Problem problem(503, "the daemon has as many connections as it allows", "close some, or try again in a second");
    co_await parts_->write(problem_response(problem, ""), 11, false, false);
    parts_->shutdown();
}

void Session::close() {
    parts_->closing = true;
    if (parts_->feed) parts_->feed->close();
    if (!parts_->answering || parts_->feed) parts_->stream.cancel();
}

} // namespace millrace
