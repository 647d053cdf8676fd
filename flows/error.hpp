/// The one error type of the project. It is not for mistakes in a flow file: those are values (diagnostic.hpp).
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace millrace {

/// What a failure means for a retry (section 6 of the design). Names in YAML and JSON are lower snake case.
enum class ErrorClass {
    Transient,     ///< worth another try: network, 5xx, a busy database
    RateLimited,   ///< the other side said "later"; `retry_after` may say when
    Auth,          ///< credentials refused; a retry does not help until they change
    BadData,       ///< what arrived breaks its contract; nothing was loaded
    NotYetVisible, ///< an event came before its record; a retry will find it
    Permanent,     ///< asked for something that cannot be
    Crashed,       ///< the process that did the work died
    Timeout,       ///< the time limit of the attempt passed
    Resource,      ///< out of memory or disk
    Cancelled,     ///< a person or the flow asked to stop
};

[[nodiscard]] std::string_view to_string(ErrorClass c);
/// Throws std::invalid_argument for a name that is none.
[[nodiscard]] ErrorClass error_class_from(std::string_view name);

/// A remedy that begins so: what failed fails again, however often it is repeated; only a new run of the flow helps.
inline constexpr std::string_view new_run_remedy = "start a new run";

/// `what()` is one sentence that names the thing and the reason; `remedy` says what to do, or is empty.
class Error : public std::runtime_error {
public:
    Error(ErrorClass c, const std::string& message, std::string remedy = {}, double retry_after_seconds = 0)
        : std::runtime_error(message), error_class(c), remedy(std::move(remedy)), retry_after(retry_after_seconds) {}

    ErrorClass error_class;
    std::string remedy;
    double retry_after; ///< seconds; 0: not said
};

} // namespace millrace
