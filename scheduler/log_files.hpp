/// Logs by reference: the store knows where each attempt's lines are; here they are read. Blocking, on a thread of the pool.
#pragma once

#include "flows/error.hpp"
#include "flows/host_message.hpp"
#include "flows/time.hpp"

#include <optional>
#include <string>
#include <vector>

namespace millrace {

struct LogSource {
    std::string path, task; ///< no task: of the run as a whole
    Json item;
    int attempt = 1;               ///< 0: of the run as a whole
    std::optional<LogLine> line{}; ///< in place of a file: all that there is
};

/// `{items: [{task, item, attempt, line, at, level, text}], next, end}`: lines of all sources in the order of their times.
/// `after` is the `next` of the answer before (empty: from the start), a text that tells how far each file has been read: a
/// page costs what it holds, not what the logs hold. While the run goes on (`over` false), lines of the last moments are held
/// back, since another attempt may still write an earlier one. Throws Refusal{Invalid} for an `after` that is none.
[[nodiscard]] Json read_logs(const std::vector<LogSource>& sources, const std::string& after, int limit, bool over);

/// The last line of an attempt whose host did not come to write why it ended: it was killed for its time, or died.
void end_log(const std::string& path, Instant at, const OrderError& error);

} // namespace millrace
