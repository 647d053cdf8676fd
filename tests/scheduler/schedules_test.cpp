// Schedules over a real PostgreSQL, with a clock that moves when the test says so.
#include "../zone_folder.hpp"
#include "life.hpp"
#include "scheduler/store/store.hpp"

#include <set>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

Instant at(const std::string& text) { return *parse_rfc3339(text); }

ScheduleSpec cron(const std::string& text, const std::string& zone = "UTC") {
    ScheduleSpec s;
    s.cron = text;
    s.timezone = zone;
    return s;
}

ScheduleSpec every(std::int64_t seconds) {
    ScheduleSpec s;
    s.every.seconds = seconds;
    return s;
}

/// A flow of one task, which hangs if it is called so.
FlowPlan flow_of(ScheduleSpec schedule, const std::string& overlap = "queue", const std::string& task = "a") {
    auto plan = plan_text(task + ": run", "f");
    plan.timezone = schedule.timezone;
    plan.schedules = {std::move(schedule)};
    plan.overlap = overlap;
    return plan;
}

ScheduleSpec missed(ScheduleSpec s, const std::string& policy) {
    s.missed = policy;
    return s;
}

/// The nominal instants of the runs of flow f.
Texts nominal(Life& life) {
    Texts out;
    for (const auto& run : life.runs("f")) out.push_back(run.at("scheduled_for").get<std::string>());
    return out;
}

void check_nominal(Life& life, std::size_t count, const std::string& first, const std::string& last) {
    const auto all = nominal(life);
    REQUIRE(all.size() == count);
    CHECK(all.front() == first);
    CHECK(all.back() == last);
}

Texts states(Life& life) {
    Texts out;
    for (const auto& run : life.runs("f")) out.push_back(run.at("state").get<std::string>());
    return out;
}

const Instant noon = at("2026-11-20T12:00:00Z");

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
    { Life makes_the_tables(database.url(), {}, noon); }
    told(database.url(), "insert into millrace.node values ('other', gen_random_uuid(), now() + interval '1 hour', 0, now(), '', 1, -1e6)");
    auto plan = flow_of(cron("0 13 * * *"), "allow");
    plan.schedules.resize(40, plan.schedules[0]);
    Life life(database.url(), {plan}, noon);
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

TEST_CASE("a firing that another node made first cancels nothing") {
    FreshDatabase database;
    Life life(database.url(), {flow_of(every(3600), "cancel_previous", "hang")}, noon);
    life.step_to(noon + 1h);
    REQUIRE(states(life) == Texts{"running"});
    told(database.url(), "insert into millrace.firing values ('f', 0, '2026-11-20 14:00Z', '', 1)");
    life.step_to(noon + 2h);
    CHECK(states(life) == Texts{"running"});
}

TEST_CASE("after downtime, `missed` says which of the passed instants fire") {
    const auto [policy, expected] = GENERATE(table<std::string, Texts>({
        {"last", {"2026-11-20T17:00:00Z"}},
        {"all", {"2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z", "2026-11-20T15:00:00Z", "2026-11-20T16:00:00Z", "2026-11-20T17:00:00Z"}},
        {"none", {}},
    }));
    CAPTURE(policy);
    FreshDatabase database;
    { Life before(database.url(), {flow_of(missed(every(3600), policy))}, noon); }
    Life life(database.url(), {flow_of(missed(every(3600), policy))}, noon + 5h + 30min);
    life.step(1s);
    CHECK(nominal(life) == expected);
    life.step_to(noon + 6h);
    REQUIRE(nominal(life).size() == expected.size() + 1);
    CHECK(nominal(life).back() == "2026-11-20T18:00:00Z");
}

