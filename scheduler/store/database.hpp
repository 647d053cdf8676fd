/// A small pool of connections to the store, each used by one blocking call at a time on a thread of its own.
/// The journal has its own connection and does not come here.
#pragma once

#include "scheduler/service.hpp"
#include "scheduler/store/call_watch.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <pqxx/pqxx>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace millrace {

struct Statement {
    const char* name;
    const char* sql;
};
/// `url` with a limit on the time that connecting takes: libpq has none for a server that takes the connection and says nothing.
[[nodiscard]] std::string with_timeout(const std::string& url);
/// What every session of ours begins with. What we acknowledge, and act on, is on the server's disk, whatever the server, the database
/// or our role has for other programs; who waits for standbys (remote_*) goes on doing so. A node that freezes or loses its network within
/// a transaction holds rows, which others wait for: no longer than seconds, also where the server waits for a lock itself (from 14 on).
inline constexpr const char* session_settings =
    "set application_name = 'millrace'; set timezone = 'UTC'; set client_min_messages = warning;"
    " select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') in ('off', 'local'); set jit = off;"
    " set idle_in_transaction_session_timeout = '5s'; set tcp_keepalives_idle = 3; set tcp_keepalives_interval = 1;"
    " set tcp_keepalives_count = 3; select set_config(name, '3s', false) from pg_settings"
    " where name = 'client_connection_check_interval' and version() like '%linux%'"; // others have it and refuse any value

/// Opens a connection that knows `statements`, with UTC and our application name, while `watch` looks on. Throws
/// pqxx::broken_connection, also where the server does not answer.
[[nodiscard]] std::unique_ptr<pqxx::connection> connect_store(const std::string& url, const std::vector<Statement>& statements,
                                                              CallWatch& watch);

/// A failure that another try may not meet: a lost connection, a server that restarts or may only be read, a deadlock.
[[nodiscard]] bool is_transient(const std::exception& error);
/// What was to be written causes it: the same rows fail again wherever they are written. All else is the store's matter.
[[nodiscard]] bool is_of_rows(const std::exception& error);
/// The SQLSTATE; empty: it has none.
[[nodiscard]] std::string sqlstate_of(const std::exception& error);

/// How long a statement may take. The slowest of ours take seconds: a restart reads live runs whole.
inline constexpr auto longest_call = std::chrono::seconds(30);
inline constexpr auto longest_last_call = std::chrono::seconds(3); ///< when the process ends

class Database {
public:
    /// `statements` are prepared on every connection.
    Database(std::string url, int connections, std::vector<Statement> statements);
    ~Database();
    /// The process ends: what the store does not answer soon is given up.
    void hurry(std::chrono::milliseconds longest) { watch_.hurry(longest); }

    /// Runs `work(pqxx::work&)` in a transaction on a thread of the pool, commits, and resumes the caller where it was.
    /// A transient failure is tried again for about two seconds, then Refusal{Unavailable}; so `work` must be repeatable. While the
    /// store is away one call at a time finds out whether it is back, once; all others are refused at once, or they would queue up.
    template <class Work>
    [[nodiscard]] auto run(Work work) -> boost::asio::awaitable<std::invoke_result_t<Work&, pqxx::work&>> {
        return on_pool([this, work = std::move(work)]() mutable { return transact<pqxx::work>(work); });
    }

    /// The same without a transaction around it, which is two round trips less: for several statements that read, as each sees
    /// its own snapshot in any case, and for a single one that writes.
    template <class Work>
    [[nodiscard]] auto read(Work work) -> boost::asio::awaitable<std::invoke_result_t<Work&, pqxx::nontransaction&>> {
        return on_pool([this, work = std::move(work)]() mutable { return transact<pqxx::nontransaction>(work); });
    }

    /// Runs `work()` on a thread of the pool: blocking things beside the store, like reading log files.
    template <class Work>
    [[nodiscard]] auto on_pool(Work work) -> boost::asio::awaitable<std::invoke_result_t<Work&>> {
        return boost::asio::co_spawn(threads_, invoke(std::move(work)),
                                     boost::asio::bind_cancellation_slot(boost::asio::cancellation_slot(), boost::asio::use_awaitable));
    }

    /// Behind it lies what run() acknowledged last: bytes of the store's WAL that were on disk after it. 0: not known. Any thread.
    [[nodiscard]] std::int64_t wal() const { return wal_; }

    /// No run before that is live (settle_periods() in history.hpp): with it in a condition the periods before are not looked into.
    [[nodiscard]] std::int64_t live_from() const { return live_from_; }
    void set_live_from(std::int64_t run_id) { live_from_ = run_id; }

private:
    template <class Work>
    static boost::asio::awaitable<std::invoke_result_t<Work&>> invoke(Work work) {
        co_return work();
    }
    template <class Transaction, class Work>
    std::invoke_result_t<Work&, Transaction&> transact(Work& work) {
        using Result = std::invoke_result_t<Work&, Transaction&>;
        std::conditional_t<std::is_void_v<Result>, std::monostate, Result> result{};
        connected([&](pqxx::connection& connection) {
            {
                Transaction transaction(connection);
                if constexpr (std::is_void_v<Result>)
                    work(transaction);
                else
                    result = work(transaction);
                transaction.commit();
            }
            if constexpr (std::is_same_v<Transaction, pqxx::work>) return learn_wal(connection);
            return true;
        });
        if constexpr (!std::is_void_v<Result>) return result;
    }
    /// `work` tells whether the connection may be used again.
    void connected(const std::function<bool(pqxx::connection&)>& work);
    [[nodiscard]] bool learn_wal(pqxx::connection& connection);
    [[nodiscard]] bool probes();
    void found(const std::string& away);

    std::string url_;
    std::vector<Statement> statements_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<pqxx::connection>> idle_; ///< guarded by mutex_
    std::string away_;                                    ///< why the store is away; empty: it is not. Guarded by mutex_
    bool probing_ = false;                                ///< while it is away: a call finds out. Guarded by mutex_
    std::atomic<std::int64_t> live_from_ = 0, wal_ = 0;
    std::atomic<bool> tells_wal_ = true;
    CallWatch watch_{longest_call};
    boost::asio::thread_pool threads_;
};

} // namespace millrace
