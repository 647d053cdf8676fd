/// The target `postgres`: one transaction per batch. Fields of its connection: `url`, and `schema` for tables that name none (public).
#pragma once

#include "connectors/targets/target.hpp"

namespace millrace::postgres {
[[nodiscard]] std::unique_ptr<Target> open(const std::string& name, const Json& connection);
} // namespace millrace::postgres
