// Waits for a query's answer, over a real PostgreSQL and on a clock that a test moves.
#include "life.hpp"

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

constexpr Instant morning{std::chrono::days(20777) + 6h};

InstantHosts::Script answers(const bool& holds) {
    return [&holds](const AttemptOrder& order) -> std::optional<AttemptDone> {
        if (order.verb != "wait") return std::nullopt;
        AttemptDone done;
        done.outcome = holds ? "completed" : "not_yet";
        if (!holds) done.answer = "no row";
        return done;
    };
}

Json task_of(Life& life, std::int64_t run, std::size_t task = 0) { return life.run(run).at("tasks").at(task); }

std::string attempts_of(const FreshDatabase& database, std::int64_t run) {
    return asked(database.url(),
                 "select string_agg(state, ' ' order by task, number) from millrace.attempt where run_id = " + std::to_string(run));
}

/// It waits after so many polls, all of them on record.
void waits_after(Life& life, std::int64_t run, std::ptrdiff_t polls) {
    const auto asked_so_often = [&] { return std::count(life.started.begin(), life.started.end(), "q") == polls; };
    life.until([&] { return asked_so_often() && task_of(life, run).at("state_name") == "Waiting"; });
}

std::size_t polls_in(const Life& life) { return static_cast<std::size_t>(std::count(life.started.begin(), life.started.end(), "q")); }

} // namespace

TEST_CASE("a wait asks by the clock until there is an answer, in one attempt, and holds its slot only while it asks") {
    FreshDatabase database;
    const std::vector plans{plan_text("q: wait asks every=3600 limit=one\n b: load <- q", "waits"),
                            plan_text("a: extract limit=one", "needs_slot")};
    Life life(database.url(), plans, morning);
    bool holds = false;
    life.hosts->script = answers(holds);
    const auto id = life.trigger_id("waits");
    waits_after(life, id, 1);
    CHECK(task_of(life, id).at("message") == "asked at 2026-11-20T06:00:00Z: no row; asks again at 2026-11-20T07:00:00Z");
    CHECK(life.ended(life.trigger_id("needs_slot")).at("state") == "completed");
    for (int hour = 1; hour <= 24; ++hour) {
        life.step(1h);
        waits_after(life, id, hour + 1);
    }
    CHECK(attempts_of(database, id) == "running");
    holds = true;
    life.step(59min);
    CHECK(polls_in(life) == 25);
    life.step(1min);
    CHECK(life.ended(id).at("state") == "completed");
    CHECK(attempts_of(database, id) == "completed completed"); // that of the load too
    CHECK(task_of(life, id).at("message") == "answered at 2026-11-21T07:00:00Z");
}

TEST_CASE("a wait that is cancelled or has no time left ends at once, and so does its attempt") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("q: wait asks every=3600 timeout=7200", "waits")}, morning);
    const bool holds = false;
    life.hosts->script = answers(holds);
    const auto id = life.trigger_id("waits");
    waits_after(life, id, 1);
    SECTION("cancelled") {
        life.cancel(id);
        CHECK(life.ended(id).at("state") == "cancelled");
        CHECK(polls_in(life) == 1);
    }
    SECTION("no time left") {
        life.step(1h);
        waits_after(life, id, 2);
        life.step(1h);
        CHECK(life.ended(id).at("state") == "failed");
        CHECK(task_of(life, id).at("state_name") == "TimedOut");
    }
    CHECK(attempts_of(database, id) == "cancelled");
    CHECK(life.wait(life.engine->read_models().logs(id, {})).at("end") == true);
}

TEST_CASE("a wait goes on in the next daemon, in its attempt, and its time counts from the first start") {
    FreshDatabase database;
    const std::vector plans{plan_text("q: wait asks every=3600 timeout=7200", "waits")};
    bool holds = false;
    std::int64_t id = 0;
    {
        Life life(database.url(), plans, morning);
        life.hosts->script = answers(holds);
        id = life.trigger_id("waits");
        waits_after(life, id, 1);
    }
    Life life(database.url(), plans, morning + 90min);
    life.hosts->script = answers(holds);
    life.settle();
    SECTION("it asks what was due meanwhile, and then in an hour") {
        life.step(0s);
        waits_after(life, id, 1);
        CHECK(task_of(life, id).at("message") == "asked at 2026-11-20T07:30:00Z: no row; asks again at 2026-11-20T08:30:00Z");
        CHECK(attempts_of(database, id) == "running");
    }
    SECTION("no time is left after two hours") {
        life.step(30min);
        CHECK(life.ended(id).at("state") == "failed");
        CHECK(task_of(life, id).at("state_name") == "TimedOut");
        CHECK(attempts_of(database, id) == "cancelled");
    }
}

TEST_CASE("nothing is asked for a run that is paused") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("q: wait asks every=60", "waits")}, morning);
    bool holds = false;
    life.hosts->script = answers(holds);
    const auto id = life.trigger_id("waits");
    waits_after(life, id, 1);
    (void)life.wait(life.engine->service().pause(id, "me"));
    life.step(1h);
    CHECK(polls_in(life) == 1);
    holds = true;
    (void)life.wait(life.engine->service().resume(id, "me"));
    CHECK(life.ended(id).at("state") == "completed");
    CHECK(attempts_of(database, id) == "completed");
}
