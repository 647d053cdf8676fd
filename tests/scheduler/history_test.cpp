// What is kept of runs: periods of run ids as partitions, how they come and how they go.
#include "fresh_database.hpp"
#include "journal_desk.hpp"
#include "loop.hpp"
#include "scheduler/store/history.hpp"
#include "scheduler/store/migrate.hpp"
#include "scheduler/store/migrations/m0001_tables.hpp"
#include "scheduler/store/migrations/m0002_retired_slots.hpp"
#include "scheduler/store/periods.hpp"
#include "scheduler/store/store.hpp"

#include <boost/asio/co_spawn.hpp>

#include <catch2/catch.hpp>

#include <optional>

using namespace millrace;
using test::asked;
using test::FreshDatabase;
using test::told;

namespace {

std::vector<Statement> statements() {
    auto all = store_statements();
    all.insert(all.end(), history_statements().begin(), history_statements().end());
    return all;
}

constexpr Instant now{std::chrono::days(20000)};

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

/// With periods 1 to 1024, to 2048 and to 3072.
struct Periods3 : Past {
    explicit Periods3(const std::string& url) : Past((migrate(url), url)) {
        period(1025, 2049);
        period(2049, 3073);
    }
};

boost::asio::awaitable<bool> settle_periods_of(Database& pool) {
    co_await settle_periods(pool, now);
    co_return true;
}

boost::asio::awaitable<bool> drop_requests_of(Database& pool, Instant at) {
    co_await drop_old_requests(pool, at);
    co_return true;
}

} // namespace

TEST_CASE("the next period has about a day's ids") {
    const auto width = [](std::int64_t ids, std::chrono::minutes took) { return next_width({1, 1 + ids}, took); };
    CHECK(width(1024, std::chrono::hours(24)) == 1024);
    CHECK(width(1024, std::chrono::hours(48)) == 512);
    CHECK(width(100, std::chrono::hours(24)) == 128);        // whole blocks
    CHECK(width(1024, std::chrono::minutes(1)) == 4096);     // not much more than the one before
    CHECK(width(1024, std::chrono::hours(24 * 365)) == 256); // nor much less
    CHECK(width(64, std::chrono::hours(24 * 365)) == 64);    // a block at least
    CHECK(width(1LL << 40, std::chrono::hours(24)) == 1 << 30);
    CHECK(width(64, std::chrono::minutes(-5)) == 256); // a clock that was set back
}

TEST_CASE("a store of version 2 keeps its rows as the oldest period") {
    FreshDatabase database;
    told(database.url(),
         std::string("create schema millrace; create table millrace.migration (number int primary key, program text not null,"
                     " applied_at timestamptz not null default now());"
                     " insert into millrace.migration values (1, ''), (2, '');") +
             migrations::m0001_tables + migrations::m0002_retired_slots);
    Past past(database.url());
    past.run(7, 3, "idempotency_key = 'once'");
    past.run(70, std::nullopt);
    told(database.url(), "insert into millrace.event (at, kind, message, details) values (now(), 'clock_jumped', '', '{}');"
                         "insert into millrace.attempt values (7, 0, -1, 1, 'running', 'log', now());"
                         "select nextval('millrace.run_id'), nextval('millrace.run_id')"); // 1 to 128
    migrate(database.url());
    CHECK(past.ids() == "7 70");
    CHECK(asked(database.url(), "select string_agg(first || '-' || beyond, ' ' order by first) from millrace.period") == "0-129 129-1153");
    CHECK(asked(database.url(), "select count(*) from millrace.task_run") == "2");
    CHECK(asked(database.url(), "select count(*) from millrace.attempt where run_id = 7") == "1");
    CHECK(asked(database.url(), "select string_agg(run_id::text, ' ' order by run_id) from millrace.event") == "0 7 70");
    CHECK(past.wait(past.store.run_by_idempotency_key("f", "once"))->id == 7);
    CHECK(past.wait(past.store.new_run_ids(1)) == std::vector<std::int64_t>{129});
    past.run(129, 1);
    CHECK(asked(database.url(), "select tableoid::regclass from millrace.run where id = 129") == "millrace.run_129");
    CHECK(asked(database.url(), "select max(id) from millrace.event") == "4"); // numbers go on
}

