/// The API's document of the rejected rows of a task.
#pragma once

#include "flows/plan.hpp"

#include <cstdint>

namespace millrace {

/// The rejected rows of `task`, as the host read them, each with its `_item`: `columns` in the order of the contract where there is one.
/// A number that readers of JSON would change is the text that came. Values of sensitive rows are masked.
[[nodiscard]] Json rejected_document(const TaskPlan& task, const Json& rows, bool sensitive, std::int64_t total);

} // namespace millrace
