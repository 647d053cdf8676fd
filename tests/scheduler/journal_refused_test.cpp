// The journal over a real PostgreSQL: rows that it refuses, and what becomes of the others of their commit.
#include "journal_desk.hpp"
#include "scheduler/backfill.hpp"

using namespace millrace;
using namespace millrace::test;

TEST_CASE("rows that PostgreSQL refuses are found among the others of their commit, which are written") {
    const std::int64_t bad = GENERATE(range(1, 10));
    CAPTURE(bad);
    Desk desk;
    std::optional<Gate> gate(desk);
    Ids good;
    for (std::int64_t id = 1; id <= 9; ++id) {
        desk.journal->submit(id == bad ? desk.bad_run(id) : desk.new_run(id));
        if (id != bad) good.push_back(id);
    }
    gate.reset();
    desk.until_answered(9);
    CHECK(desk.committed == good);
    CHECK(desk.refused == Ids{bad});
    CHECK(desk.sqlstates == std::vector<std::string>{"22P02"});
    CHECK(desk.stored() == good);
    CHECK(desk.journal->figures().refused == 1);
    CHECK(desk.journal->backlog() == 0);
}

TEST_CASE("of backfills of one flow, time and parameters in one commit the first is written, others are no concern of theirs") {
    Desk desk;
    std::optional<Gate> gate(desk);
    const auto submit = [&](std::int64_t id, const char* from, const char* to, const Json& options = {{"backfill", Json::object()}}) {
        auto run = desk.new_run(id);
        run.new_run->options = options;
        run.new_run->interval_start = parse_rfc3339(from + std::string("T00:00:00Z"));
        run.new_run->interval_end = parse_rfc3339(to + std::string("T00:00:00Z"));
        if (id == 5) run.new_run->params = {{"region", "eu"}};
        desk.journal->submit(std::move(run));
    };
    submit(1, "2026-01-01", "2026-01-04");
    submit(2, "2026-01-03", "2026-01-06");
    submit(3, "2026-01-04", "2026-01-06"); // begins where the first one ends
    submit(4, "2026-01-01", "2026-01-02", {{"backfill", Json::object()}, {"limit_rows", 3}});
    submit(5, "2026-01-01", "2026-01-06");
    submit(6, "2026-01-01", "2026-01-06", Json::object());
    gate.reset();
    desk.until_answered(6);
    CHECK(desk.refused == Ids{2});
    CHECK(desk.sqlstates == std::vector<std::string>{beside_another});
    CHECK(desk.stored() == Ids{1, 3, 4, 5, 6});
    submit(7, "2026-01-05", "2026-01-07");
    desk.until_answered(7);
    CHECK(desk.refused == Ids{2, 7});
    auto end = desk.changes_of(3);
    end.run.emplace(RunRow{});
    end.run->id = 3, end.run->state = State::Completed, end.run->state_name = "Completed", end.run->finished_at = desk.now;
    desk.journal->submit(std::move(end));
    submit(8, "2026-01-05", "2026-01-07");
    desk.until_answered(9);
    CHECK(desk.stored() == Ids{1, 3, 4, 5, 6, 8});
    submit(9, "2027-01-01", "2027-01-04", {{"backfill", Json::object()}, {"limit_rows", 3}});
    submit(10, "2027-01-01", "2027-01-02"); // beside a trial, which has begun
    desk.until_answered(11);
    CHECK(desk.stored() == Ids{1, 3, 4, 5, 6, 8, 9, 10});
    CHECK(desk.journal->figures().refused == 0);
}

TEST_CASE("a run that is refused takes its chunks of the same commit with it, and they do not run on alone") {
    Desk desk;
    std::optional<Gate> gate(desk);
    for (std::int64_t id = 1; id <= 6; ++id) {
        auto run = id == 2 ? desk.bad_run(id) : desk.new_run(id);
        if (id == 5) run.new_run->parent_id = 2, run.new_run->chunk_number = 1, run.new_run->chunk_of = 2;
        desk.journal->submit(std::move(run));
    }
    desk.journal->submit(desk.finished(5));
    gate.reset();
    desk.until_answered(7);
    CHECK(desk.refused == Ids{2, 5, 5});
    CHECK(desk.stored() == Ids{1, 3, 4, 6});
}

