/// The states of runs and task runs (section 3 of the design) and which may follow which: the one place.
///
///   scheduled -> pending -> running -> completed | failed | crashed | cancelled | skipped
///                  ^  |        |
///                  |  v        v
///               paused      retrying -> running        cancelling -> cancelled (or the final state that won the race)
#pragma once

#include <string_view>

namespace millrace {

enum class State {
    Scheduled,  ///< due later
    Pending,    ///< may start as soon as its parents, slots and host allow
    Running,    ///< an attempt (task run) or any task (run) is at work
    Retrying,   ///< waits for its next attempt
    Paused,     ///< held by a person or an approval
    Cancelling, ///< told to stop, not yet stopped
    Completed,
    Failed,
    Crashed,
    Cancelled,
    Skipped,
};

[[nodiscard]] std::string_view to_string(State s);
/// Throws std::invalid_argument for a name that is none.
[[nodiscard]] State state_from(std::string_view name);
/// A final state never changes.
[[nodiscard]] bool is_final(State s);
[[nodiscard]] bool may_become(State from, State to);

} // namespace millrace
