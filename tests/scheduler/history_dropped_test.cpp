// What is kept of runs: how their periods go, with events, firings and requests.
#include "given_history.hpp"
#include "scheduler/store/periods.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

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
    CHECK(past.wait(past.store.live_runs("00000000-0000-0000-0000-000000000001", {2, 2050})).size() == 1);
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
