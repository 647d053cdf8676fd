/// What to propose where a load lacks its `key`.
#pragma once

#include "flows/compiler/draft.hpp"

#include <string>
#include <vector>

namespace millrace {

/// Columns that identify a row of the task's dataset: a unique one, those that its SQL groups by, the key of its resource, or `id`.
/// Empty: who knows.
[[nodiscard]] std::vector<std::string> likely_key(const DraftTask& task);

} // namespace millrace
