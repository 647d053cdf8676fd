#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// What the simulators see of HTTP: a request and a response as values. The socket belongs to Server.
namespace millrace::sandbox {

struct Request {
    std::string method, target, path; ///< target with its query, path without
    std::map<std::string, std::string> query;
    std::map<std::string, std::string> headers; ///< names in lower case
    std::string body;

    [[nodiscard]] std::string header(const std::string& name) const {
        const auto at = headers.find(name);
        return at == headers.end() ? "" : at->second;
    }
    [[nodiscard]] std::optional<std::string> parameter(const std::string& name) const {
        const auto at = query.find(name);
        return at == query.end() ? std::nullopt : std::optional(at->second);
    }
};

struct Response {
    int status = 200;
    std::string body;
    std::string type = "application/json";
    std::vector<std::pair<std::string, std::string>> headers;
};

/// How a response travels; anything but the default is a fault.
struct Delivery {
    std::chrono::milliseconds delay{0};
    std::optional<std::size_t> cut_after; ///< so many bytes of the body, then the connection ends
    bool reset = true;                    ///< ends by RST, else as if it were complete
    bool refuse = false;                  ///< the connection ends without an answer
    std::size_t drip_bytes = 0;           ///< so many bytes at a time ...
    std::chrono::milliseconds drip_every{0};
};

} // namespace millrace::sandbox