TEST_CASE("run ids are handed out when there is a place for their rows, by two nodes at once too") {
    FreshDatabase database;
    migrate(database.url());
    Past one(database.url()), other(database.url());
    std::vector<std::int64_t> blocks;
    int asked_for = 0;
    const auto ask = [&](Past& node) {
        ++asked_for;
        boost::asio::co_spawn(one.io, node.store.new_run_ids(20), [&](std::exception_ptr failed, std::vector<std::int64_t> some) {
            CHECK(!failed);
            blocks.insert(blocks.end(), some.begin(), some.end());
            --asked_for;
        });
    };
    for (int i = 0; i < 4; ++i) ask(one), ask(other);
    test::run_until(one.io, [&] { return asked_for == 0; });
    std::sort(blocks.begin(), blocks.end());
    CHECK(std::adjacent_find(blocks.begin(), blocks.end()) == blocks.end());
    REQUIRE(blocks.size() == 160);
    one.run(blocks.back() + 63, 1);
    CHECK(one.ids() == std::to_string(160 * 64));
    // no gap between periods, and none is there twice
    CHECK(asked(database.url(), "select bool_and(beyond = next) from (select beyond, lead(first) over (order by first) as next from"
                                " millrace.period) p where next is not null") == "t");
}

TEST_CASE("a period that has gone on for long is left, unless it has few ids") {
    FreshDatabase database;
    migrate(database.url());
    Past past(database.url());
    const auto renew = [&](int days_later) {
        (void)past.wait(renew_period(past.pool, RetentionPolicy(), now + std::chrono::days(days_later)));
        return past.wait(past.store.new_run_ids(1)).front();
    };
    (void)past.wait(past.store.new_run_ids(1));
    past.run(1, 0);
    CHECK(renew(100) == 65);
    past.period(1025, 9217);
    told(database.url(), "select setval('millrace.run_id', 1025, false)");
    CHECK(past.wait(past.store.new_run_ids(1)).front() == 1025);
    past.run(1025, 0);
    CHECK(renew(8) == 1089); // a tenth of `history` is nine days
    CHECK(renew(9) == 9217);
    CHECK(renew(9) == 9281); // it is new
}

TEST_CASE("a period is dropped when all its runs ended long ago, the oldest first") {
    FreshDatabase database;
    Periods3 past(database.url());
    past.run(1, 100), past.run(2, 95), past.run(1025, 95), past.run(1026, 89), past.run(2049, 1);
    told(database.url(),
         "insert into millrace.firing values ('f', 0, '2026-11-20 06:00Z', '', 1), ('f', 0, '2026-11-21 06:00Z', '', 1025)");
    const auto dropped = past.drop(90);
    CHECK(dropped.periods == 1);
    CHECK(dropped.kept_by == 0);
    CHECK(past.ids() == "1025 1026 2049");
    CHECK(asked(database.url(), "select string_agg(run_id::text, ' ' order by run_id) from millrace.task_run") == "1025 1026 2049");
    CHECK(asked(database.url(), "select string_agg(run_id::text, ' ' order by run_id) from millrace.event") == "1025 1026 2049");
    CHECK(asked(database.url(), "select string_agg(run_id::text, ' ') from millrace.firing") == "1025");
    CHECK(asked(database.url(), "select count(*) from pg_class where relname like '%\\_1'") == "0");
    CHECK(past.drop(88).periods == 1);
    CHECK(past.drop(0).periods == 0); // the newest run stays: its number must not be given again
    CHECK(past.ids() == "2049");
    past.period(3073, 4097);
    past.run(3073, 0);
    CHECK(past.drop(0).periods == 0); // a node may have ids of the one before in hand yet
    told(database.url(), "update millrace.run set created_at = created_at - interval '3 hours'");
    CHECK(past.drop(0).periods == 1);
}

TEST_CASE("a firing goes with its run's period, and one that made no run when it is as old") {
    FreshDatabase database;
    Periods3 past(database.url());
    past.run(1, 100), past.run(1025, 100), past.run(2049, 1);
    const auto fires = [&](std::int64_t run, int days_ago) {
        told(database.url(), "insert into millrace.firing values ('f', 0, '" + to_rfc3339(now - std::chrono::days(days_ago)) + "', '', " +
                                 std::to_string(run) + ")");
    };
    fires(0, 91), fires(0, 89), fires(1, 100), fires(1025, 99), fires(2049, 92), fires(0, -1);
    told(database.url(), "insert into millrace.firing select 'g', n, '2020-01-01', '', 1 from generate_series(1, 25000) n;"
                         "insert into millrace.firing select 'h', n, '2020-01-01', '', 0 from generate_series(1, 25000) n");
    CHECK(past.drop(90).periods == 2);
    CHECK(asked(database.url(), "select string_agg(run_id::text, ' ' order by nominal) from millrace.firing") == "2049 0 0");
}

