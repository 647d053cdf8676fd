// Schedules over a real PostgreSQL, with a clock that moves when the test says so.
#include "given_schedules.hpp"

#include <set>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

/// So many schedules of 13:00, which a second node shares that does not do its part.
Life beside_another_node(const FreshDatabase& database, std::size_t schedules) {
    { Life makes_the_tables(database.url(), {}, noon); }
    told(database.url(), "insert into millrace.node values ('other', gen_random_uuid(), now() + interval '1 hour', 0, now(), '', 1, -1e6)");
    auto plan = flow_of(cron("0 13 * * *"), "allow");
    plan.schedules.resize(schedules, plan.schedules[0]);
    return Life(database.url(), {plan}, noon);
}

} // namespace

TEST_CASE("a schedule fires at its instant, and keeps the nominal local time beside it") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(cron("0 6 * * *", "America/Sao_Paulo"))}, noon);
    life.step_to(at("2026-11-21T08:59:59Z"));
    CHECK(nominal(life).empty());
    life.step_to(at("2026-11-21T09:00:00Z"));
    REQUIRE(nominal(life) == Texts{"2026-11-21T09:00:00Z"});
    const Json run = life.runs("f")[0];
    CHECK(run.at("trigger") == "schedule");
    CHECK(run.at("state") == "completed");
    CHECK(asked(database.url(), "select local from millrace.firing") == "2026-11-21T06:00:00");
    CHECK(asked(database.url(), "select next_local from millrace.schedule") == "2026-11-22T06:00:00");
}

TEST_CASE("a day of a schedule of every quarter of an hour is 96 runs") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(900))}, noon);
    for (int i = 1; i <= 96; ++i) {
        life.stepped.step_to(noon + i * 15min);
        life.until([&] { return static_cast<int>(life.started.size()) == i; });
    }
    life.settle();
    check_nominal(life, 96, "2026-11-20T12:15:00Z", "2026-11-21T12:00:00Z");
}

TEST_CASE("a firing that another node made first makes no second run, and the schedule goes on") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(3600))}, noon);
    told(database.url(), "insert into millrace.firing values ('f', 0, '2026-11-20 13:00Z', '', 1)");
    life.step_to(noon + 1h);
    CHECK(nominal(life).empty());
    CHECK(life.started.empty());
    life.step_to(noon + 2h);
    CHECK(nominal(life) == Texts{"2026-11-20T14:00:00Z"});
}

TEST_CASE("of two nodes each fires its share on time, and the other's a second later if that has not") {
    FreshDatabase database;
    auto life = beside_another_node(database, 40);
    life.step_to(noon + 1h);
    const auto share = nominal(life).size();
    CHECK(share > 5);
    CHECK(share < 35);
    SECTION("it is dead") {
        life.stepped.step_to(noon + 1h + 1s);
        life.until([&] { return life.started.size() == 40; });
    }
    SECTION("it fired some of them") {
        told(database.url(),
             "with gone as (select flow, number from millrace.schedule where next_at = '2026-11-20 13:00Z' order by number limit 3), "
             "made as (insert into millrace.firing select flow, number, '2026-11-20 13:00Z', '', 1 from gone) "
             "update millrace.schedule set next_at = '2026-11-21 13:00Z' where (flow, number) in (select * from gone)");
        life.stepped.step_to(noon + 1h + 1s);
        life.until([&] { return life.started.size() == 37; });
    }
    life.settle();
    CHECK(asked(database.url(), "select count(*) from millrace.firing") == "40");
    life.step_to(noon + 25h);
    life.stepped.step_to(noon + 25h + 1s);
    life.until([&] { return asked(database.url(), "select count(*) from millrace.firing") == "80"; });
}

TEST_CASE("who stands in for many schedules at once waits for run numbers as one does that stands in for a few") {
    FreshDatabase database;
    auto life = beside_another_node(database, 1200);
    for (auto of_own_share = 0ms; of_own_share < 900ms; of_own_share += 20ms) {
        life.stepped.step_to(noon + 1h + of_own_share);
        life.settle();
    }
    for (int turns = 0; turns < 20; ++turns) life.stepped.step_to(noon + 1h + 1s); // all are asked for before the store answers
    for (auto waited = 0ms; waited < 400ms && life.started.size() < 1200; waited += 5ms) {
        life.stepped.step_to(noon + 1h + 1s + waited);
        life.settle();
    }
    CHECK(life.started.size() == 1200);
}

