#pragma once
#include <string>

namespace millrace::sandbox {

/// An answer of the service that is not 2xx: a status with `{"message", "code"}`.
struct ApiError {
    int status;
    int code;
    std::string message;
};

inline ApiError invalid(std::string message) { return {400, 501, std::move(message)}; }
inline ApiError unreadable(std::string message) { return {400, 3002, std::move(message)}; }

} // namespace millrace::sandbox
