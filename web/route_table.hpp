/// Every route of the daemon, in one table: what it matches, who may call it, what answers it, and what openapi.json says.
#pragma once

#include "web/api/api.hpp"

#include <span>
#include <string_view>

namespace millrace {

struct QueryMember {
    std::string_view name;
    std::string_view type; ///< string | integer
    std::string_view meaning;
};

struct Route {
    Method method;
    std::string_view pattern; ///< "/api/v1/runs/{id}": a part in braces is a parameter
    Access access;
    Handler handler;
    std::string_view summary;
    std::string_view answer; ///< a document of documents.hpp; "Run[]" is a list `{items, next}` of them; empty: no JSON
    std::string_view body;   ///< a document, or empty
    std::span<const QueryMember> query;
};

[[nodiscard]] std::span<const Route> routes();

/// The route of a request; fills `request.params`. Throws Problem 404, 405 with Allow, 400 for a broken escape, and 422
/// for a query member that the route does not know.
[[nodiscard]] const Route& find_route(Request& request);

/// The members of a pattern in braces, in order: {"id", "task"}.
[[nodiscard]] std::vector<std::string_view> pattern_params(std::string_view pattern);

} // namespace millrace