TEST_CASE("a firing that another node made first cancels nothing") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(3600), "cancel_previous", "hang")}, noon);
    life.step_to(noon + 1h);
    REQUIRE(states(life) == Texts{"running"});
    told(database.url(), "insert into millrace.firing values ('f', 0, '2026-11-20 14:00Z', '', 1)");
    life.step_to(noon + 2h);
    CHECK(states(life) == Texts{"running"});
}

TEST_CASE("a paused schedule fires nothing, over a restart too, and what passed meanwhile stays passed") {
    FreshDatabase database;
    const auto plan = flow_of(missed(every(3600), "all"));
    {
        Life life(database.url(), {plan}, noon);
        (void)life.wait(life.engine->service().set_schedules_paused("f", true));
        life.step_to(noon + 1h);
        CHECK(nominal(life).empty());
    }
    Life life(database.url(), {plan}, noon + 2h + 30min);
    life.step(1s);
    CHECK(nominal(life).empty());
    (void)life.wait(life.engine->service().set_schedules_paused("f", false));
    life.step(1s);
    CHECK(nominal(life).empty());
    life.step_to(noon + 3h);
    CHECK(nominal(life) == Texts{"2026-11-20T15:00:00Z"});
}

TEST_CASE("to resume a schedule that is not paused changes nothing") {
    FreshDatabase database;
    auto plan = flow_of(every(3600));
    plan.schedules[0].jitter_seconds = 1800;
    Life life(database.url(), {plan}, noon);
    life.stepped.step_to(noon + 1h); // its jitter still holds the firing of this hour back
    life.settle();
    REQUIRE(nominal(life).empty());
    (void)life.wait(life.engine->service().set_schedules_paused("f", false));
    life.step_to(noon + 1h + 30min);
    CHECK(nominal(life) == Texts{"2026-11-20T13:00:00Z"});
}

TEST_CASE("jitter delays a firing by the same time in every life, and its nominal instant stays") {
    auto plan = flow_of(every(3600));
    plan.schedules[0].jitter_seconds = 600;
    Texts created;
    for (int n = 0; n < 2; ++n) {
        FreshDatabase database;
        Life life(database.url(), {plan}, noon);
        for (auto t = noon + 1h; t <= noon + 1h + 10min && life.runs("f").empty(); t += 20s) life.step_to(t);
        REQUIRE(nominal(life) == Texts{"2026-11-20T13:00:00Z"});
        created.push_back(life.runs("f")[0].at("created_at").get<std::string>());
    }
    CHECK(created[0] == created[1]);
    CHECK(created[0] > "2026-11-20T13:00:00Z");
}

TEST_CASE("each instant fires once, in order and before the next one, however long the jitter is") {
    const std::string policy = GENERATE("last", "all", "none");
    CAPTURE(policy);
    FreshDatabase database;
    auto plan = flow_of(missed(every(300), policy), "allow");
    plan.schedules[0].jitter_seconds = 6 * 3600;
    Life life(database.url(), {plan}, noon);
    Texts expected;
    for (int i = 1; i <= 5; ++i) {
        life.step_to(noon + i * 5min);
        CHECK(nominal(life) == expected); // this one waits for its delay
        for (int step = 0; step < 5; ++step) life.step(50s);
        expected.push_back(to_rfc3339(noon + i * 5min));
    }
    life.step(49s);
    CHECK(nominal(life) == expected);
}

TEST_CASE("a deploy that changes a schedule counts from then on, another one keeps its time") {
    FreshDatabase database;
    const auto plan = flow_of(missed(every(3600), "all"));
    SECTION("other tasks, the same schedule") {
        auto changed = plan;
        changed.description = "another text";
        auto life = back_at(database, noon + 2h + 30min, plan, changed);
        life.step(1s);
        CHECK(nominal(life).size() == 2);
    }
    SECTION("a schedule deployed while the daemon lives") {
        auto life = back_at(database, noon + 30min, plan);
        life.folders.plans[0].schedules = {every(600)};
        life.deploy();
        life.step_to(noon + 40min);
        CHECK(nominal(life) == Texts{"2026-11-20T12:40:00Z"});
    }
}

