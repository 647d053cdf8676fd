/// The command line's way to a daemon: HTTP over its Unix socket, or over TCP to MILLRACE_URL with MILLRACE_KEY. Blocking.
#pragma once

#include "flows/json.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

namespace millrace {

/// No daemon answers. `what()` says where it was looked for.
class Unreachable : public std::runtime_error {
public:
    explicit Unreachable(const std::string& what, std::string what_to_do = {}) : std::runtime_error(what), remedy(std::move(what_to_do)) {}
    std::string remedy; ///< empty: start one
};

/// The daemon refused, or could not: its problem document (RFC 9457), or what a proxy before it says.
class ApiError : public std::runtime_error {
public:
    ApiError(int http_status, const std::string& detail, std::string what_to_do)
        : std::runtime_error(detail), status(http_status), remedy(std::move(what_to_do)) {}
    /// Nothing in what was asked is wrong: the same may be asked again.
    [[nodiscard]] bool says_later() const { return status >= 500 || status == 408 || status == 429; }
    /// And it will be otherwise soon, by itself. What failed inside the daemon (500) may be so for ever, and its remedy is to be read.
    [[nodiscard]] bool passes() const { return says_later() && status != 500; }
    int status;
    std::string remedy; ///< may be empty
};

/// Where a daemon is: a socket, or a URL.
struct ApiAddress {
    std::string socket; ///< path of the Unix socket; empty: `url`
    std::string url;    ///< http://HOST:PORT or https://HOST
    std::string key;    ///< for `url`; empty: none
    /// After so long a silence it is asked beside the request whether it lives, for some take long; twice as long for a connection.
    std::chrono::seconds patience{5};
};

class ApiClient {
public:
    explicit ApiClient(ApiAddress address) : address_(std::move(address)) {}

    /// `target` is path and query, "/api/v1/runs?limit=5". Each throws Unreachable or ApiError.
    [[nodiscard]] Json get(const std::string& target) const { return send("GET", target, {}); }
    Json post(const std::string& target, const Json& body = Json::object()) const { return send("POST", target, body); }
    Json patch(const std::string& target, const Json& body) const { return send("PATCH", target, body); }
    /// All pages of a list.
    [[nodiscard]] Json list(const std::string& target) const;

    [[nodiscard]] const ApiAddress& address() const { return address_; }

private:
    [[nodiscard]] Json send(const std::string& method, const std::string& target, const Json& body) const;

    ApiAddress address_;
};

/// Names the task of the run that is nearest to `task`, where the daemon knew none of that name and said no more.
void suggest_task(const ApiClient& api, const std::string& run, const std::string& task, ApiError& error);

/// For a path segment or a query's value.
[[nodiscard]] std::string url_encoded(std::string_view text);

} // namespace millrace
