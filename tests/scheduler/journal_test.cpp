// The journal over a real PostgreSQL: what is in doubt, and who may write.
#include "cut_wire.hpp"
#include "journal_desk.hpp"
#include "overheard.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

std::string socket_folder() {
    const auto server = test::require_database();
    const auto host = server.find("host=/");
    if (host == std::string::npos) test::skip("the test's PostgreSQL has no Unix socket");
    return server.substr(host + 5);
}

} // namespace

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

TEST_CASE("a store that is away without a reason of its own is told without one") {
    const Overheard overheard;
    CutWire wire(socket_folder());
    Desk desk(wire.folder());
    wire.cut(CutWire::Cut::BeforeCommit);
    desk.journal->submit(desk.new_run(1));
    desk.until_answered(1);
    CHECK_THAT(overheard.said(), Catch::Contains("the store is away, trying again: error=\""));
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

TEST_CASE("what the journal commits is on disk, whatever the server has for other programs, a stronger wish stands") {
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