TEST_CASE("firings are dropped by their indexes, a part at a time") {
    FreshDatabase database;
    Periods3 past(database.url());
    told(database.url(), "insert into millrace.firing select 'f', n, '2020-01-01', '', n % 2 * n from generate_series(1, 50000) n;"
                         "analyze millrace.firing");
    pqxx::connection connection(database.url());
    pqxx::nontransaction work(connection);
    const auto plan_of = [&](const std::string& name, const std::string& bound) {
        std::string plan;
        for (const auto& statement : history_statements())
            if (statement.name == name) work.exec("prepare " + name + " as " + statement.sql);
        for (const auto& row : work.exec("explain execute " + name + "(" + bound + ")")) plan += row[0].c_str();
        return plan;
    };
    CHECK_THAT(plan_of("drop_firings", "50"), Catch::Contains("using firing_by_run"));
    CHECK_THAT(plan_of("drop_firings_of_no_run", "'2020-01-02'"), Catch::Contains("using firing_of_no_run"));
}

TEST_CASE("periods in which no run is live any more are settled, and live runs are looked for after them") {
    FreshDatabase database;
    Periods3 past(database.url());
    const auto settled = [&] {
        past.wait(settle_periods_of(past.pool));
        return past.pool.live_from();
    };
    const auto adopted = [&] { return past.wait(past.store.adopt("00000000-0000-0000-0000-000000000001")); };
    past.run(1, 3), past.run(2, std::nullopt), past.run(1025, 2), past.run(2049, 1), past.run(2050, std::nullopt);
    CHECK(settled() == 0);
    CHECK(adopted() == std::vector<std::int64_t>{2, 2050});
    told(database.url(), "update millrace.run set state = 'completed', finished_at = created_at where id = 2");
    CHECK(settled() == 2049);
    CHECK(adopted() == std::vector<std::int64_t>{2050});
    CHECK(past.wait(past.store.live_runs("00000000-0000-0000-0000-000000000001")).size() == 1);
    told(database.url(), "update millrace.run set state = 'completed', finished_at = created_at where id = 2050");
    past.period(3073, 4097);
    past.run(3073, 0); // just now: a node may have ids of the period before in hand
    CHECK(settled() == 2049);
    CHECK(past.drop(1).periods == 2);
    CHECK(settled() == 0); // what is left has the oldest one's ids too
}

TEST_CASE("a live run keeps its period and all after it, and so does one that it goes on from") {
    FreshDatabase database;
    Periods3 past(database.url());
    past.run(1, 100), past.run(2049, 100), past.run(2050, 1);
    SECTION("its own") {
        past.run(2, std::nullopt);
        const auto kept = past.drop(90);
        CHECK(kept.periods == 0);
        CHECK(kept.kept_by == 2);
        told(database.url(), "update millrace.run set state = 'completed', finished_at = created_at where id = 2");
    }
    SECTION("that of the run which it repeats") {
        past.run(2051, std::nullopt, "rerun_of = 1");
        CHECK(past.drop(90).kept_by == 1);
        CHECK(past.drop(90).periods == 0);
        told(database.url(), "update millrace.run set state = 'completed', finished_at = created_at where id = 2051");
    }
    CHECK(past.drop(90).periods == 2); // 1025 to 2048 were never used
}

TEST_CASE("what was broken off while a period was dropped is done the next time") {
    FreshDatabase database;
    Periods3 past(database.url());
    past.run(1, 100), past.run(2049, 1);
    told(database.url(), "drop table millrace.event_1, millrace.attempt_1, millrace.task_run_1");
    CHECK(past.drop(90).periods == 2);
    CHECK(past.ids() == "2049");
    CHECK(asked(database.url(), "select min(first) from millrace.period") == "2049");
}

TEST_CASE("events go sooner than their runs where they are to, and those of no run with them") {
    FreshDatabase database;
    Periods3 past(database.url());
    past.run(1, 50), past.run(1025, 20), past.run(2049, 1);
    told(database.url(), "insert into millrace.event (at, kind, message, details) select '" + to_rfc3339(now - std::chrono::days(31)) +
                             "'::timestamptz + n * interval '2 days', 'k', '', '{}' from generate_series(0, 1) n");
    const auto dropped = past.drop(90, 30);
    CHECK(dropped.periods == 0);
    CHECK(dropped.event_periods == 1);
    CHECK(dropped.events == 1);
    CHECK(past.ids() == "1 1025 2049");
    CHECK(asked(database.url(), "select string_agg(run_id::text, ' ' order by run_id) from millrace.event") == "0 1025 2049");
    CHECK(past.drop(40, 30).periods == 1); // though its events are gone already
}

