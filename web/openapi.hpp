/// openapi.json, made from the route table and the documents, so that it cannot say anything else than the server does.
#pragma once

#include "flows/json.hpp"

namespace millrace {

/// OpenAPI 3.1.
[[nodiscard]] Json openapi_document();

} // namespace millrace
