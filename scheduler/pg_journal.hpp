/// The journal over PostgreSQL: one thread, one connection, group commit. What gathers while a commit is on its way goes
/// in the next one; no timer. Every transaction begins with the fence row of this node: when another has taken the node's
/// epoch away, or the store has forgotten what it acknowledged, nothing is written any more and `ended` is called. A commit is
/// one round trip; two where it claims firings.
#pragma once

#include "scheduler/history.hpp"
#include "scheduler/journal.hpp"
#include "scheduler/journal_answers.hpp"
#include "scheduler/store/periods.hpp"
#include "scheduler/store/pipelined_connection.hpp"

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

namespace millrace {

inline constexpr double lease_seconds = std::chrono::duration<double>(lease_length).count(); ///< for SQL

struct NodeIdentity {
    std::string id;
    std::string epoch; ///< uuid
    std::int64_t sequence = 0;
    StorePosition store{}; ///< where the store stood when the epoch was taken
};

struct JournalFigures {
    std::uint64_t commits = 0, rows = 0, refused = 0, reconnects = 0;
    double last_commit_ms = 0;
    std::string away; ///< why nothing is written now; empty: nothing keeps us from it
};

class PgJournal final : public Journal {
public:
    /// `ended` is called once, on the loop: with nothing when another has the epoch, else with what tells that history is lost.
    using Ended = std::function<void(const std::optional<Return>& lost)>;
    /// `committed_elsewhere`: how far into the store's WAL what the node wrote without the journal reaches; 0: not known. Any thread.
    PgJournal(boost::asio::io_context& io, std::string url, NodeIdentity node, std::function<std::int64_t()> committed_elsewhere,
              Ended ended);
    ~PgJournal() override;
    /// Writes what was submitted, unless the store is away or hangs, and ends the thread. Callbacks may still come on the loop.
    void close();

    void submit(RunChanges changes) override;
    [[nodiscard]] std::size_t backlog() const override { return answers_.awaited(); }

    /// CLOCK_BOOTTIME until which the last commit proves the lease. Any thread.
    [[nodiscard]] std::chrono::microseconds leased_until() const { return std::chrono::microseconds(leased_until_.load()); }
    /// The same for what is under way: also proven while the store's server, on this machine, is known not to run, for then no
    /// other node can take it over; and after its start none does until ours had the time to come back (void_dead_nodes). Any thread.
    [[nodiscard]] std::chrono::microseconds hosts_until() const {
        return std::chrono::microseconds(std::max(leased_until_.load(), nobody_else_until_.load()));
    }
    [[nodiscard]] JournalFigures figures() const;

private:
    using Group = std::vector<RunChanges>;
    enum class Written { Yes, Refused, Ended, Stopped };

    void work();
    Written write(Group& group);
    void write_or_bisect(Group group);
    void transact(Group& group);
    void learn_periods(std::int64_t highest_run);
    std::vector<PgResult> run(std::span<const StatementCall> calls);
    bool reconnect(bool& arrived);
    void look_for_server();
    Verdict meet_again();
    [[nodiscard]] StorePosition position();
    void tell_away(const std::exception& why);
    bool pause();
    void turn_away(Group& group);
    void conclude(Group group);
    void answer(Group group, std::optional<std::pair<std::string, std::string>> refusal);
    void die();

    const std::string url_;
    const std::function<std::int64_t()> committed_elsewhere_;
    const Ended ended_;

    // Of the journal's thread.
    NodeIdentity node_;
    std::optional<PipelinedConnection> connection_;
    Periods periods_;                         ///< as they were learnt last
    std::optional<std::string> local_socket_; ///< of the server itself, which said so
    StorePosition known_;                     ///< of the store, when it was met last
    std::optional<Return> lost_;              ///< why we end, where that is it
    std::pair<std::string, std::string> last_refusal_;
    std::set<std::int64_t> refused_runs_; ///< half a run is worse than none: what comes later of them is not written
    std::size_t kept_ = 0;                ///< of the group: what comes after it was fired by another node
    bool dead_ = false;
    std::string told_;            ///< SQLSTATE of what keeps us from writing, as it was told last
    std::int64_t told_until_ = 0; ///< CLOCK_BOOTTIME, us: until then it is not told again; 0: nothing keeps us

    CallWatch watch_{longest_call};

    // Guarded by mutex_.
    mutable std::mutex mutex_;
    std::condition_variable arrived_;
    Group gathering_;
    bool stopping_ = false;
    JournalFigures figures_;

    JournalAnswers answers_;
    std::atomic<std::int64_t> leased_until_{0}, nobody_else_until_{0};
    std::thread thread_; ///< last: it uses all of the above
};

} // namespace millrace
