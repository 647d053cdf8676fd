// What a flow expects, decided from facts, and told over a real PostgreSQL.
#include "life.hpp"
#include "scheduler/expectations.hpp"
#include "scheduler/store/breaches.hpp"
#include "scheduler/store/store.hpp"

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

const Instant noon = *parse_rfc3339("2026-11-20T12:00:00Z");

FlowFacts facts_of(std::vector<WatchedRun> runs = {}) {
    FlowFacts facts;
    facts.flow = "f";
    facts.deployed_at = noon - 24h;
    facts.runs = std::move(runs);
    return facts;
}

/// Run 7, due at noon.
WatchedRun due_at_noon(std::optional<Instant> began = {}, std::optional<Instant> ended = {}) {
    WatchedRun run;
    run.id = 7;
    run.asked_at = run.nominal = noon;
    run.schedule = 0;
    run.began = began;
    run.ended = ended;
    if (ended) run.state = State::Completed;
    return run;
}

/// "start_within schedule 0 ..." of each.
Texts keys(const std::vector<Breach>& breaches) {
    Texts out;
    for (const auto& b : breaches) out.push_back(b.key.expectation + " " + b.key.subject);
    return out;
}

Expectations starts_within(double seconds) {
    Expectations e;
    e.start_within = seconds;
    return e;
}

/// As if what was found had been told.
void tell(FlowFacts& facts, const Judgement& judgement) {
    for (const auto& b : judgement.breaches) facts.told.insert(b.key), facts.open.push_back(b);
}

FlowPlan expecting(Expectations expected, const std::string& tasks = "a: run", std::int64_t every = 3600) {
    auto plan = plan_text(tasks, "f");
    ScheduleSpec schedule;
    schedule.every.seconds = every;
    plan.schedules = {schedule};
    plan.expect = std::move(expected);
    return plan;
}

std::string events_of(const FreshDatabase& database, const std::string& kind) {
    return asked(database.url(), "select count(*) from millrace.event where kind = '" + kind + "'");
}

/// Until the database says so; the clock goes on by little steps, since a watch looks at a flow once a second at most.
void until_told(Life& life, const FreshDatabase& database, const std::string& kind, const std::string& count) {
    for (int i = 0; i < 60 && events_of(database, kind) != count; ++i) life.step(1s);
    CHECK(events_of(database, kind) == count);
}

} // namespace

TEST_CASE("a run that has not begun in time is late, once, and no more when it begins") {
    const auto expected = starts_within(600);
    auto facts = facts_of({due_at_noon()});
    auto judgement = judge(expected, facts, noon + 9min);
    CHECK(judgement.breaches.empty());
    CHECK(judgement.look_again == noon + 10min);
    judgement = judge(expected, facts, noon + 10min);
    REQUIRE(keys(judgement.breaches) == Texts{"start_within schedule 0 2026-11-20T12:00:00Z"});
    CHECK(judgement.breaches[0].kind == "late");
    CHECK(judgement.breaches[0].run_id == 7);
    CHECK(judgement.breaches[0].message == "run 7 was due at 2026-11-20T12:00:00Z and has not begun; expected: start_within 10m");
    tell(facts, judgement);
    judgement = judge(expected, facts, noon + 11min);
    CHECK(judgement.breaches.empty());
    CHECK(judgement.recoveries.empty());
    facts.runs[0].began = noon + 12min;
    judgement = judge(expected, facts, noon + 13min);
    CHECK(judgement.breaches.empty());
    REQUIRE(judgement.recoveries.size() == 1);
    CHECK(judgement.recoveries[0].message == "run 7 began at 2026-11-20T12:12:00Z");
}

TEST_CASE("a run that began late is told also where nobody looked meanwhile, one in time or skipped never") {
    CHECK(judge(starts_within(600), facts_of({due_at_noon(noon + 11min, noon + 12min)}), noon + 1h).breaches.size() == 1);
    CHECK(judge(starts_within(600), facts_of({due_at_noon(noon + 9min, noon + 12min)}), noon + 1h).breaches.empty());
    auto skipped = due_at_noon({}, noon + 1s);
    skipped.state = State::Skipped;
    CHECK(judge(starts_within(600), facts_of({skipped}), noon + 1h).breaches.empty());
    auto by_hand = due_at_noon();
    by_hand.schedule.reset();
    CHECK(judge(starts_within(600), facts_of({by_hand}), noon + 1h).breaches.empty());
}