TEST_CASE("whether events may go is not looked for in settled periods whose own are gone") {
    FreshDatabase database;
    Periods3 past(database.url());
    past.run(1, 5), past.run(2, std::nullopt), past.run(1025, 40), past.run(2049, 1);
    told(database.url(), "drop table millrace.event_1"); // `events` was less then
    const auto dropped = [&] {
        past.wait(settle_periods_of(past.pool));
        return past.drop(90, 30);
    };
    CHECK(dropped().event_periods == 0);
    told(database.url(), "update millrace.run set state = 'completed', finished_at = created_at where id = 2");
    CHECK(past.drop(90, 30).event_periods == 0); // run 1 is young, and nobody noted yet that its period is settled
    CHECK(dropped().event_periods == 1);
    CHECK(past.ids() == "1 2 1025 2049");
    CHECK(asked(database.url(), "select string_agg(run_id::text, ' ' order by run_id) from millrace.event") == "2049");
}

TEST_CASE("what was asked of a run goes after an hour, unless the run lives and has not answered") {
    FreshDatabase database;
    Periods3 past(database.url());
    past.run(1, 1), past.run(2, std::nullopt);
    const auto asks = [&](int run, const std::string& by, const std::string& at, bool answered) {
        told(database.url(), "insert into millrace.request (run_id, what, task, comment, by, asked_at, answered_at) values (" +
                                 std::to_string(run) + ", 'cancel', '', '', '" + by + "', " + at + ", " + (answered ? at : "null") + ")");
    };
    const auto ago = [](int minutes) { return "'" + to_rfc3339(now - std::chrono::minutes(minutes)) + "'"; };
    asks(1, "ended", ago(61), false), asks(2, "answered", ago(61), true), asks(2, "open", ago(61), false);
    asks(1, "young", ago(59), false), asks(2, "of the store", "clock_timestamp()", true);
    const auto left = [&](Instant at) {
        past.wait(drop_requests_of(past.pool, at));
        return asked(database.url(), "select string_agg(by, ', ' order by id) from millrace.request");
    };
    CHECK(left(now) == "open, young, of the store");
    CHECK(left(now + std::chrono::days(100000)) == "open, of the store"); // a clock that is ahead
}

TEST_CASE("an idempotency key is unique in all periods as long as its run is kept, and free after that") {
    test::Desk desk;
    Past past(desk.database.url());
    past.period(1025, 2049);
    const auto keyed = [&](std::int64_t id) {
        auto changes = desk.new_run(id);
        changes.new_run->idempotency_key = "once";
        return changes;
    };
    desk.journal->submit(keyed(1));
    desk.journal->submit(keyed(1025));
    desk.until([&] { return !desk.refused.empty() && !desk.committed.empty(); });
    CHECK(desk.refused == test::Ids{1025});
    CHECK(desk.sqlstates == std::vector<std::string>{"23505"});
    CHECK(past.wait(past.store.run_by_idempotency_key("f", "once"))->id == 1);
    told(desk.database.url(), "update millrace.run set state = 'completed', finished_at = '2020-01-01'");
    past.run(1026, 1);
    CHECK(past.drop(90).periods == 1);
    CHECK_FALSE(past.wait(past.store.run_by_idempotency_key("f", "once")));
    desk.journal->submit(keyed(1027));
    desk.until([&] { return desk.committed.size() == 2; });
    CHECK(past.wait(past.store.run_by_idempotency_key("f", "once"))->id == 1027);
}

TEST_CASE("one commit of the journal writes to several periods, and to one that it does not know yet") {
    test::Desk desk;
    Past past(desk.database.url());
    desk.journal->submit(desk.new_run(1));
    desk.until([&] { return desk.committed.size() == 1; });
    past.period(1025, 2049);
    for (const std::int64_t id : {1, 1025}) {
        auto changes = id == 1 ? desk.changes_of(1) : desk.new_run(id);
        changes.task_runs = {desk.task_run(0, id != 1)};
        changes.task_runs.front().attempts = 5;
        desk.journal->submit(std::move(changes));
    }
    desk.until([&] { return desk.committed.size() == 3; });
    CHECK(desk.refused.empty());
    CHECK(asked(desk.database.url(),
                "select string_agg(run_id || ':' || attempts, ' ' order by run_id) from millrace.task_run where item = 0") == "1:5 1025:5");
    CHECK(asked(desk.database.url(), "select tableoid::regclass from millrace.run where id = 1025") == "millrace.run_1025");
}
