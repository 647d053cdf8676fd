#include "flows/error.hpp"

#include <array>
#include <utility>

namespace millrace {
namespace {
constexpr std::array<std::pair<ErrorClass, std::string_view>, 10> names{{
    {ErrorClass::Transient, "transient"},
    {ErrorClass::RateLimited, "rate_limited"},
    {ErrorClass::Auth, "auth"},
    {ErrorClass::BadData, "bad_data"},
    {ErrorClass::NotYetVisible, "not_yet_visible"},
    {ErrorClass::Permanent, "permanent"},
    {ErrorClass::Crashed, "crashed"},
    {ErrorClass::Timeout, "timeout"},
    {ErrorClass::Resource, "resource"},
    {ErrorClass::Cancelled, "cancelled"},
}};
} // namespace

std::string_view to_string(ErrorClass c) {
    for (const auto& [value, name] : names)
        if (value == c) return name;
    return "unknown";
}

ErrorClass error_class_from(std::string_view name) {
    for (const auto& [value, text] : names)
        if (text == name) return value;
    throw std::invalid_argument("no error class is called '" + std::string(name) + "'");
}

} // namespace millrace