TEST_CASE("what was before the deploy is not judged by what is expected now") {
    auto facts = facts_of({due_at_noon()});
    facts.deployed_at = noon + 1s;
    Expectations expected = starts_within(60);
    expected.finish_within = 120;
    CHECK(judge(expected, facts, noon + 1h).breaches.empty());
    facts.runs[0].was_expected = true; // another deploy, which changed something else
    CHECK(judge(expected, facts, noon + 1h).breaches.size() == 2);
}

TEST_CASE("a time of the schedule at which no run begins is late, and its run that comes is not told again") {
    auto facts = facts_of();
    facts.schedules = {{0, noon, noon + 30s}}; // with a jitter
    auto judgement = judge(starts_within(600), facts, noon + 10min);
    CHECK(judgement.breaches.empty());
    CHECK(judgement.look_again == noon + 10min + 30s);
    judgement = judge(starts_within(600), facts, noon + 11min);
    REQUIRE(keys(judgement.breaches) == Texts{"start_within schedule 0 2026-11-20T12:00:00Z"});
    CHECK(judgement.breaches[0].run_id == 0);
    tell(facts, judgement);
    facts.schedules.clear();
    facts.runs = {due_at_noon(noon + 12min)};
    judgement = judge(starts_within(600), facts, noon + 12min);
    CHECK(judgement.breaches.empty());
    CHECK(judgement.recoveries.size() == 1);
}

TEST_CASE("times that passed with no daemon are over when a later run begins") {
    auto facts = facts_of({due_at_noon()});
    facts.open = {missed_firings("f", 0, noon - 3h, 3, true, noon)};
    facts.told = {facts.open[0].key};
    CHECK(judge(starts_within(600), facts, noon + 1s).recoveries.empty());
    facts.runs[0].began = noon + 2s;
    CHECK(judge(starts_within(600), facts, noon + 3s).recoveries.size() == 1);
}

TEST_CASE("a run has to end within its time, however it was started, and once late is over when it ends") {
    Expectations expected;
    expected.finish_within = 3600;
    auto run = due_at_noon(noon);
    run.schedule.reset();
    auto facts = facts_of({run});
    CHECK(judge(expected, facts, noon + 59min).look_again == noon + 1h);
    const auto judgement = judge(expected, facts, noon + 2h);
    REQUIRE(keys(judgement.breaches) == Texts{"finish_within run 7"});
    tell(facts, judgement);
    facts.runs[0].ended = noon + 3h;
    facts.runs[0].state = State::Failed;
    CHECK(judge(expected, facts, noon + 3h).recoveries.size() == 1);
    CHECK(judge(expected, facts, noon + 3h).breaches.empty());
}

TEST_CASE("loads grow stale, from the deploy where there was none, and are fresh again with the next one") {
    Expectations expected;
    expected.fresh = 86400;
    auto facts = facts_of();
    CHECK(keys(judge(expected, facts, noon).breaches) == Texts{"fresh since 2026-11-19T12:00:00Z"});
    facts.last_load = noon - 23h;
    auto judgement = judge(expected, facts, noon);
    CHECK(judgement.breaches.empty());
    CHECK(judgement.look_again == noon + 1h);
    judgement = judge(expected, facts, noon + 1h);
    REQUIRE(keys(judgement.breaches) == Texts{"fresh since 2026-11-19T13:00:00Z"});
    CHECK(judgement.breaches[0].kind == "stale");
    CHECK(judgement.breaches[0].message == "no load completed since 2026-11-19T13:00:00Z; expected: fresh 1d");
    tell(facts, judgement);
    facts.last_load.reset(); // too long ago to be looked for
    CHECK(judge(expected, facts, noon + 400h).breaches.empty());
    facts.last_load = noon + 2h;
    CHECK(judge(expected, facts, noon + 3h).recoveries.size() == 1);
}

