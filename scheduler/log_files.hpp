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
    std::optional<LogLine> gone{}; ///< what stands for a file that is not there, whatever is looked for; none: nothing does
};

/// Which lines are shown.
struct LogWanted {
    std::string search; ///< that hold this text, upper and lower case alike; empty: all
    std::string level;  ///< of this level or a higher one: debug, info, warning, error; empty: all. What a command wrote is info.
};

/// `{items: [{task, item, attempt, line, at, level, text}], next, end}`: lines of all sources in the order of their times.
/// `after` is the `next` of the answer before (empty: from the start), a text that tells how far each file has been read: a
/// page costs what it holds, not what the logs hold (of a compressed log what is before it in its file, at most some MB, too; with
/// `wanted` what is looked through). While the run goes on (`over` false), lines of the last moments are held
/// back, since another attempt may still write an earlier one. Throws Refusal{Invalid} for an `after` that is none.
[[nodiscard]] Json read_logs(const std::vector<LogSource>& sources, const std::string& after, int limit, bool over,
                             const LogWanted& wanted = {});

/// The last line of an attempt whose host did not come to write why it ended: it was killed for its time, or died. Before its end is
/// recorded.
void end_log(const std::string& path, Instant at, const OrderError& error);

} // namespace millrace
