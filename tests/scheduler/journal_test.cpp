// The journal over a real PostgreSQL: what it refuses, what is in doubt, and who may write.
#include "cut_wire.hpp"
#include "journal_desk.hpp"
#include "scheduler/backfill.hpp"

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

using namespace millrace;
using namespace millrace::test;

namespace {

std::string socket_folder() {
    const auto server = test::require_database();
    const auto host = server.find("host=/");
    if (host == std::string::npos) test::skip("the test's PostgreSQL has no Unix socket");
    return server.substr(host + 5);
}

/// What the log says as long as it lives, from any thread.
class Overheard {
public:
    Overheard() : before_(spdlog::default_logger()) {
        spdlog::set_default_logger(std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_mt>(said_)));
    }
    ~Overheard() { spdlog::set_default_logger(before_); }
    Overheard(const Overheard&) = delete;
    Overheard& operator=(const Overheard&) = delete;
    [[nodiscard]] std::string said() const { return said_.str(); }

private:
    std::ostringstream said_;
    std::shared_ptr<spdlog::logger> before_;
};

} // namespace

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

TEST_CASE("of backfills of one flow, time and parameters in one commit the first is written; others are no concern of theirs") {
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

TEST_CASE("a commit that is tried again loses nothing of the items of a mapped task") {
    Desk desk;
    std::optional<Gate> gate(desk);
    desk.journal->submit(desk.new_run(1));
    desk.journal->submit(desk.changes_of(1));
    desk.journal->submit(desk.finished(1)); // of the same rows: the insert takes the last state
    auto bad = desk.new_run(2);
    bad.task_runs[0].attempts = -1;
    desk.journal->submit(std::move(bad)); // so that the group is written again
    gate.reset();
    desk.until_answered(4);
    CHECK(desk.asked("select string_agg(value->>'client', ',' order by item) from millrace.task_run where state = 'completed'") == "0,1");
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

TEST_CASE("a commit whose answer is lost is settled by the fence row, and written once") {
    const auto when = GENERATE(CutWire::Cut::BeforeCommit, CutWire::Cut::AfterCommit);
    CAPTURE(static_cast<int>(when));
    CutWire wire(socket_folder());
    Desk desk(wire.folder());
    desk.journal->submit(desk.new_run(1));
    desk.until_answered(1);
    for (std::int64_t id = 2; id <= 5; ++id) {
        wire.cut(when);
        auto changes = desk.new_run(id);
        EventRow event; // no key keeps it from being written twice
        event.kind = "seen";
        changes.events.push_back(event);
        desk.journal->submit(std::move(changes));
        desk.until_answered(static_cast<std::size_t>(id));
    }
    CHECK(wire.cuts() == 4);
    CHECK(desk.committed == Ids{1, 2, 3, 4, 5});
    CHECK(desk.refused.empty());
    CHECK(desk.stored() == Ids{1, 2, 3, 4, 5});
    CHECK(desk.asked("select count(*) from millrace.event") == "4");
    CHECK(desk.asked("select journal_seq from millrace.node") == "5");
    CHECK(desk.ended == 0);
}

TEST_CASE("a commit that comes through while it is repeated is ours, not another's") {
    CutWire wire(socket_folder());
    Desk desk(wire.folder());
    pqxx::connection holder(desk.database.url());
    pqxx::nontransaction hold(holder);
    hold.exec("create function wait_at_commit() returns trigger language plpgsql as 'begin perform pg_advisory_xact_lock_shared(7); return "
              "null; end';"
              "create constraint trigger wait_at_commit after insert on millrace.run deferrable initially deferred for each row execute "
              "function wait_at_commit();"
              "select pg_advisory_lock(7)");
    wire.cut(CutWire::Cut::DuringCommit);
    desk.journal->submit(desk.new_run(1));
    desk.until([&] { // the commit, and its repetition at the fence row
        return desk.asked("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") == "2";
    });
    hold.exec("select pg_advisory_unlock(7)");
    desk.until_answered(1);
    desk.journal->submit(desk.new_run(2));
    desk.until_answered(2);
    CHECK(desk.committed == Ids{1, 2});
    CHECK(desk.stored() == Ids{1, 2});
    CHECK(desk.ended == 0);
}

TEST_CASE("a journal whose epoch was taken writes nothing, answers nothing and says so once") {
    Desk desk;
    desk.journal->submit(desk.new_run(1));
    desk.until_answered(1);
    (void)desk.asked("update millrace.node set epoch = gen_random_uuid() returning id");
    desk.journal->submit(desk.new_run(2));
    desk.until([&] { return desk.ended > 0; });
    desk.journal->submit(desk.new_run(3));
    desk.journal->close();
    desk.io.restart();
    desk.io.poll();
    CHECK(desk.ended == 1);
    CHECK(desk.committed == Ids{1});
    CHECK(desk.refused.empty());
    CHECK(desk.stored() == Ids{1});
}

TEST_CASE("a journal that was taken while its connection was lost writes nothing either") {
    Desk desk;
    desk.journal->submit(desk.new_run(1));
    desk.until_answered(1);
    (void)desk.asked("update millrace.node set epoch = gen_random_uuid(), journal_seq = 0 returning id");
    (void)desk.asked(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()");
    desk.journal->submit(desk.new_run(2));
    desk.until([&] { return desk.ended > 0; });
    CHECK(desk.stored() == Ids{1});
}

TEST_CASE("a store that forgot what it acknowledged ends the node, which tells how much") {
    Desk desk;
    for (std::int64_t id = 1; id <= 3; ++id) {
        desk.journal->submit(desk.new_run(id));
        desk.until_answered(static_cast<std::size_t>(id));
    }
    (void)desk.asked("update millrace.node set journal_seq = 1 returning id"); // a fail-over to a standby that lagged
    (void)desk.asked(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()");
    desk.journal->submit(desk.new_run(4));
    desk.until([&] { return desk.ended > 0; });
    CHECK(desk.stored() == Ids{1, 2, 3});
    REQUIRE(desk.lost);
    CHECK(desk.lost->acknowledged == 3);
    CHECK(desk.lost->row == 1);
    CHECK(desk.lost->known.system == desk.asked("select system_identifier from pg_control_system()"));
    CHECK(desk.lost->found.timeline == 1);
    CHECK(desk.lost->found.wal >= desk.lost->known.wal);
}

TEST_CASE("a store that forgot what the node wrote without the journal ends the node too") {
    Desk desk;
    desk.journal->submit(desk.new_run(1));
    desk.until_answered(1);
    // All commits of the journal are there, and a claim of slots that was acknowledged lies behind the end of the WAL.
    desk.committed_elsewhere = std::stoll(desk.asked("select (pg_current_wal_flush_lsn() - '0/0')::bigint + 1000000000"));
    (void)desk.asked(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()");
    desk.journal->submit(desk.new_run(2));
    desk.until([&] { return desk.ended > 0; });
    CHECK(desk.stored() == Ids{1});
    REQUIRE(desk.lost);
    CHECK(desk.lost->row == desk.lost->acknowledged);
}

TEST_CASE("what the store cannot take now is no refusal: it is tried until it can, and told with its reason") {
    // a full disk, rights, a primary that became a standby, a lock, a restart, the server's own file or fault, a lost
    // table, a commit of another
    const std::string sqlstate = GENERATE("53100", "42501", "25006", "55P03", "57014", "58030", "XX000", "42P01", "40001");
    CAPTURE(sqlstate);
    const Overheard overheard;
    Desk desk;
    {
        pqxx::connection connection(desk.database.url());
        pqxx::nontransaction(connection)
            .exec("create function full() returns trigger language plpgsql as $$ begin"
                  " raise exception 'it cannot be' using errcode = '" +
                  sqlstate +
                  "'; end $$;"
                  " create trigger full_disk before insert on millrace.run_1 execute function full()");
    }
    desk.journal->submit(desk.new_run(1));
    desk.until([&] { return desk.journal->figures().reconnects >= 4; });
    CHECK(desk.refused.empty());
    CHECK_THAT(overheard.said(), Catch::Contains("sqlstate=" + sqlstate) && Catch::Contains("it cannot be"));
    SECTION("it can again") {
        pqxx::connection connection(desk.database.url());
        pqxx::nontransaction(connection).exec("drop trigger full_disk on millrace.run_1");
        desk.until_answered(1);
        CHECK(desk.stored() == Ids{1});
    }
    SECTION("the node stops meanwhile") {
        desk.journal->close();
        CHECK(desk.stored().empty());
    }
}

TEST_CASE("a server that takes a connection and then says nothing does not keep the journal from ending") {
    CutWire wire(socket_folder(), "application_name");
    Desk desk(wire.folder());
    desk.journal->submit(desk.new_run(1));
    desk.until([&] { return wire.hangs(); });
    const auto since = std::chrono::steady_clock::now();
    desk.journal->close();
    CHECK(std::chrono::steady_clock::now() - since < std::chrono::seconds(10));
}

TEST_CASE("to close the journal writes what was submitted before") {
    Desk desk;
    for (std::int64_t id = 1; id <= 20; ++id) desk.journal->submit(desk.new_run(id));
    desk.journal->close();
    CHECK(desk.stored().size() == 20);
    desk.until_answered(20);
}

TEST_CASE("what the journal commits is on disk, whatever the server has for other programs; a stronger wish stands") {
    const auto [written, in_force] = GENERATE(table<std::string, std::string>(
        {{"off", "on"}, {"local", "on"}, {"on", "on"}, {"remote_write", "remote_write"}, {"remote_apply", "remote_apply"}}));
    CAPTURE(written);
    Desk desk;
    {
        pqxx::connection connection(desk.database.url());
        pqxx::nontransaction work(connection);
        work.exec("do $$ begin execute format('alter database %I set synchronous_commit = " + written + "', current_database()); end $$");
        work.exec("create table seen (mode text);"
                  " create function look() returns trigger language plpgsql as $$ begin"
                  " insert into public.seen values (current_setting('synchronous_commit')); return new; end $$;"
                  " create trigger look before update on millrace.node for each row execute function look()");
    }
    desk.journal->submit(desk.new_run(1));
    desk.until_answered(1);
    CHECK(desk.asked("select string_agg(distinct mode, ',') from public.seen") == in_force);
}
