/// Processes as /proc shows them, and the end of those that a command left: what a host and the daemon that starts it both need.
/// Linux only.
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace millrace {

/// In the environment of every command: what one attempt started is found by it, whoever its parent is by then. The value is
/// `MARK.PID.ORDER`: of the daemon's state folder, of the host, of the attempt in it.
inline constexpr const char* attempt_mark = "MILLRACE_ATTEMPT_ID";
/// In the environment of a host: the MARK of the above.
inline constexpr const char* host_mark = "MILLRACE_HOST_MARK";

/// Those that live below `root`, itself and the zombies excepted. One that came or lost its parent meanwhile may be missing.
[[nodiscard]] std::vector<pid_t> descendants(pid_t root);

/// Bytes of memory that these hold: pages that several share count in part for each (Pss of proc(5)). Those that are gone hold none.
[[nodiscard]] std::int64_t memory_of(const std::vector<pid_t>& processes);

/// SIGKILL to everything below `root`, until there is nothing new. Complete where `root` is a subreaper that starts nothing
/// meanwhile. Does not wait for their end, but none of them can start another process any more.
void kill_descendants(pid_t root);

/// The same for every process that has an attempt_mark that begins with `prefix`, whoever started it. Returns how many.
std::size_t kill_marked(const std::string& prefix);

} // namespace millrace
