/// Whether the store still has what it acknowledged. One that failed over to a standby which lagged, or whose files were put back,
/// has forgotten its last commits: what a node remembers of them is worth nothing then. Pure.
#pragma once

#include "flows/json.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace millrace {

/// Where a store stands. Any of it may be unknown: managed PostgreSQL does not tell everybody everything.
struct StorePosition {
    std::string system;        ///< identifier of the cluster; empty: unknown
    std::int64_t timeline = 0; ///< 0: unknown. A promoted standby begins a new one
    std::int64_t wal = 0;      ///< bytes of it written; 0: unknown
};

/// What a node finds that meets the store again.
struct Return {
    StorePosition known; ///< when it was left
    StorePosition found;
    std::int64_t acknowledged = 0;   ///< number of the node's last commit whose end was heard
    std::optional<std::int64_t> row; ///< the number that the node's row has; nothing: it has another epoch, or there is none
};

enum class Verdict {
    AsLeft,
    Arrived, ///< the commit in doubt is there too
    Fenced,  ///< the store goes on, and another has the node's epoch
    Lost     ///< history is lost
};
/// Another cluster or timeline counts as lost whatever the row says: other commits than the node's may be missing, and who claimed
/// slots or took runs over without the journal would not notice.
[[nodiscard]] Verdict judge(const Return& back);

/// "the store forgot commits 12 to 14 of this node (system ..."; for people.
[[nodiscard]] std::string lost_message(const Return& back);
/// {acknowledged, found, known: {system, timeline, wal}, now: {...}}; null for what is unknown. `wal` as PostgreSQL writes it.
[[nodiscard]] Json lost_details(const Return& back);

} // namespace millrace
