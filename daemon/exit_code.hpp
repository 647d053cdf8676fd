/// The exit codes that scripts may trust (section 11 of the design). README.md and `millrace --help` say them too.
#pragma once

namespace millrace {
enum ExitCode {
    exit_done = 0,
    exit_failed = 1,      ///< a run, a check or a deploy failed; flow files have mistakes
    exit_usage = 2,       ///< the command line, millrace.yaml, or what the daemon refuses (4xx), such as a run that is not there
    exit_unreachable = 3, ///< no daemon, or its database is away, or it could not answer (5xx), or it says to try again (408, 429)
    exit_cancelled = 4,   ///< a run that was waited for was cancelled or timed out
};
}
