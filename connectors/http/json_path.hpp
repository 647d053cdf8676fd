/// Where in a JSON answer something stands: "data.items", "totals[0].entriesCount"; empty: the whole answer.
#pragma once

#include "flows/json.hpp"

#include <string>
#include <variant>
#include <vector>

namespace millrace {

using JsonPath = std::vector<std::variant<std::string, std::size_t>>;

/// Throws Error{Permanent} for a path that is none.
[[nodiscard]] JsonPath parse_json_path(const std::string& text);
/// Null when it is not there.
[[nodiscard]] const Json* find_in(const Json& value, const JsonPath& path);
/// Makes the objects on the way. Only names may stand in the path.
void set_in(Json& value, const JsonPath& path, Json what);

} // namespace millrace
