// Schedules whose clock is set, is wrong, or has other zones; and local clocks that skip an hour or have it twice.
#include "../zone_folder.hpp"
#include "given_schedules.hpp"
#include "scheduler/store/store.hpp"

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

TEST_CASE("time zone data that changes is read anew, and schedules come by the new rules") {
    const ZoneFolder zones;
    FreshDatabase database;
    const auto plan = flow_of(cron("0 18 * * *", "Europe/Berlin"));
    const auto next = [&] { return asked(database.url(), "select next_at at time zone 'UTC' from millrace.schedule"); };
    const bool while_it_lives = GENERATE(true, false);
    CAPTURE(while_it_lives);
    std::optional<Life> life;
    life.emplace(database.url(), std::vector{plan}, noon);
    CHECK(next() == "2026-11-20 17:00:00");
    if (!while_it_lives) life.reset();
    zones.becomes("Europe/Berlin", "Europe/Helsinki");
    if (while_it_lives) {
        life->step(61s);
        life->until([&] { return asked(database.url(), "select count(*) from millrace.event where kind = 'zones_changed'") == "1"; });
    } else {
        (void)refresh_zones(); // another process begins with what there is
        life.emplace(database.url(), std::vector{plan}, noon + 61s);
    }
    life->until([&] { return next() == "2026-11-20 16:00:00"; });
    life->step_to(at("2026-11-20T16:00:00Z"));
    CHECK(nominal(*life) == Texts{"2026-11-20T16:00:00Z"});
    CHECK(asked(database.url(), "select local from millrace.firing") == "2026-11-20T18:00:00");
    life->step_to(at("2026-11-20T17:00:00Z"));
    CHECK(nominal(*life).size() == 1);
}

TEST_CASE("a clock that is set forth holds the schedules for a while, and what it passed counts as downtime") {
    const auto [policy, expected] = GENERATE(table<std::string, Texts>({
        {"last", {"2026-11-20T14:00:00Z"}},
        {"all", {"2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z"}},
        {"none", {}},
    }));
    CAPTURE(policy);
    FreshDatabase database;
    Life life(database.url(), {flow_of(missed(every(3600), policy))}, noon);
    life.stepped.jump_to(noon + 2h + 30min);
    life.settle();
    life.step(9s);
    CHECK(nominal(life).empty());
    life.step(1s);
    life.step(1s); // its alarm, which is set when the hold ends
    CHECK(nominal(life) == expected);
    CHECK(asked(database.url(), "select string_agg(details->>'seconds', ' ') from millrace.event where kind = 'clock_jumped'") == "9000");
}

TEST_CASE("a clock that is set back makes no instant fire twice, and none is lost") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(missed(every(3600), "all"))}, noon);
    life.step_to(noon + 1h);
    life.stepped.jump_to(noon - 1h);
    life.settle();
    for (const auto later : {0h, 1h}) {
        life.step_to(noon + later);
        CHECK(nominal(life) == Texts{"2026-11-20T13:00:00Z"});
    }
    life.step_to(noon + 2h);
    CHECK(nominal(life) == Texts{"2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z"});
}

TEST_CASE("what a clock that was ahead passed over fires when the right clock comes to it, over a restart too") {
    FreshDatabase database;
    const auto plan = flow_of(missed(every(3600), "none"));
    std::optional<Life> life(std::in_place, database.url(), std::vector{plan}, noon);
    life->stepped.jump_to(noon + 5h + 30min);
    life->settle();
    life->step(10s);
    life->step(1s);
    CHECK(nominal(*life).empty());
    CHECK(asked(database.url(), "select message from millrace.event where kind = 'missed'") ==
          "5 firings of 2026-11-20T13:00:00Z to 2026-11-20T17:00:00Z came too late and are left out (missed: none)");
    if (GENERATE(false, true)) {
        life.reset();
        life.emplace(database.url(), std::vector{plan}, noon);
    } else {
        life->stepped.jump_to(noon);
        life->settle();
        life->step(1s);
        life->step(10s);
    }
    life->step_to(noon + 1h);
    life->step_to(noon + 2h);
    CHECK(nominal(*life) == Texts{"2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z"});
}

TEST_CASE("a clock that is corrected by less than a minute holds nothing") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(3600))}, noon);
    life.step_to(noon + 59min + 10s);
    life.stepped.jump_to(noon + 1h + 5s);
    life.settle();
    CHECK(nominal(life) == Texts{"2026-11-20T13:00:00Z"});
}

