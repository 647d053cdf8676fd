/// The rejected rows of a task: what a host is asked for, and the API's document of the answer.
#pragma once

#include "flows/run_plan.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace {

/// Reads `parts` datasets of rejected rows, named r0, r1, ..., and says of each row in `_part` which one it is of. A record may be
/// as large as a page: texts of more than 64 K characters are cut, with a mark, and rows after the first 8 MB are left out.
[[nodiscard]] std::string rejected_rows_sql(std::size_t parts, int limit);

/// The rejected rows of `task`, as the host read them, each with its `_item`: `columns` in the order of the contract where there is one.
/// A number that readers of JSON would change is the text that came. Values of sensitive rows are masked.
[[nodiscard]] Json rejected_document(const TaskPlan& task, const Json& rows, bool sensitive, std::int64_t total);

/// The rejected rows that a load counts are of the tasks whose rows it loads: how to look at those that were kept; empty where none were.
[[nodiscard]] std::string rejects_before_load(const FlowPlan& plan, const TaskPlan& load, const std::vector<StoredTaskRun>& task_runs,
                                              std::int64_t run_id);

} // namespace millrace
