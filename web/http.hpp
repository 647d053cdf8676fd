/// Requests and responses as the handlers see them: plain values, free of Beast, so that only session.cpp pays for it.
#pragma once

#include "flows/json.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

class EventFeed;

enum class Method { Get, Head, Post, Patch, Other };

/// What a caller may do; each includes those before it. The API calls it the scope of a key.
enum class Access { Public, Read, Trigger, Admin };
[[nodiscard]] std::string_view to_string(Access a);

/// Who asks: "uid 1000", "key ops", or "local" on a loopback listener without keys.
struct Caller {
    std::string name;
    Access access = Access::Public;
    bool is_proven = true; ///< by a key or by the socket; else anybody who reaches the port
};

struct Request {
    Method method = Method::Get;
    std::string target;                                       ///< as sent: path and query
    std::string path;                                         ///< still percent-encoded
    std::vector<std::pair<std::string, std::string>> query;   ///< decoded, in order
    std::vector<std::pair<std::string, std::string>> params;  ///< of the route's pattern, decoded
    std::vector<std::pair<std::string, std::string>> headers; ///< names in lower case
    std::string body;
    Caller caller;

    /// Empty where there is none; the first of several.
    [[nodiscard]] std::string_view header(std::string_view name) const;
    /// A member of the route's pattern; the route table guarantees that it is there.
    [[nodiscard]] const std::string& param(std::string_view name) const;
    /// The same as a run's number. Throws Problem 404 for anything else: such a run cannot exist.
    [[nodiscard]] std::int64_t id_param(std::string_view name) const;
    [[nodiscard]] std::optional<std::string> query_value(std::string_view name) const;
    /// All values of a member that may be repeated or hold several values with commas between.
    [[nodiscard]] std::vector<std::string> query_list(std::string_view name) const;
    /// Throws Problem 422 that names the member and its bounds.
    [[nodiscard]] std::int64_t query_integer(std::string_view name, std::int64_t fallback, std::int64_t least, std::int64_t most) const;
    /// The body as a JSON object, `{}` where there is none. Throws Problem 400 or 422.
    [[nodiscard]] Json json_object() const;
};

struct Response {
    int status = 200;
    std::string content_type;
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    std::shared_ptr<EventFeed> feed; ///< set: the answer is a stream of Server-Sent Events that ends with the connection
};

[[nodiscard]] Response json_response(const Json& document, int status = 200);

/// `%41` -> `A`; nothing for a broken escape, a NUL or text that is not UTF-8.
[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text);
/// The members of `a=1&b=2`, decoded ('+' is a space); nothing where one is broken.
[[nodiscard]] std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view text);

} // namespace millrace