TEST_CASE("several runs with refused rows in one commit are all found") {
    Desk desk;
    std::optional<Gate> gate(desk);
    for (std::int64_t id = 1; id <= 8; ++id) desk.journal->submit(id % 3 == 0 || id == 1 ? desk.bad_run(id) : desk.new_run(id));
    gate.reset();
    desk.until_answered(8);
    CHECK(desk.refused == Ids{1, 3, 6});
    CHECK(desk.stored() == Ids{2, 4, 5, 7, 8});
}

TEST_CASE("changes of one run share their fate, whatever else is between them") {
    Desk desk;
    std::optional<Gate> gate(desk);
    desk.journal->submit(desk.new_run(1));
    desk.journal->submit(desk.new_run(2));
    auto poisoned = desk.finished(1);
    poisoned.task_runs[0].attempts = -1; // the store's CHECK
    desk.journal->submit(desk.finished(2));
    desk.journal->submit(std::move(poisoned));
    gate.reset();
    desk.until_answered(4);
    CHECK(desk.refused == Ids{1, 1});
    CHECK(desk.stored() == Ids{2});
    CHECK(desk.asked("select count(*) from millrace.task_run where state = 'completed'") == "2");
}

TEST_CASE("what comes later of a run whose rows were refused is refused too, but for its end") {
    Desk desk;
    desk.journal->submit(desk.new_run(1));
    desk.until_answered(1);
    auto poisoned = desk.finished(1);
    poisoned.task_runs[0].attempts = -1;
    desk.journal->submit(std::move(poisoned));
    desk.until_answered(2);
    desk.journal->submit(desk.finished(1));
    desk.until_answered(3);
    CHECK(desk.committed == Ids{1});
    CHECK(desk.refused == Ids{1, 1});
    CHECK(desk.asked("select count(*) from millrace.task_run where state = 'completed'") == "0");
    auto end = desk.changes_of(1);
    end.even_if_refused = true;
    end.run = desk.new_run(1).new_run;
    end.run->state = State::Crashed;
    end.run->finished_at = desk.now;
    desk.journal->submit(std::move(end));
    desk.until_answered(4);
    CHECK(desk.asked("select state from millrace.run") == "crashed");
}

TEST_CASE("what is of no run is written though a run of its commit is refused") {
    Desk desk;
    std::optional<Gate> gate(desk);
    desk.journal->submit(desk.bad_run(1));
    RunChanges jump = desk.changes_of(0);
    EventRow event;
    event.kind = "clock_jumped";
    jump.events.push_back(event);
    desk.journal->submit(std::move(jump));
    gate.reset();
    desk.until_answered(2);
    CHECK(desk.committed == Ids{0});
    CHECK(desk.asked("select kind from millrace.event") == "clock_jumped");
}

TEST_CASE("text with NUL and bad UTF-8 is made fit wherever it stands") {
    const std::string bad("a\0b\xFF", 4), fit = "ab\xEF\xBF\xBD";
    Desk desk;
    auto changes = desk.new_run(1);
    changes.new_run->message = bad;
    changes.new_run->idempotency_key = bad;
    changes.new_run->params = {{"p", bad}};
    changes.new_run->options = {{"o", bad}};
    auto& row = changes.task_runs[0];
    row.message = bad;
    row.error = Json({{"message", bad}}).dump(-1, ' ', false, Json::error_handler_t::replace);
    row.result = Json({{"r", std::string("x\0", 2)}}).dump();
    row.value = Json({{"v", std::string("x\0", 2)}}).dump();
    AttemptRow attempt;
    attempt.key = {0, 0};
    attempt.log = bad;
    changes.begun.push_back(attempt);
    changes.ended.push_back(attempt);
    changes.ended[0].state = State::Failed, changes.ended[0].finished_at = desk.now;
    changes.ended[0].error = row.error;
    EventRow event;
    event.flow = event.task = event.kind = event.message = bad;
    event.details = {{"d", bad}};
    changes.events.push_back(event);
    desk.journal->submit(std::move(changes));
    desk.until_answered(1);
    CHECK(desk.refused.empty());
    CHECK(desk.asked("select message from millrace.run") == fit);
    CHECK(desk.asked("select idempotency_key from millrace.run") == fit);
    CHECK(desk.asked("select message from millrace.task_run where item = 0") == fit);
    CHECK(desk.asked("select value->>'v' from millrace.task_run where item = 0") == "x\xEF\xBF\xBD");
    CHECK(desk.asked("select log from millrace.attempt") == fit);
    CHECK(desk.asked("select message || kind || flow || task from millrace.event") == fit + fit + fit + fit);
}
