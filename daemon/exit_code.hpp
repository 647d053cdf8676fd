/// The exit codes that scripts may trust (section 11 of the design).
#pragma once

namespace millrace {
enum ExitCode { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_unreachable = 3, exit_cancelled = 4 };
}
