// What a flow expects, told over a real PostgreSQL.
#include "given_expectations.hpp"
#include "life.hpp"
#include "overheard.hpp"
#include "scheduler/store/breaches.hpp"
#include "scheduler/store/store.hpp"

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

const Instant noon = *parse_rfc3339("2026-11-20T12:00:00Z");

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
    until_told(life, database, "rows_out_of_range", "2");
    const auto newest = asked(database.url(), "select max(id) from millrace.run where flow = 'f'");
    const Json attention = life.wait(life.engine->read_models().flow("f")).at("attention");
    REQUIRE(attention.size() == 2); // an expectation is one line, however many runs break it
    CHECK(attention[0].at("expectation") == "rows.a");
    CHECK(attention[0].at("run_id") == std::stoll(newest));
    CHECK(attention[0].at("count") == 2);
    CHECK_THAT(attention[0].at("message").get<std::string>(),
               Catch::Contains("in run " + newest + "; expected: at least 1 (2 runs since 2026-11-20T14:00:"));
    CHECK(attention[1].at("count") == 1);
    CHECK_THAT(attention[1].at("message").get<std::string>(), Catch::EndsWith("expected: new_rows 2h"));
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

TEST_CASE("that expectations cannot be looked at is told once, and again only after a look that could") {
    FreshDatabase database;
    const Overheard overheard;
    Life life(database.url(), {expecting(starts_within(600))}, noon + 1s);
    const auto told_times = [&] {
        const std::string said = overheard.said(), what = "what flows expect could not be looked at";
        int n = 0;
        for (auto at = said.find(what); at != std::string::npos; at = said.find(what, at + 1)) ++n;
        return n;
    };
    for (int outage = 1; outage <= 2; ++outage) {
        told(database.url(), "alter table millrace.breach rename column subject to away"); // which nothing but the watch reads
        (void)life.trigger_id("f");
        for (int i = 0; i < 60 && told_times() < outage; ++i) life.step(1s);
        for (int i = 0; i < 10; ++i) life.step(6s);
        CHECK(told_times() == outage);
        told(database.url(), "alter table millrace.breach rename column away to subject");
        for (int i = 0; i < 5; ++i) life.step(6s);
    }
    CHECK(told_times() == 2);
}

TEST_CASE("the SQL of the watch is sound, and flows that nobody knows have no facts") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")});
    Database store(database.url(), 1, store_statements());
    const auto facts = life.wait(read_facts(store, {"f", "gone"}, life.clock.now()));
    CHECK(facts.size() == 2);
    CHECK(facts.at("gone").facts.runs.empty());
}
