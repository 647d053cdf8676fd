/// The statements of store/credentials.cpp, which are part of store_statements().
#pragma once

#include "scheduler/store/database.hpp"

#include <vector>

namespace millrace {

[[nodiscard]] const std::vector<Statement>& credential_statements();

} // namespace millrace
