/// What is kept of runs that have ended, and how it goes: whole periods (periods.hpp), the oldest first, as dropped tables. A period
/// stays that has the newest run, since its number must not be given again and nodes have ids beside it in hand, or a run that is live or
/// that a live one goes on from; so does every one after such. Any node may do it, one at a time; what was begun and broken off is done
/// next time.
#pragma once

#include "scheduler/retention.hpp"
#include "scheduler/store/database.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

struct DroppedHistory {
    int periods = 0;         ///< with all that was in them
    int event_periods = 0;   ///< of these the events alone
    std::int64_t events = 0; ///< of no run
    /// Everything left is young enough but for this run, which is live or which a live one goes on from; 0: nothing is.
    std::int64_t kept_by = 0;
};

/// Drops what ended before `now` less the policy's times. Throws Refusal{Unavailable} when the store is away or so busy that no table
/// could be dropped without keeping others waiting.
[[nodiscard]] boost::asio::awaitable<DroppedHistory> drop_history(Database& database, RetentionPolicy policy, Instant now);

/// The next ids that are handed out begin a new period if the newest one has gone on for a tenth of `history`, a day at least. True:
/// they do.
[[nodiscard]] boost::asio::awaitable<bool> renew_period(Database& database, RetentionPolicy policy, Instant now);

/// Takes over what settle_periods() of any node noted: database.live_from(). Until then no period counts as settled.
[[nodiscard]] boost::asio::awaitable<void> look_for_live(Database& database);
/// Notes which periods are settled: all their runs have ended, and there has been a newer one for so long that no node has an id of
/// theirs in hand. Then as above.
[[nodiscard]] boost::asio::awaitable<void> settle_periods(Database& database, Instant now);

/// The first id of the newest run's period. One below that a node has in hand it must not use: that period may be dropped when there
/// has been a newer one for two hours.
[[nodiscard]] boost::asio::awaitable<std::int64_t> lowest_usable_id(Database& database);

struct HistoryFacts {
    int periods = 0;
    std::int64_t rows = 0, bytes = 0; ///< rows as PostgreSQL estimates them
    std::optional<Instant> oldest_at; ///< the creation of the oldest run
};
[[nodiscard]] boost::asio::awaitable<HistoryFacts> history_facts(Database& database);

/// Whose these folders are, by their names; left out: of no run.
[[nodiscard]] boost::asio::awaitable<std::map<std::string, FolderOwner>> folder_owners(Database& database,
                                                                                       std::vector<std::string> staging_ids);

/// Removes the nodes whose leases ran out a week ago or more; returns how many. One that comes back yet finds its epoch gone, as one does
/// whose runs were taken over, and begins anew.
[[nodiscard]] boost::asio::awaitable<int> forget_nodes(Database& database);
/// Removes what was asked of runs an hour before `now` or earlier, unless a live one has yet to answer: nobody waits for it any more.
[[nodiscard]] boost::asio::awaitable<void> drop_old_requests(Database& database, Instant now);

[[nodiscard]] const std::vector<Statement>& history_statements();

} // namespace millrace