TEST_CASE("a flow whose file is gone fires no more") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(3600))}, noon);
    const auto plan = life.folders.plans[0];
    life.folders.plans.erase(life.folders.plans.begin());
    life.deploy();
    life.step_to(noon + 1h);
    life.folders.plans.push_back(plan);
    life.deploy();
    CHECK(nominal(life).empty());
    life.step_to(noon + 2h);
    CHECK(nominal(life) == Texts{"2026-11-20T14:00:00Z"});
}

TEST_CASE("a schedule fires from its start to before its end, and not while it is written as paused") {
    FreshDatabase database;
    auto plan = flow_of(every(3600));
    SECTION("start and end") {
        plan.schedules[0].start = "2026-11-20T13:30:00Z";
        plan.schedules[0].end = "2026-11-20T15:30:00Z";
        Life life(database.url(), {plan}, noon);
        for (int i = 1; i <= 10; ++i) life.step_to(noon + i * 30min);
        CHECK(nominal(life) == Texts{"2026-11-20T13:30:00Z", "2026-11-20T14:30:00Z"});
        CHECK(asked(database.url(), "select next_at is null from millrace.schedule") == "t");
    }
    SECTION("paused") {
        plan.schedules[0].paused = true;
        Life life(database.url(), {plan}, noon);
        life.step_to(noon + 1h);
        CHECK(nominal(life).empty());
    }
}

TEST_CASE("two schedules of one flow that meet make two runs that do not share their loads") {
    FreshDatabase database;
    auto plan = flow_of(every(3600), "allow");
    ParamSpec region;
    region.name = "region";
    plan.params = {region};
    plan.schedules.push_back(every(7200));
    const bool alike = GENERATE(false, true);
    plan.schedules[0].params = {{"region", "north"}};
    plan.schedules[1].params = {{"region", alike ? "north" : "south"}};
    Life life(database.url(), {plan}, noon + 30min);
    life.step_to(noon + 2h);
    life.step_to(noon + 2h + 1s);
    std::multiset<std::string> regions;
    for (const auto& run : life.runs("f"))
        if (run.at("scheduled_for") == "2026-11-20T14:00:00Z") regions.insert(run.at("params").at("region").get<std::string>());
    CHECK(regions == std::multiset<std::string>{"north", alike ? "north" : "south"});
    CHECK(asked(database.url(), "select count(*) - count(distinct run_key) from millrace.run where flow = 'f'") == "0");
}

TEST_CASE("defaults of parameters are evaluated once, at the nominal instant in the schedule's zone") {
    FreshDatabase database;
    auto plan = flow_of(cron("30 23 * * *", "America/Sao_Paulo"));
    ParamSpec day, label;
    day.name = "day", day.type = "date", day.default_value = "${run.at:%Y-%m-%d}";
    label.name = "label", label.default_value = "hours of ${day}";
    plan.params = {day, label};
    Life life(database.url(), {plan}, noon);
    life.step_to(at("2026-11-21T02:30:40Z")); // 23:30 of the 20th, 40 seconds late
    REQUIRE(life.runs("f").size() == 1);
    CHECK(life.runs("f")[0].at("params") == Json{{"day", "2026-11-20"}, {"label", "hours of 2026-11-20"}});
    // What a caller gives is text and nothing else.
    const Json run = life.trigger("f", "", {{"label", "${run.id}"}});
    CHECK(run.at("params").at("label") == "${run.id}");
}

TEST_CASE("a firing that cannot become a run is told by an event and does not come again") {
    FreshDatabase database;
    auto plan = flow_of(every(3600));
    plan.interval = IntervalSpec{};
    plan.interval->every.days = 1;
    plan.interval->from = "2027-01-01"; // not yet
    {
        Life life(database.url(), {plan}, noon);
        life.step_to(noon + 1h);
        CHECK(nominal(life).empty());
        CHECK(asked(database.url(), "select kind from millrace.event where flow = 'f'") == "not_fired");
        CHECK(asked(database.url(), "select next_at from millrace.schedule") == "2026-11-20 14:00:00+00");
    }
    Life life(database.url(), {plan}, noon + 1h + 10s);
    life.step(1s);
    CHECK(asked(database.url(), "select count(*) from millrace.event where kind = 'not_fired'") == "1");
}
