/// A command of the user as a child: a session of its own, nothing inherited but what is given, its lines handed over one
/// by one, ended as a whole: this process becomes a subreaper, so that whatever the command started stays below it, and no
/// descendant outlives the command. One command at a time in a process that has no other children. Linux only.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace millrace {

struct ChildCommand {
    std::vector<std::string> argv;          ///< argv[0] is looked up in the child's PATH
    std::map<std::string, std::string> env; ///< the whole environment
    std::string folder;                     ///< where it runs
    std::int64_t memory_bytes = 0;          ///< it is killed when it and all below it hold more; 0: no limit
};

struct ChildEnd {
    int exit_code = -1;            ///< when it ended by itself
    int signal = 0;                ///< when it was killed
    std::int64_t memory_bytes = 0; ///< when it was killed for its memory: what it held
};

class ChildProcess {
public:
    /// `lines("out" | "err", texts)` is called from `run` only, with what came at once. Of a line that is longer than 16 KiB the
    /// beginning comes when there is as much of it, and at its end a line that says how much was left out: "... (123 bytes more)".
    using LineSink = std::function<void(std::string_view level, const std::vector<std::string_view>& texts)>;

    /// Starts it and waits for its end; what it left running is killed, in its session or out of it. Throws Error{Permanent} when it
    /// cannot be started, Error{Resource} when there are too many processes.
    [[nodiscard]] ChildEnd run(const ChildCommand& command, const LineSink& lines);
    /// SIGTERM to it and all its descendants now, SIGKILL ten seconds later. From any thread, before or while `run`.
    void stop() { stopping_ = true; }

private:
    /// Until its end and that of all it started.
    ChildEnd watch(pid_t pid, int out, int err, std::int64_t memory_bytes, const LineSink& lines);

    std::atomic<bool> stopping_ = false;
};

} // namespace millrace
