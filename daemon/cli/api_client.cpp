#include "daemon/cli/api_client.hpp"

#include "daemon/listeners.hpp"
#include "flows/error.hpp"
#include "flows/nearest.hpp"
#include "flows/version.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>

namespace millrace {
namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace {

using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

constexpr std::uint64_t longest_answer = 256ULL << 20; ///< bytes

struct Url {
    bool secure = false;
    std::string host, port, prefix; ///< prefix: a path in front of every target, for a proxy
};

Url parse_url(const std::string& text) {
    Url url;
    const auto scheme = text.find("://");
    const auto kind = text.substr(0, scheme);
    if (scheme == std::string::npos || (kind != "http" && kind != "https"))
        throw Error(ErrorClass::Permanent, "MILLRACE_URL is '" + text + "', which is no http:// or https:// address",
                    "write it like http://127.0.0.1:8686");
    url.secure = kind == "https";
    auto rest = text.substr(scheme + 3);
    if (const auto slash = rest.find('/'); slash != std::string::npos) {
        url.prefix = rest.substr(slash);
        rest = rest.substr(0, slash);
        while (url.prefix.ends_with('/')) url.prefix.pop_back();
    }
    const auto colon = rest.rfind(':');
    const bool has_port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
    url.host = rest.substr(0, has_port ? colon : std::string::npos);
    url.port = has_port ? rest.substr(colon + 1) : url.secure ? "443" : "80";
    if (url.host.starts_with('[') && url.host.ends_with(']')) url.host = url.host.substr(1, url.host.size() - 2);
    return url;
}

/// Thrown where nobody answers in time.
struct Silence {};

/// How long a step may take before `may_go_on` is asked.
struct Patience {
    std::chrono::seconds time;
    std::function<bool()> may_go_on;
};

/// Does what `begin` begins to its end. Throws Silence, after which `io` may not run any more; system_error.
template <class Begin>
void finish(asio::io_context& io, const Patience& patience, Begin begin) {
    std::optional<boost::system::error_code> end;
    begin([&end](const boost::system::error_code& failure, const auto&...) { end = failure; });
    do {
        io.restart();
        io.run_for(patience.time);
    } while (!end && patience.may_go_on());
    if (!end) throw Silence();
    if (*end) throw boost::system::system_error(*end);
}

/// For what does not depend on how much there is to do.
Patience at_most(std::chrono::seconds time) {
    return {time, [] { return false; }};
}

template <class Stream>
Response exchange(asio::io_context& io, Stream& stream, const Request& request, const Patience& patience) {
    finish(io, at_most(patience.time * 2), [&](auto done) { http::async_write(stream, request, done); });
    boost::beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(longest_answer);
    finish(io, patience, [&](auto done) { http::async_read(stream, buffer, parser, done); });
    return parser.release();
}

template <class Begin>
void connect(asio::io_context& io, const Patience& patience, const std::string& shown, Begin begin) {
    try {
        finish(io, at_most(patience.time * 2), begin);
    } catch (const boost::system::system_error& failure) {
        throw Unreachable(fmt::format("no daemon answers at {}: {}", shown, failure.code().message()));
    }
}

Response over_socket(const std::string& path, const Request& request, const Patience& patience) {
    asio::io_context io;
    asio::local::stream_protocol::socket socket(io);
    const asio::local::stream_protocol::endpoint endpoint(path);
    connect(io, patience, path, [&](auto done) { socket.async_connect(endpoint, done); });
    return exchange(io, socket, request, patience);
}

Response over_tcp(const Url& url, const std::string& shown, const Request& request, const Patience& patience) {
    asio::io_context io;
    asio::ip::tcp::socket socket(io);
    boost::system::error_code failure;
    asio::ip::tcp::resolver resolver(io);
    const auto endpoints = resolver.resolve(url.host, url.port, failure);
    if (failure) throw Unreachable(fmt::format("no daemon answers at {}: {}", shown, failure.message()));
    connect(io, patience, shown, [&](auto done) { asio::async_connect(socket, endpoints, done); });
    if (!url.secure) return exchange(io, socket, request, patience);

    asio::ssl::context context(asio::ssl::context::tls_client);
    context.set_default_verify_paths();
    context.set_verify_mode(asio::ssl::verify_peer);
    asio::ssl::stream<asio::ip::tcp::socket&> stream(socket, context);
    stream.set_verify_callback(asio::ssl::host_name_verification(url.host));
    SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
    finish(io, at_most(patience.time * 2), [&](auto done) { stream.async_handshake(asio::ssl::stream_base::client, done); });
    return exchange(io, stream, request, patience);
}

/// Completes the request by what the way to the daemon needs, and sends it. Throws Silence, Unreachable, Error, system_error.
Response answer_of(const ApiAddress& address, Request request, const Patience& patience) {
    if (!address.socket.empty()) {
        request.set(http::field::host, "localhost");
        return over_socket(address.socket, request, patience);
    }
    const auto url = parse_url(address.url);
    request.set(http::field::host, url.host + ":" + url.port);
    request.target(url.prefix + std::string(request.target()));
    if (!address.key.empty()) request.set(http::field::authorization, "Bearer " + address.key);
    return over_tcp(url, address.url, request, patience);
}

/// Whether it answers anything at all.
bool lives(const ApiAddress& address) {
    Request request(http::verb::get, "/healthz", 11);
    request.set(http::field::connection, "close");
    try {
        (void)answer_of(address, std::move(request), at_most(address.patience));
        return true;
    } catch (...) {
        return false;
    }
}

/// What to do about a daemon that takes connections and says nothing.
std::string remedy_of_silence(const ApiAddress& address) {
    if (address.socket.empty()) return "its log may say why; if it hangs, end it and start it again";
    const auto listener = listener_of(std::filesystem::path(address.socket));
    return fmt::format("{}its log may say why; if it hangs, end it and start it again with `millrace up` (or: systemctl restart millrace)",
                       listener.empty() ? "" : listener + " listens there: ");
}

[[noreturn]] void refuse(int status, const Json& problem, const std::string& method, const std::string& target) {
    auto detail = problem.is_object() ? problem.value("detail", problem.value("title", "")) : "";
    if (detail.empty()) detail = fmt::format("{} {} was answered with status {}", method, target, status);
    const auto remedy =
        problem.is_object() && problem.contains("remedy") && problem["remedy"].is_string() ? problem["remedy"].get<std::string>() : "";
    throw ApiError(status, detail, remedy);
}

} // namespace

Json ApiClient::send(const std::string& method, const std::string& target, const Json& body) const {
    Request request(http::string_to_verb(method), target, 11);
    request.set(http::field::user_agent, fmt::format("millrace/{}", version));
    request.set(http::field::accept, "application/json");
    request.set(http::field::connection, "close");
    if (method != "GET") {
        request.set(http::field::content_type, "application/json");
        request.body() = body.dump();
    }
    request.prepare_payload();

    Response response;
    const auto& where = address_.socket.empty() ? address_.url : address_.socket;
    try {
        response = answer_of(address_, std::move(request), {address_.patience, [this] { return lives(address_); }});
    } catch (const Silence&) {
        throw Unreachable(fmt::format("the daemon at {} does not answer", where), remedy_of_silence(address_));
    } catch (const boost::system::system_error& failure) {
        const auto why = fmt::format("the daemon at {} broke off: {}", where, failure.code().message());
        throw method == "GET" ? Unreachable(why) : Unreachable(why, "it may have been done all the same: look before you ask again");
    }
    const auto document = Json::parse(response.body(), nullptr, false);
    if (response.result_int() >= 400) refuse(static_cast<int>(response.result_int()), document, method, target);
    if (document.is_discarded())
        throw ApiError(502, fmt::format("{} answered {} {} with something that is no JSON", where, method, target),
                       "is it a Millrace daemon?");
    return document;
}

Json ApiClient::list(const std::string& target) const {
    Json items = Json::array();
    std::string page = target;
    for (;;) {
        auto answer = get(page);
        for (auto& item : answer.at("items")) items.push_back(std::move(item));
        const auto next = answer.find("next");
        if (next == answer.end() || next->is_null()) return items;
        const auto after = next->is_string() ? next->get<std::string>() : next->dump();
        page = target + (target.find('?') == std::string::npos ? "?" : "&") + "after=" + url_encoded(after);
    }
}

void suggest_task(const ApiClient& api, const std::string& run, const std::string& task, ApiError& error) {
    if (error.status != 404 || !error.remedy.empty()) return;
    try {
        std::vector<std::string> names;
        const auto add_tasks_of = [&](const std::string& id) {
            for (const auto& line : api.list("/api/v1/runs/" + id + "/tasks?items=none"))
                names.push_back(line.at("task").get<std::string>());
        };
        add_tasks_of(url_encoded(run));
        if (names.empty()) {
            const Json whole = api.get("/api/v1/runs/" + url_encoded(run));
            for (const auto& chunk : whole.at("chunks"))                // all have the same
                if (names.empty()) add_tasks_of(chunk.at("id").dump()); // one that has not begun has none yet
        }
        if (names.empty() || std::find(names.begin(), names.end(), task) != names.end()) return; // it has not begun
        const auto near = nearest(task, names);
        error.remedy = near.empty() ? fmt::format("its tasks are {}", fmt::join(names, ", ")) : "did you mean '" + near + "'?";
    } catch (const std::exception&) {
        // the run itself is not there: the daemon said so
    }
}

std::string url_encoded(std::string_view text) {
    std::string encoded;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~')
            encoded += c;
        else
            encoded += fmt::format("%{:02X}", byte);
    }
    return encoded;
}

} // namespace millrace
