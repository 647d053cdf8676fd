/// One HTTP exchange at a time over libcurl, blocking, with keep-alive. One client per thread. It knows nothing of
/// sources, retries or rates: it sends what it is told and gives back what came, or says why nothing whole came.
///
/// Redirects are followed (5 at most), but credentials go only to the origin (scheme, host, port) that the request named.
/// TLS is verified. Only http and https are spoken.
#pragma once

#include "flows/error.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

struct HttpLimits {
    double connect_seconds = 10;
    double total_seconds = 600;    ///< of one exchange
    double thinking_seconds = 120; ///< until the first byte of the answer's body, which a large report takes its time for
    double stalled_seconds = 30;   ///< an answer that is slower than `stalled_bytes_per_second` for so long is given up
    std::int64_t stalled_bytes_per_second = 200;
    std::int64_t body_bytes = 256LL << 20; ///< of the answer after decompression
};

struct HttpRequest {
    std::string method = "GET";
    std::string url;
    std::map<std::string, std::string> headers;
    std::map<std::string, std::string> credentials; ///< headers that only the origin of `url` may see
    std::string body;
    bool has_body = false;
};

/// The body is followed by `padding` zero bytes, so that a parser may read past its end.
class HttpBody {
public:
    static constexpr std::size_t padding = 64;

    void clear() { bytes_.clear(); }
    /// Room for so many bytes, so that a large body is not copied while it grows.
    void expect(std::size_t n) { bytes_.reserve(n + padding); }
    void append(const char* data, std::size_t n) { bytes_.insert(bytes_.end(), data, data + n); }
    void pad();
    [[nodiscard]] std::string_view text() const { return {bytes_.data(), size_}; }
    [[nodiscard]] std::size_t received() const { return bytes_.size(); }
    [[nodiscard]] std::size_t capacity() const { return bytes_.capacity(); }

private:
    std::vector<char> bytes_;
    std::size_t size_ = 0;
};

struct HttpResponse {
    long status = 0;
    std::map<std::string, std::string> headers; ///< names in lower case; of the last answer when redirected
    HttpBody body;
    std::string stranger; ///< origin of a redirect that answered without having seen the credentials; empty: none

    /// Empty when absent.
    [[nodiscard]] std::string header(const std::string& lower_case_name) const;
};

class HttpClient {
public:
    explicit HttpClient(const HttpLimits& limits);
    HttpClient(HttpClient&&) noexcept;
    ~HttpClient();

    /// `response` is reused: its buffers keep their size. `cancelled` is asked several times a second.
    /// Throws Error: Transient (no connection, reset, body cut short, too many redirects), Timeout (a phase took too long),
    /// Permanent (body too large, not a URL), Cancelled. A status of any value is an answer, not an error.
    void perform(const HttpRequest& request, HttpResponse& response, const std::function<bool()>& cancelled);

private:
    struct Session;
    std::unique_ptr<Session> session_;
};

/// `scheme://host:port` of a URL in lower case, with the port filled in. Empty for a text that is none.
[[nodiscard]] std::string origin_of(const std::string& url);
/// A redirect's Location against the URL that answered.
[[nodiscard]] std::string resolve_location(const std::string& base, const std::string& location);
/// RFC 3986 percent-encoding of everything but unreserved characters.
[[nodiscard]] std::string percent_encoded(std::string_view text);

} // namespace millrace
