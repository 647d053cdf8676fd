#include "connectors/http/http_client.hpp"

#include "flows/letters.hpp"

#include <chrono>
#include <curl/curl.h>
#include <fmt/format.h>
#include <mutex>

namespace millrace {
namespace {

constexpr int most_redirects = 5;

void start_curl_once() {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

/// What the callbacks of one exchange see.
struct Exchange {
    using Clock = std::chrono::steady_clock;

    CURL* easy = nullptr;
    HttpResponse* response = nullptr;
    const HttpLimits* limits = nullptr;
    const std::function<bool()>* cancelled = nullptr;
    bool too_large = false;
    const char* stalled = nullptr;          ///< why it is given up; null: it is not
    Clock::time_point since = Clock::now(); ///< the beginning, then that of the latest stretch of the body
    curl_off_t bytes_then = 0;

    /// curl's own limit of this kind counts the server's thinking too.
    [[nodiscard]] bool is_stalled(curl_off_t bytes) {
        const double seconds = std::chrono::duration<double>(Clock::now() - since).count();
        if (bytes == 0) {
            if (seconds > limits->thinking_seconds) stalled = "the service sent nothing";
            return stalled != nullptr;
        }
        if (bytes_then != 0 && seconds < limits->stalled_seconds) return false;
        const auto enough = static_cast<double>(limits->stalled_bytes_per_second) * limits->stalled_seconds;
        if (bytes_then != 0 && static_cast<double>(bytes - bytes_then) < enough) stalled = "the answer came too slowly";
        since = Clock::now();
        bytes_then = bytes;
        return stalled != nullptr;
    }
};

std::size_t on_header(char* data, std::size_t size, std::size_t n, void* user) {
    auto& exchange = *static_cast<Exchange*>(user);
    const std::string_view line(data, size * n);
    if (line.starts_with("HTTP/")) {
        exchange.response->headers.clear();
    } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
        auto& value = exchange.response->headers[lower_case(line.substr(0, colon))];
        if (!value.empty()) value += ", ";
        value += trimmed(line.substr(colon + 1));
    }
    return size * n;
}

std::size_t on_body(char* data, std::size_t size, std::size_t n, void* user) {
    auto& exchange = *static_cast<Exchange*>(user);
    HttpBody& body = exchange.response->body;
    curl_off_t announced = -1;
    if (body.received() == 0) curl_easy_getinfo(exchange.easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (static_cast<std::int64_t>(body.received() + size * n) > exchange.limits->body_bytes || announced > exchange.limits->body_bytes) {
        exchange.too_large = true;
        return 0;
    }
    if (announced > 0) body.expect(static_cast<std::size_t>(announced));
    body.append(data, size * n);
    return size * n;
}

int on_progress(void* user, curl_off_t, curl_off_t downloaded, curl_off_t, curl_off_t) {
    auto& exchange = *static_cast<Exchange*>(user);
    return (*exchange.cancelled)() || exchange.is_stalled(downloaded) ? 1 : 0;
}

struct HeaderList {
    curl_slist* list = nullptr;
    void add(const std::string& name, const std::string& value) {
        list = curl_slist_append(list, (value.empty() ? name + ";" : name + ": " + value).c_str());
    }
    HeaderList() = default;
    HeaderList(const HeaderList&) = delete;
    ~HeaderList() { curl_slist_free_all(list); }
};

[[noreturn]] void refuse_header(const std::string& name) {
    throw Error(ErrorClass::Permanent, "the header '" + name + "' holds a line break",
                "check the connection's fields for stray characters");
}

} // namespace

void HttpBody::pad() {
    size_ = bytes_.size();
    bytes_.insert(bytes_.end(), padding, '\0');
}

std::string HttpResponse::header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
}

struct HttpClient::Session {
    CURL* easy = nullptr;
    HttpLimits limits;
    char reason[CURL_ERROR_SIZE] = {};
    ~Session() { curl_easy_cleanup(easy); }

