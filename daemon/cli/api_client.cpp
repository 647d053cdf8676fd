#include "daemon/cli/api_client.hpp"

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

template <class Stream>
Response exchange(Stream& stream, const Request& request) {
    http::write(stream, request);
    boost::beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(longest_answer);
    http::read(stream, buffer, parser);
    return parser.release();
}

Response over_socket(const std::string& path, const Request& request) {
    asio::io_context io;
    asio::local::stream_protocol::socket socket(io);
    boost::system::error_code failure;
    socket.connect(asio::local::stream_protocol::endpoint(path), failure);
    if (failure) throw Unreachable(fmt::format("no daemon answers at {}: {}", path, failure.message()));
    return exchange(socket, request);
}

Response over_tcp(const Url& url, const std::string& shown, const Request& request) {
    asio::io_context io;
    asio::ip::tcp::socket socket(io);
    boost::system::error_code failure;
    asio::ip::tcp::resolver resolver(io);
    const auto endpoints = resolver.resolve(url.host, url.port, failure);
    if (!failure) asio::connect(socket, endpoints, failure);
    if (failure) throw Unreachable(fmt::format("no daemon answers at {}: {}", shown, failure.message()));
    if (!url.secure) return exchange(socket, request);

    asio::ssl::context context(asio::ssl::context::tls_client);
    context.set_default_verify_paths();
    context.set_verify_mode(asio::ssl::verify_peer);
    asio::ssl::stream<asio::ip::tcp::socket&> stream(socket, context);
    stream.set_verify_callback(asio::ssl::host_name_verification(url.host));
    SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
    stream.handshake(asio::ssl::stream_base::client);
    return exchange(stream, request);
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
        if (!address_.socket.empty()) {
            request.set(http::field::host, "localhost");
            response = over_socket(address_.socket, request);
        } else {
            const auto url = parse_url(address_.url);
            request.set(http::field::host, url.host + ":" + url.port);
            request.target(url.prefix + target);
            if (!address_.key.empty()) request.set(http::field::authorization, "Bearer " + address_.key);
            response = over_tcp(url, address_.url, request);
        }
    } catch (const boost::system::system_error& failure) {
        throw Unreachable(fmt::format("the daemon at {} broke off: {}", where, failure.code().message()));
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
        const auto document = api.get("/api/v1/runs/" + url_encoded(run));
        for (const auto& line : document.at("tasks")) names.push_back(line.at("task").get<std::string>());
        if (std::find(names.begin(), names.end(), task) != names.end()) return;
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
