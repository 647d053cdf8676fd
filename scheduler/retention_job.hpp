/// Removes what is kept no longer, and compresses logs that no host came to: when the node starts and each hour after that. History goes
/// through the store, one node at a time; files are those of this node's staging folder. A little at a time on the pool's threads, so that
/// nobody waits for it.
#pragma once

#include "scheduler/clock.hpp"
#include "scheduler/disk_guard.hpp"
#include "scheduler/journal.hpp"
#include "scheduler/log_packing.hpp"
#include "scheduler/staging_sweep.hpp"
#include "scheduler/store/history.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace millrace {

class RetentionJob {
public:
    struct Config {
        std::filesystem::path staging, state;
        std::function<Json()> written;                      ///< `retention` of the settings in force
        std::function<void(std::int64_t)> forget_ids_below; ///< run ids in hand: their period may be dropped
    };
    RetentionJob(boost::asio::io_context& io, Clock& clock, Database& database, Journal& journal, Config config);

    /// The first pass begins now, beside all else.
    void start();
    /// A pass that is under way ends soon; stop() waits for that.
    void begin_no_more();
    [[nodiscard]] boost::asio::awaitable<void> stop();

    /// For `millrace doctor`: `{periods, rows, bytes, oldest_at, kept_by, last_ran_at, failure, policy: {kind: seconds}, disks: [{folder,
    /// path, free_bytes, size_bytes}]}`.
    [[nodiscard]] Json describe() const;
    /// For /metrics.
    [[nodiscard]] Json figures() const;

private:
    struct Removed {
        DroppedHistory history;
        Swept files;
        std::string failure; ///< empty: none
    };
    void pass_soon();
    boost::asio::awaitable<void> pass();
    boost::asio::awaitable<void> drop_rows(Removed& removed, RetentionPolicy policy, Instant now);
    boost::asio::awaitable<void> sweep_folders(Removed& removed, RetentionPolicy policy, Instant now);
    boost::asio::awaitable<void> sweep_some(Removed& removed, RetentionPolicy policy, Instant now, std::vector<RunFolder> folders);
    boost::asio::awaitable<void> pack_some(Instant now, std::vector<std::string> names);
    boost::asio::awaitable<void> pause();
    void tell(const Removed& removed);
    void watch();
    boost::asio::awaitable<void> look_around();

    boost::asio::io_context& io_;
    Clock& clock_;
    Database& database_;
    Journal& journal_;
    const Config config_;

    HistoryFacts facts_;
    std::int64_t kept_by_ = 0;
    std::optional<Instant> ran_at_;                                                           ///< the end of the last pass
    std::string failure_;                                                                     ///< of the last pass; empty: none
    std::int64_t dropped_periods_ = 0, removed_files_ = 0, removed_bytes_ = 0, failures_ = 0; ///< since the start
    DiskSpace of_staging_, of_state_;

    Clock::TimerId next_pass_ = 0, next_look_ = 0;
    bool under_way_ = false, watching_ = false, stopping_ = false;
    boost::asio::steady_timer pause_, idle_; ///< the machine's time, not the clock's: it passes where a test's clock stands
};

} // namespace millrace