TEST_CASE("loads that change nothing are fresh, and yet no new rows") {
    Expectations expected;
    expected.fresh = expected.new_rows = 3600;
    auto facts = facts_of();
    facts.last_load = noon;
    facts.last_change = noon - 2h;
    CHECK(keys(judge(expected, facts, noon + 1min).breaches) == Texts{"new_rows since 2026-11-20T10:00:00Z"});
}

TEST_CASE("a dataset with too few or too many rows is told with its run, until a later one is as it should be") {
    Expectations expected;
    expected.rows = {{"hours", 1, 100}};
    auto facts = facts_of({due_at_noon(noon, noon + 1min)});
    const auto breaches = [&](std::int64_t rows) {
        facts.runs[0].rows["hours"] = rows;
        return judge(expected, facts, noon + 2min).breaches;
    };
    CHECK(breaches(1).empty());
    CHECK(breaches(100).empty());
    CHECK(keys(breaches(101)) == Texts{"rows.hours run 7"});
    REQUIRE(keys(breaches(0)) == Texts{"rows.hours run 7"});
    CHECK(breaches(0)[0].message == "hours has 0 rows in run 7; expected: 1 to 100");
    tell(facts, judge(expected, facts, noon + 2min));
    auto next = due_at_noon(noon + 1h, noon + 1h + 1min);
    next.id = 8;
    next.rows["hours"] = 5;
    facts.runs.push_back(next);
    const auto judgement = judge(expected, facts, noon + 2h);
    REQUIRE(judgement.recoveries.size() == 1);
    CHECK(judgement.recoveries[0].message == "hours has 5 rows in run 8");
    facts.runs[0].rows.clear(); // a run that did not make it says nothing of it
    facts.told.clear();
    CHECK(judge(expected, facts, noon + 2h).breaches.empty());
}

TEST_CASE("what is not expected any more is over") {
    auto facts = facts_of({due_at_noon()});
    tell(facts, judge(starts_within(60), facts, noon + 1h));
    const auto judgement = judge({}, facts, noon + 1h);
    REQUIRE(judgement.recoveries.size() == 1);
    CHECK(judgement.recoveries[0].message == "it is not expected any more");
}

TEST_CASE("a run that waits too long is shown as late by every node, and told once") {
    FreshDatabase database;
    auto plan = expecting(starts_within(600), "a: run");
    plan.limits = {{"one", 1}};
    auto holder = plan_text("hang: run", "holder");
    holder.limits = {{"one", 1}};
    Life life(database.url(), {plan, holder}, noon + 1s);
    const auto held = life.trigger_id("holder");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    life.step_to(noon + 1h);
    REQUIRE(life.runs("f").size() == 1);
    const auto id = life.runs("f")[0].at("id").get<std::int64_t>();
    life.step_to(noon + 1h + 9min);
    CHECK(life.run(id).at("state_name") != "Late");
    life.step_to(noon + 1h + 10min);
    until_told(life, database, "late", "1");
    life.until([&] { return life.run(id).at("state_name") == "Late"; });
    Json run = life.run(id);
    CHECK(run.at("state") == "pending");
    CHECK(run.at("warning_count") == 1);
    CHECK(run.at("warnings").at(0).at("kind") == "late");
    const auto flow = [&] { return life.wait(life.engine->read_models().flow("f")); };
    REQUIRE(flow().at("attention").size() == 1);
    CHECK(flow().at("attention").at(0).at("run_id") == id);
    CHECK(life.wait(life.engine->read_models().doctor()).at("attention").contains("f"));
    CHECK(life.engine->read_models().figures().at("flows_late") == 1);
    life.cancel(held);
    life.until([&] { return life.runs("f")[0].at("state") == "completed"; });
    until_told(life, database, "recovered", "1");
    run = life.run(id);
    CHECK(run.at("state_name") != "Late");
    CHECK(run.at("warning_count") == 1);
    CHECK(flow().at("attention").empty());
    for (int i = 0; i < 5; ++i) life.step(10s);
    CHECK(events_of(database, "late") == "1");
    CHECK(life.engine->read_models().figures().at("flows_late") == 0);
}