    void once(const HttpRequest& request, const std::string& url, bool trusted, HttpResponse& response,
              const std::function<bool()>& cancelled);
    [[noreturn]] void fail(CURLcode code, const Exchange& exchange) const;
};

HttpClient::HttpClient(const HttpLimits& limits) : session_(std::make_unique<Session>()) {
    start_curl_once();
    session_->easy = curl_easy_init();
    if (session_->easy == nullptr) throw Error(ErrorClass::Resource, "libcurl cannot make a session");
    session_->limits = limits;
}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

void HttpClient::Session::fail(CURLcode code, const Exchange& exchange) const {
    const std::string detail = reason[0] != '\0' ? reason : curl_easy_strerror(code);
    const char* away = "check that the connection's url names the right host and port; if it does, run again when the service is back";
    if (exchange.too_large)
        throw Error(ErrorClass::Permanent, fmt::format("the answer is larger than {} MiB", limits.body_bytes >> 20),
                    "ask for smaller pages or windows, or raise `memory` of the task");
    if (exchange.stalled != nullptr)
        throw Error(ErrorClass::Timeout, std::string("no whole answer in time: ") + exchange.stalled,
                    "ask for smaller pages or windows, or run again when the service is faster");
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK: throw Error(ErrorClass::Cancelled, "the request was cancelled");
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        throw Error(ErrorClass::Permanent, "the URL is not one: " + detail, "check the connection's url: it begins with https://");
    case CURLE_PEER_FAILED_VERIFICATION:
        throw Error(ErrorClass::Permanent, "the server's certificate is not trusted: " + detail,
                    "check the host name, or install the CA of your proxy");
    case CURLE_OPERATION_TIMEDOUT:
        throw Error(ErrorClass::Timeout, "no whole answer in time: " + detail,
                    "ask for smaller pages or windows, or run again when the service is faster");
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING: throw Error(ErrorClass::Transient, "the connection broke in the middle of the answer: " + detail, away);
    default: throw Error(ErrorClass::Transient, "no answer: " + detail, away);
    }
}

void HttpClient::Session::once(const HttpRequest& request, const std::string& url, bool trusted, HttpResponse& response,
                               const std::function<bool()>& cancelled) {
    Exchange exchange{easy, &response, &limits, &cancelled};
    HeaderList headers;
    const auto add_all = [&](const std::map<std::string, std::string>& from) {
        for (const auto& [name, value] : from) {
            if (value.find_first_of("\r\n") != std::string::npos) refuse_header(name);
            headers.add(name, value);
        }
    };
    add_all(request.headers);
    if (trusted) add_all(request.credentials);
    headers.list = curl_slist_append(headers.list, "Expect:");

    response.status = 0;
    response.headers.clear();
    response.body.clear();
    reason[0] = '\0';
    curl_easy_reset(easy); // keeps connections, DNS and TLS sessions
    const auto set = [this](CURLoption option, auto value) { curl_easy_setopt(easy, option, value); };
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_HTTPHEADER, headers.list);
    set(CURLOPT_USERAGENT, "millrace");
    set(CURLOPT_ACCEPT_ENCODING, "");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_ERRORBUFFER, reason);
    set(CURLOPT_BUFFERSIZE, 256L << 10);
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits.connect_seconds * 1000));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(limits.total_seconds * 1000));
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_HEADERDATA, &exchange);
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_WRITEDATA, &exchange);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, on_progress);
    set(CURLOPT_XFERINFODATA, &exchange);
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (request.has_body) {
        set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        set(CURLOPT_POSTFIELDS, request.body.data());
    }
    if (request.method == "HEAD") set(CURLOPT_NOBODY, 1L);
    const CURLcode code = curl_easy_perform(easy);
    if (code != CURLE_OK) fail(code, exchange);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &response.status);
    response.body.pad();
}

void HttpClient::perform(const HttpRequest& request, HttpResponse& response, const std::function<bool()>& cancelled) {
    const std::string origin = origin_of(request.url);
    HttpRequest sent;
    const HttpRequest* now = &request;
    std::string url = request.url;
    for (int hop = 0;; ++hop) {
        const bool trusted = !origin.empty() && origin_of(url) == origin;
        session_->once(*now, url, trusted, response, cancelled);
        response.stranger = trusted ? "" : origin_of(url);
        const bool redirect =
            response.status == 301 || response.status == 302 || response.status == 303 || response.status == 307 || response.status == 308;
        const std::string location = response.header("location");
        if (!redirect || location.empty()) return;
        if (hop == most_redirects)
            throw Error(ErrorClass::Transient, fmt::format("more than {} redirects", most_redirects), "check the connection's url");
        url = resolve_location(url, location);
        if (now->has_body && origin_of(url) != origin)
            throw Error(ErrorClass::Permanent, "a " + request.method + " was redirected to another host: " + origin_of(url),
                        "set the connection's url to that host if you trust it");
        if (response.status == 303 && now->method != "GET") {
            sent = *now;
            sent.method = "GET";
            sent.has_body = false;
            sent.body.clear();
            now = &sent;
        }
    }
}

} // namespace millrace
