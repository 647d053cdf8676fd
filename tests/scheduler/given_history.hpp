/// Stores whose runs a test writes.
#pragma once

#include "fresh_database.hpp"
#include "journal_desk.hpp"
#include "loop.hpp"
#include "scheduler/store/history.hpp"
#include "scheduler/store/migrate.hpp"
#include "scheduler/store/store.hpp"

#include <boost/asio/co_spawn.hpp>

#include <catch2/catch.hpp>

#include <optional>

namespace millrace::test {

inline std::vector<Statement> statements() {
    auto all = store_statements();
    all.insert(all.end(), history_statements().begin(), history_statements().end());
    return all;
}

inline constexpr Instant now{std::chrono::days(20000)};

/// A store whose runs a test writes: `(id, days ago that it ended)`, none: it is live.
struct Past {
    explicit Past(const std::string& url) : store_url(url), pool(url, 2, statements()), store(pool) {}

    template <class T>
    T wait(boost::asio::awaitable<T> work) {
        std::optional<T> result;
        std::exception_ptr failed;
        boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr e, T value) {
            failed = e;
            result = std::move(value);
        });
        test::run_until(io, [&] { return result.has_value(); });
        if (failed) std::rethrow_exception(failed);
        return std::move(*result);
    }
    void run(std::int64_t id, std::optional<int> ended_days_ago, const std::string& more = "rerun_of = null") {
        const std::string at = "'" + to_rfc3339(now - std::chrono::days(ended_days_ago.value_or(200))) + "'";
        const std::string n = std::to_string(id);
        told(store_url, "insert into millrace.plan values (repeat('a', 64), 'f', '{}', now()) on conflict do nothing;"
                        "insert into millrace.run (id, flow, plan_hash, staging_id, run_key, trigger, state, state_name, params, options,"
                        " created_at, finished_at) values (" +
                            n + ", 'f', repeat('a', 64), gen_random_uuid(), 'k', 'api', '" + (ended_days_ago ? "completed" : "running") +
                            "', '', '{}', '{}', " + at + ", " + (ended_days_ago ? at : "null") + "); update millrace.run set " + more +
                            " where id = " + n +
                            "; insert into millrace.task_run (run_id, task, item, attempts, charged, state, state_name) values (" + n +
                            ", 0, -1, 1, 1, 'pending', ''); insert into millrace.event (at, run_id, kind, message, details) values (" + at +
                            ", " + n + ", 'warning', 'm', '{}')");
    }
    void period(std::int64_t first, std::int64_t beyond) {
        told(store_url, "select millrace.add_period(" + std::to_string(first) + ", " + std::to_string(beyond) + ")");
    }
    DroppedHistory drop(int history_days, std::optional<int> events_days = {}) {
        RetentionPolicy policy;
        policy.history = std::chrono::days(history_days);
        policy.events = std::chrono::days(events_days.value_or(history_days));
        return wait(drop_history(pool, policy, now));
    }
    [[nodiscard]] std::string ids() const { return asked(store_url, "select string_agg(id::text, ' ' order by id) from millrace.run"); }

    std::string store_url;
    boost::asio::io_context io;
    Database pool;
    Store store;
};

} // namespace millrace::test
