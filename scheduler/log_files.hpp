/// Logs by reference: the store knows where each attempt's lines are; here they are read. Blocking, on a thread of the pool.
#pragma once

#include "flows/json.hpp"

#include <string>
#include <vector>

namespace millrace {

struct LogSource {
    std::string path, task;
    Json item;
    int attempt = 1;
};

/// `{items: [{task, item, attempt, line, at, level, text}], next, end}`: lines of all sources in the order of their times.
/// `after` is the `next` of the answer before (0: from the start). While the run goes on (`over` false), lines of the last
/// moments are held back, since another attempt may still write an earlier one.
[[nodiscard]] Json read_logs(const std::vector<LogSource>& sources, std::int64_t after, int limit, bool over);

} // namespace millrace
