// What doctor finds in the store and the node, over a real PostgreSQL.
#include "life.hpp"

using namespace millrace;
using namespace std::chrono_literals;
using test::FreshDatabase;
using test::Life;
using test::plan_text;

namespace {

constexpr Instant noon{std::chrono::days(20000) + 12h};

FlowPlan every_ten_seconds(const std::string& tasks, const std::string& name) {
    auto plan = plan_text(tasks, name);
    ScheduleSpec schedule;
    schedule.every.seconds = 10;
    plan.schedules = {schedule};
    return plan;
}

/// Its only task hangs.
void end(Life& life, std::int64_t run_id) {
    const auto& hanging = life.hosts->hanging();
    const auto of_run = [&] {
        return std::find_if(hanging.begin(), hanging.end(), [&](const auto& o) { return o.context.run_id == run_id; });
    };
    life.until([&] { return of_run() != hanging.end(); });
    AttemptDone done;
    done.outcome = "completed";
    life.hosts->end(of_run()->id, done);
    (void)life.ended(run_id);
}

Json doctor(Life& life) { return life.wait(life.engine->read_models().doctor()); }

} // namespace

TEST_CASE("doctor knows why the store takes nothing, and that it does again") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")});
    CHECK(doctor(life).at("journal_away") == "");
    const auto name = test::asked(database.url(), "select current_database()");
    const auto tell = [&](const std::string& sql) {
        test::told(test::require_database(), "alter database " + name + " " + sql);
        test::told(test::require_database(), "select pg_terminate_backend(pid) from pg_stat_activity where datname = '" + name + "'");
    };
    tell("set default_transaction_read_only = on");
    life.until([&] { return doctor(life).at("journal_away").get<std::string>().find("read-only transaction") != std::string::npos; });
    tell("reset default_transaction_read_only");
    life.until([&] { return doctor(life).at("journal_away") == ""; });
    CHECK(life.ended(life.trigger_id("f")).at("state") == "completed");
}

TEST_CASE("doctor names the schedules that failures hold") {
    FreshDatabase database;
    auto plan = every_ten_seconds("bad: run", "f");
    plan.schedules[0].pause_after = 2;
    Life life(database.url(), {plan}, noon + 5s);
    CHECK(doctor(life).at("held_schedules").empty());
    for (int i = 0; i < 2; ++i) life.step(10s);
    life.until([&] { return !doctor(life).at("held_schedules").empty(); });
    CHECK(doctor(life).at("held_schedules") == Json::parse(R"([{"flow": "f", "number": 0, "failures": 2}])"));
}

TEST_CASE("doctor names a queue that grows, but none that shrinks again") {
    FreshDatabase database;
    Life life(database.url(), {every_ten_seconds("hang: run", "slow"), plan_text("hang: run", "burst")}, noon + 5s);
    std::vector<std::int64_t> burst;
    for (int i = 0; i < 20; ++i) burst.push_back(life.trigger_id("burst"));
    for (std::size_t i = 0; i < 15; ++i) {
        life.step(10s);
        if (i % 2 == 0) end(life, burst[i / 2]);
    }
    const Json queues = doctor(life).at("queues");
    REQUIRE(queues.size() == 1);
    CHECK(queues[0].at("flow") == "slow");
    CHECK(queues[0].at("waiting") == 14);
    CHECK(queues[0].at("came") == 7);
    CHECK(queues[0].at("ended") == 0);
}