TEST_CASE("an instant that is on time fires whatever passed before it") {
    const auto [policy, expected] = GENERATE(table<std::string, Texts>({
        {"last", {"2026-11-20T14:00:00Z"}},
        {"all", {"2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z"}},
        {"none", {"2026-11-20T14:00:00Z"}},
    }));
    CAPTURE(policy);
    FreshDatabase database;
    { Life before(database.url(), {flow_of(missed(every(3600), policy))}, noon); }
    Life life(database.url(), {flow_of(missed(every(3600), policy))}, noon + 2h + 5s);
    life.step(1s);
    CHECK(nominal(life) == expected);
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

TEST_CASE("what passed before a restart does not fire again after it") {
    FreshDatabase database;
    const auto plan = flow_of(missed(every(3600), "none"));
    { Life before(database.url(), {plan}, noon); }
    {
        Life down(database.url(), {plan}, noon + 3h + 30min);
        down.step(1s);
        down.until([&] { return asked(database.url(), "select next_at from millrace.schedule") == "2026-11-20 16:00:00+00"; });
    }
    auto all = plan; // counted from the last change of the schedule: nothing that the policy `none` let pass
    all.schedules[0].missed = "all";
    Life life(database.url(), {all}, noon + 3h + 40min);
    life.step(1s);
    CHECK(nominal(life).empty());
}

TEST_CASE("missed instants are far more than run numbers at hand, and each makes its run once") {
    FreshDatabase database;
    const auto plan = flow_of(missed(every(60), "all"), "allow");
    { Life before(database.url(), {plan}, noon); }
    Life life(database.url(), {plan}, noon + 200min + 30s);
    for (int i = 0; i < 200 && asked(database.url(), "select count(*) from millrace.firing") != "200"; ++i) {
        life.stepped.step_to(life.stepped.now() + 100ms); // more numbers are on their way
        life.io.restart();
        life.io.run_for(2ms);
    }
    life.until([&] { return life.started.size() == 200; });
    check_nominal(life, 200, "2026-11-20T12:01:00Z", "2026-11-20T15:20:00Z");
}

TEST_CASE("`missed: last` is one run however many instants passed") {
    FreshDatabase database;
    const auto plan = flow_of(cron("* * * * * *"));
    { Life before(database.url(), {plan}, noon); }
    Life life(database.url(), {plan}, noon + 4h);
    life.stepped.step_to(noon + 4h);
    life.settle();
    CHECK(nominal(life).size() <= 61); // of the minute that counts as on time
    CHECK(nominal(life).back() == "2026-11-20T16:00:00Z");
}

TEST_CASE("catch-ups queue whatever `overlap` says") {
    const std::string overlap = GENERATE("skip", "allow", "cancel_previous");
    CAPTURE(overlap);
    FreshDatabase database;
    const auto plan = flow_of(missed(every(3600), "all"), overlap, "hang");
    { Life before(database.url(), {plan}, noon); }
    {
        Life life(database.url(), {plan}, noon + 3h + 30min);
        life.step(1s);
        CHECK(states(life) == Texts{"running", "pending", "pending"});
        CHECK(life.runs("f")[2].at("state_name") == "Queued");
    }
    Life life(database.url(), {plan}, noon + 3h + 31min); // and after a restart they still do
    life.step(1s);
    CHECK(states(life) == Texts{"running", "pending", "pending"});
    life.cancel(life.runs("f")[0].at("id"));
    life.settle();
    CHECK(states(life) == Texts{"cancelled", "running", "pending"});
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
    { Life before(database.url(), {plan}, noon); }
    SECTION("other tasks, the same schedule") {
        auto changed = plan;
        changed.description = "another text";
        Life life(database.url(), {changed}, noon + 2h + 30min);
        life.step(1s);
        CHECK(nominal(life).size() == 2);
    }
    SECTION("a schedule deployed while the daemon lives") {
        Life life(database.url(), {plan}, noon + 30min);
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
    plan.schedules[0].params = {{"region", "north"}};
    plan.schedules[1].params = {{"region", "south"}};
    Life life(database.url(), {plan}, noon + 30min);
    life.step_to(noon + 2h);
    life.step_to(noon + 2h + 1s);
    std::set<std::string> regions;
    for (const auto& run : life.runs("f"))
        if (run.at("scheduled_for") == "2026-11-20T14:00:00Z") regions.insert(run.at("params").at("region").get<std::string>());
    CHECK(regions == std::set<std::string>{"north", "south"});
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
