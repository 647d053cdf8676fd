/// Items of a `for_each`: the rows that a task is done for.
#pragma once

#include "flows/json.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace {

/// What tells one item from another: its canonical JSON.
[[nodiscard]] std::string item_text(const Json& item);

/// Keeps the first of items that are the same, and returns how many it took out: their task runs would be one another's.
std::int64_t take_out_repeated(std::vector<Json>& items);

/// "2 rows of `for_each` are another row again ..."
[[nodiscard]] std::string told_of_repeated_items(std::int64_t repeated);

} // namespace millrace