TEST_CASE("times that passed while no daemon was there are told when one is back, once for all of them and whoever starts") {
    FreshDatabase database;
    const auto plan = [] {
        auto p = expecting(starts_within(600));
        p.schedules[0].missed = "none";
        return p;
    }();
    { Life life(database.url(), {plan}, noon + 1s); }
    {
        Life life(database.url(), {plan}, noon + 3h + 30min);
        life.step(1s);
        until_told(life, database, "late", "1");
        CHECK(life.runs("f").empty());
        CHECK(asked(database.url(), "select message from millrace.event where kind = 'late'") ==
              "3 runs from 2026-11-20T13:00:00Z on do not exist: no daemon was there, and `missed` says that they are left out");
    }
    Life life(database.url(), {plan}, noon + 3h + 40min);
    life.step(1min);
    life.step_to(noon + 4h);
    life.until([&] { return life.runs("f").size() == 1; });
    until_told(life, database, "recovered", "1");
    CHECK(events_of(database, "late") == "1");
}

TEST_CASE("loads and rows of real runs are judged by what their tasks say") {
    FreshDatabase database;
    Expectations expected;
    expected.fresh = expected.new_rows = 2 * 3600;
    expected.rows = {{"a", 1, {}}};
    Life life(database.url(), {expecting(expected, "a: extract\n l: load <- a")}, noon + 1s);
    std::int64_t rows = 5, inserted = 7;
    life.hosts->script = [&](const AttemptOrder& order) -> std::optional<AttemptDone> {
        AttemptDone done;
        done.outcome = "completed";
        if (order.task == "a") {
            done.rows = rows;
            done.manifest = "m";
        } else {
            LoadCounts counts;
            counts.table = "t";
            counts.inserted = inserted;
            done.loads.push_back(counts);
        }
        return done;
    };
    const auto hour = [&](int n) {
        life.step_to(noon + n * 1h);
        life.until(
            [&] { return life.runs("f").size() == static_cast<std::size_t>(n) && life.runs("f").back().at("state") == "completed"; });
        for (int i = 0; i < 3; ++i) life.step(2s);
    };
    hour(1);
    CHECK(events_of(database, "rows_out_of_range") == "0");
    rows = inserted = 0;
    hour(2);
    until_told(life, database, "rows_out_of_range", "1");
    CHECK(life.runs("f").back().at("warning_count") == 1);
    hour(3);
    until_told(life, database, "stale", "1");
    CHECK(asked(database.url(), "select expectation from millrace.breach where kind = 'stale'") == "new_rows");
    rows = inserted = 3;
    hour(4);
    until_told(life, database, "recovered", "3"); // rows of two runs, and new rows
    CHECK(asked(database.url(), "select count(*) from millrace.breach where recovered_at is null") == "0");
}

TEST_CASE("two nodes tell a breach once, and its end once") {
    FreshDatabase database;
    auto plan = expecting(starts_within(600), "hang: run");
    plan.limits = {{"one", 1}};
    Life one(database.url(), {plan}, noon + 1s, "one"), two(database.url(), {plan}, noon + 1s, "two");
    Breach breach = missed_firings("f", 0, noon - 1h, 2, true, noon);
    // Both see it, and both see that it is over, whichever is first.
    pqxx::connection connection(database.url());
    pqxx::work work(connection);
    work.exec("insert into millrace.breach (flow, expectation, subject, kind, since, told_at, message) values ('f', 'start_within', "
              "'" +
              breach.key.subject + "', 'late', '2026-11-20T11:00:00Z', '2026-11-20T11:10:00Z', 'x')");
    work.commit();
    for (int i = 0; i < 10; ++i) one.step(1s), two.step(1s);
    for (auto* life : {&one, &two}) life->step_to(noon + 1h);
    one.until(
        [&] { return asked(database.url(), "select count(*) from millrace.run where flow = 'f' and started_at is not null") == "1"; });
    for (int i = 0; i < 40; ++i) one.step(1s), two.step(1s);
    CHECK(events_of(database, "recovered") == "1");
    CHECK(events_of(database, "late") == "0");
}

TEST_CASE("the SQL of the watch is sound, and flows that nobody knows have no facts") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")});
    Database store(database.url(), 1, store_statements());
    const auto facts = life.wait(read_facts(store, {"f", "gone"}, life.clock.now()));
    CHECK(facts.size() == 2);
    CHECK(facts.at("gone").facts.runs.empty());
}
