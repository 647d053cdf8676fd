// Schedules that pause after failures in a row, over a real PostgreSQL.
#include "journal_desk.hpp"
#include "life.hpp"

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

const Instant noon = *parse_rfc3339("2026-11-20T12:00:00Z");

/// Every minute one task, which ends as the hosts' script says.
FlowPlan pausing_after(int failures) {
    auto plan = plan_text("a: run", "f");
    ScheduleSpec schedule;
    schedule.every.seconds = 60;
    schedule.pause_after = failures;
    plan.schedules = {schedule};
    return plan;
}

/// The runs of the next minutes, one after the other: f fails, c completes.
void minutes(Life& life, const std::string& outcomes) {
    for (const char outcome : outcomes) {
        life.hosts->script = [outcome](const AttemptOrder&) -> std::optional<AttemptDone> {
            if (outcome == 'f') return failed_attempt("permanent");
            return std::nullopt;
        };
        const auto before = life.runs("f").size();
        life.step(60s);
        life.until([&] { return life.runs("f").size() == before + 1 && !life.runs("f").back().at("finished_at").is_null(); });
        life.settle();
    }
}

Json schedule_of(Life& life) { return life.wait(life.engine->read_models().flow("f")).at("schedules").at(0); }

void until_held(Life& life, int failures) {
    life.until([&] { return schedule_of(life).at("paused_after_failures") == failures; });
}

} // namespace

TEST_CASE("a schedule pauses after failures in a row, stays so through a restart, and counts anew when it is resumed") {
    FreshDatabase database;
    Instant now = noon + 30s;
    {
        Life life(database.url(), {pausing_after(3)}, now);
        minutes(life, "ffcff");
        CHECK(schedule_of(life).at("paused") == false);
        minutes(life, "f");
        until_held(life, 3);
        CHECK(schedule_of(life).at("paused") == true);
        CHECK(schedule_of(life).at("next").is_null());
        CHECK(life.wait(life.engine->read_models().schedules()).at("items").at(0).at("paused_after_failures") == 3);
        for (int i = 0; i < 3; ++i) life.step(60s);
        CHECK(life.runs("f").size() == 6);
        now = life.stepped.now();
    }
    Life life(database.url(), {pausing_after(3)}, now);
    CHECK(schedule_of(life).at("paused_after_failures") == 3);
    life.step(120s);
    CHECK(life.runs("f").size() == 6);
    CHECK(asked(database.url(), "select count(*) from millrace.event where kind = 'schedule_paused'") == "1");
    CHECK(asked(database.url(), "select run_id = (select max(id) from millrace.run where flow = 'f') from millrace.event where kind = "
                                "'schedule_paused'") == "t");
    (void)life.wait(life.engine->service().set_schedules_paused("f", false));
    CHECK(schedule_of(life).at("paused") == false);
    CHECK(schedule_of(life).at("paused_after_failures").is_null());
    life.settle();
    CHECK(life.runs("f").size() == 6); // what passed meanwhile was meant to pass
    minutes(life, "ff");
    CHECK(schedule_of(life).at("paused") == false);
    minutes(life, "f");
    until_held(life, 3);
}

TEST_CASE("a run that somebody starts is no failure of a schedule") {
    FreshDatabase database;
    Life life(database.url(), {pausing_after(2)}, noon + 30s);
    minutes(life, "f");
    life.hosts->script = [](const AttemptOrder&) -> std::optional<AttemptDone> { return failed_attempt("permanent"); };
    const auto by_hand = life.trigger_id("f");
    CHECK(life.ended(by_hand).at("state") == "failed");
    life.settle();
    CHECK(asked(database.url(), "select failures from millrace.schedule where flow = 'f'") == "1");
    minutes(life, "f");
    until_held(life, 2);
}

TEST_CASE("ends of a schedule's runs are counted one by one also where they share a commit, and none after it is held") {
    Desk desk;
    told(
        desk.database.url(),
        "insert into millrace.flow values ('f', repeat('a', 64), '', now());"
        "insert into millrace.schedule (flow, number, spec, changed_at) values ('f', 0, '{\"schedules\": [{\"pause_after\": 3}]}', now())");
    std::optional<Gate> gate(desk);
    for (std::int64_t id = 1; id <= 5; ++id) {
        desk.journal->submit(desk.new_run(id));
        auto end = desk.finished(id);
        end.schedule_end = ScheduleEnd{"f", 0, true, desk.now};
        desk.journal->submit(std::move(end));
    }
    gate.reset();
    desk.until_answered(10);
    CHECK(desk.asked("select failures from millrace.schedule") == "3");
    CHECK(desk.asked("select count(*) from millrace.event") == "1");
    CHECK(desk.asked("select run_id from millrace.event where kind = 'schedule_paused'") == "3");
}
