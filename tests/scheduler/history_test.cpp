// What is kept of runs: periods of run ids as partitions, how they come and what is in them.
#include "given_history.hpp"
#include "scheduler/store/migrations/m0001_tables.hpp"
#include "scheduler/store/migrations/m0002_retired_slots.hpp"
#include "scheduler/store/periods.hpp"

using namespace millrace;
using namespace millrace::test;

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
    run_until(one.io, [&] { return asked_for == 0; });
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

TEST_CASE("an idempotency key is unique in all periods as long as its run is kept, and free after that") {
    Desk desk;
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
    CHECK(desk.refused == Ids{1025});
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
    Desk desk;
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
