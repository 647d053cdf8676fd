// What a run is promised: slots of limits, over a real PostgreSQL and a clock that steps.
#include "given_promises.hpp"

#include <set>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

const Instant noon = *parse_rfc3339("2026-11-20T12:00:00Z");

/// A claim may still be on its way: ask until it is as it must be.
std::string held_slots(const FreshDatabase& database) {
    return asked(database.url(), "select count(*) from millrace.slot s join millrace.node n on n.epoch = s.epoch");
}

} // namespace

TEST_CASE("slots never overshoot, and each goes to the next when it is free") {
    FreshDatabase database;
    auto plan = plan_text("hang: run limit=two", "f");
    plan.overlap = "allow";
    Life life(database.url(), {plan}, noon);
    for (int i = 0; i < 6; ++i) (void)life.trigger_id("f");
    for (int ended = 0; ended <= 4; ++ended) {
        life.until([&] {
            life.stepped.step_to(life.stepped.now() + 100ms); // who came too early for a slot asks again
            return life.hosts->hanging().size() == 2;
        });
        life.step(1s);
        CHECK(life.hosts->hanging().size() == 2);
        life.until([&] { return held_slots(database) == "2"; });
        (void)life.hosts->end(life.hosts->hanging()[0].id, completed());
        life.settle();
    }
    CHECK(life.hosts->hanging().size() == 1);
    life.until([&] { return held_slots(database) == "1"; });
}

TEST_CASE("a run that is paused and resumed while it claims a slot holds no two") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run\n hang: run <- a limit=two", "f")}, noon);
    for (int round = 0; round < 5; ++round) {
        const auto id = life.trigger_id("f");
        auto& service = life.engine->service();
        for (int i = 0; i < 6; ++i) {
            const auto ignore = [](std::exception_ptr, Json) {};
            asio::co_spawn(life.io, service.pause(id, "me"), ignore);
            life.io.restart();
            for (int n = 0; n < i; ++n) life.io.poll_one();
            asio::co_spawn(life.io, service.resume(id, "me"), ignore);
            life.io.restart();
            life.io.poll_one();
        }
        life.settle();
        if (life.run(id).at("state") == "paused") (void)life.wait(service.resume(id, "me"));
        life.step(1s);
        life.until([&] { return life.hosts->hanging().size() == 1; });
        life.settle();
        life.until([&] { return held_slots(database) == "1"; });
        life.cancel(id);
        life.settle();
        life.until([&] { return held_slots(database) == "0"; });
    }
}

TEST_CASE("an attempt that is tried again at once does not lose its slot to the release of the one before") {
    FreshDatabase database;
    auto plan = plan_text("a: run limit=two retry=50", "f");
    plan.tasks[0].retry.delay = 0;
    Life life(database.url(), {plan}, noon);
    std::set<std::string> held;
    life.hosts->script = [&](const AttemptOrder& o) -> std::optional<AttemptDone> {
        if (o.task != "a") return std::nullopt;
        held.insert(held_slots(database));
        return o.attempt < 20 ? failed_attempt("transient") : completed();
    };
    const auto id = life.trigger_id("f");
    life.until([&] {
        life.stepped.step_to(life.stepped.now() + 1ms);
        return life.started.size() == 20;
    });
    CHECK(life.ended(id).at("state") == "completed");
    life.settle();
    CHECK(held == std::set<std::string>{"1"});
    life.until([&] { return held_slots(database) == "0"; });
}

TEST_CASE("a resumed run waits for its flow's slot when another one has it") {
    FreshDatabase database;
    auto plan = plan_text("hang: run", "f");
    plan.limits = {{"one", 1}};
    std::int64_t id = 0;
    {
        Life life(database.url(), {plan}, noon);
        id = life.trigger_id("f");
        life.until([&] { return life.hosts->hanging().size() == 1; });
    }
    told(database.url(),
         "insert into millrace.node values ('other', gen_random_uuid(), clock_timestamp() + interval '1 hour', 0, now(), '', 1);"
         " update millrace.slot set epoch = (select epoch from millrace.node where id = 'other'), run_id = 7 where key = 'one'");
    Life life(database.url(), {plan}, noon + 1min);
    for (int i = 0; i < 3; ++i) life.step(1s);
    CHECK(life.hosts->hanging().empty());
    SECTION("it gets it") {
        told(database.url(), "update millrace.slot set epoch = null, run_id = null where key = 'one'");
        life.until([&] {
            life.stepped.step_to(life.stepped.now() + 100ms);
            return life.hosts->hanging().size() == 1;
        });
        life.until([&] { return held_slots(database) == "1"; });
        life.cancel(id);
        CHECK(life.ended(id).at("state") == "cancelled");
        life.settle();
        life.until([&] { return held_slots(database) == "0"; });
    }
    SECTION("it is cancelled before") {
        life.cancel(id);
        CHECK(life.ended(id).at("state") == "cancelled");
    }
    SECTION("it is paused and resumed meanwhile") {
        (void)life.wait(life.engine->service().pause(id, "me"));
        (void)life.wait(life.engine->service().resume(id, "me"));
        life.step(1s);
        CHECK(life.hosts->hanging().empty());
    }
}

TEST_CASE("a run whose rows are refused is parked as crashed, its slots are freed, and the others go on") {
    FreshDatabase database;
    auto plan = plan_text("bad: run\n hang: run limit=one\n z: run limit=two", "f");
    auto other = plan_text("a: run limit=one", "g");
    Life life(database.url(), {plan, other}, noon);
    told(database.url(), "alter table millrace.task_run add constraint poison check (message is null or message not like '%inside%')");
    const auto id = life.trigger_id("f");
    const auto second = life.trigger_id("g");
    const Json run = life.ended(id);
    CHECK(run.at("state") == "crashed");
    CHECK(run.at("state_name") == "Unrecordable");
    CHECK(life.hosts->hanging().empty());
    life.step(1s);
    CHECK(life.ended(second).at("state") == "completed");
    life.settle();
    life.until([&] { return held_slots(database) == "0"; });
    CHECK(life.fatal.empty());
}

TEST_CASE("a run that the store does not take leaves no slot behind") {
    FreshDatabase database;
    auto plan = plan_text("a: run limit=two", "f");
    plan.limits = {{"one", 1}};
    plan.schedules.emplace_back();
    plan.schedules[0].every.seconds = 3600;
    Life life(database.url(), {plan}, noon);
    told(database.url(), "insert into millrace.firing values ('f', 0, '2026-11-20 13:00Z', '', 1)");
    life.step(1h);
    life.step(1s);
    CHECK(states(life).empty());
    life.until([&] { return held_slots(database) == "0"; });
    CHECK(life.ended(life.trigger_id("f")).at("state") == "completed");
}
