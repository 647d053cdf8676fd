/// Errors as the API tells them: RFC 9457 problem documents.
#pragma once

#include "web/http.hpp"

#include <stdexcept>
#include <string>
#include <vector>

namespace millrace {

/// Thrown by handlers and guards; the session turns it into the answer. `what()` is the detail: one sentence that names
/// the thing and the reason.
class Problem : public std::runtime_error {
public:
    Problem(int http_status, const std::string& detail, std::string what_to_do = {})
        : std::runtime_error(detail), status(http_status), remedy(std::move(what_to_do)) {}

    int status;
    std::string remedy;                                       ///< empty: none
    std::vector<std::pair<std::string, std::string>> headers; ///< more headers for the answer, such as Allow
};

[[nodiscard]] Response problem_response(const Problem& problem, std::string_view instance);

/// The answer for whatever a handler threw: Problem, Refusal, Error; anything else is 500 with a number that the log
/// repeats beside the reason, which the client does not see.
[[nodiscard]] Response problem_response(const std::exception_ptr& thrown, std::string_view instance);

/// "Not Found" for 404.
[[nodiscard]] std::string_view reason_phrase(int status);

} // namespace millrace