TEST_CASE("a fixed hour that the clocks skip fires after the gap, or not at all") {
    FreshDatabase database;
    auto plan = flow_of(cron("30 2 * * *", "Europe/Berlin")); // 2026-03-29: 02:00 becomes 03:00
    SECTION("after") {
        Life life(database.url(), {plan}, at("2026-03-28T12:00:00Z"));
        life.step_to(at("2026-03-29T01:00:00Z"));
        CHECK(nominal(life) == Texts{"2026-03-29T01:00:00Z"});
        CHECK(asked(database.url(), "select local from millrace.firing") == "2026-03-29T02:30:00");
    }
    SECTION("skip") {
        plan.schedules[0].dst.gap = "skip";
        Life life(database.url(), {plan}, at("2026-03-28T12:00:00Z"));
        life.step_to(at("2026-03-29T01:00:00Z"));
        CHECK(nominal(life).empty());
        life.step_to(at("2026-03-30T00:30:00Z"));
        CHECK(nominal(life) == Texts{"2026-03-30T00:30:00Z"});
    }
}

TEST_CASE("a fixed hour that comes twice fires the first time, the second or both") {
    const auto [overlap, expected] = GENERATE(table<std::string, Texts>({
        {"first", {"2026-10-25T00:30:00Z"}},
        {"second", {"2026-10-25T01:30:00Z"}},
        {"both", {"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"}},
    }));
    CAPTURE(overlap);
    FreshDatabase database;
    auto plan = flow_of(cron("30 2 * * *", "Europe/Berlin"));
    plan.schedules[0].dst.overlap = overlap;
    Life life(database.url(), {plan}, at("2026-10-24T12:00:00Z"));
    life.step_to(at("2026-10-25T00:30:00Z"));
    life.step_to(at("2026-10-25T01:30:00Z"));
    CHECK(nominal(life) == expected);
    CHECK(asked(database.url(), "select count(distinct local) from millrace.firing") == "1");
}

TEST_CASE("a wall clock that is set forth counts as downtime, one that is set back fires nothing twice") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(missed(every(3600), "all"))}, noon);
    life.step_to(noon + 3h + 30min);
    CHECK(nominal(life).size() == 3);
    life.stepped.step_to(noon + 30min);
    life.step_to(noon + 1h);
    life.step_to(noon + 2h);
    CHECK(nominal(life).size() == 3);
}

TEST_CASE("a clock is wrong that is off by more than a minute where another node's is not") {
    const auto is_wrong = [](double own, std::vector<double> others) { return Clocks{own, std::move(others)}.own_is_wrong(); };
    CHECK(is_wrong(600, {2}));
    CHECK(is_wrong(-61, {2, 700}));
    CHECK_FALSE(is_wrong(60, {0}));
    CHECK_FALSE(is_wrong(600, {}));         // nobody else says so
    CHECK_FALSE(is_wrong(600, {601, 599})); // it is the store's
}

TEST_CASE("schedules rest on a node whose clock is wrong while another's is right, and fire when it is right again") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(3600))}, noon);
    told(database.url(), "insert into millrace.node (id, epoch, lease_until, journal_seq, started_at, version, pid)"
                         " values ('other', gen_random_uuid(), clock_timestamp() + interval '1 hour', 0, now(), '', 1)");
    const auto kinds = [&] {
        return asked(database.url(), "select string_agg(kind, ' ' order by id) from millrace.event where kind like 'clock_%'");
    };
    life.until([&] {
        life.step(1s);
        return kinds() == "clock_wrong"; // the test's day is another than that of the store
    });
    CHECK(life.wait(life.engine->read_models().doctor()).at("clock_wrong").get<std::string>().find("behind that of the store") !=
          std::string::npos);
    life.step_to(noon + 1h);
    life.settle();
    CHECK(nominal(life).empty());
    told(database.url(), "delete from millrace.node where id = 'other'");
    life.until([&] {
        life.step(1s);
        return kinds() == "clock_wrong clock_right";
    });
    life.step(2s);
    CHECK(nominal(life) == Texts{"2026-11-20T13:00:00Z"});
}

TEST_CASE("a new run takes the place of the one before it though the clock was set back between them") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(3600), "cancel_previous", "hang")}, noon);
    (void)life.trigger_id("f");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    life.step_to(noon - 60s);
    (void)life.trigger_id("f");
    life.until([&] { return states(life).front() == "cancelled"; });
    life.settle();
    CHECK(states(life) == Texts{"cancelled", "running"});
}
