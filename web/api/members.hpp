/// Reading the members of a request's body: typed, and none that the route does not know.
#pragma once

#include "web/http.hpp"
#include "web/problem.hpp"

#include <initializer_list>
#include <string_view>

namespace millrace {

/// Throws Problem 422 that names a member of `document` that is none of `known`.
void only_members(const Json& document, std::initializer_list<std::string_view> known);

/// Empty (false, nothing) where the member is absent or null; Problem 422 where it is of another type.
[[nodiscard]] std::string text_member(const Json& document, std::string_view name);
[[nodiscard]] bool flag_member(const Json& document, std::string_view name);
[[nodiscard]] std::optional<std::int64_t> integer_member(const Json& document, std::string_view name);
[[nodiscard]] std::vector<std::string> texts_member(const Json& document, std::string_view name);
[[nodiscard]] Json object_member(const Json& document, std::string_view name);

/// The header Idempotency-Key or the member `idempotency_key`; empty: neither. Throws Problem 422, also of an empty one.
[[nodiscard]] std::string idempotency_key(const Request& request, const Json& body);

} // namespace millrace
