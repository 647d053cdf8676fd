#include "connectors/targets/postgres/lock_watch.hpp"
#include "tests/skip.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using namespace millrace::test;
using namespace millrace::postgres;

TEST_CASE("who held a lock is no reason any more when nobody holds it") {
    const std::string url = require_database();
    Session somebody(url), session(url);
    const std::string table = "watched_" + std::to_string(::getpid());
    somebody.run("CREATE TABLE " + table + " ()");
    somebody.run("BEGIN; LOCK TABLE " + table);
    std::string told;
    const SqlError timeout(ErrorClass::Transient, "canceling statement due to lock timeout", "run again");
    Error while_held = timeout;
    const LockWatch* looking = nullptr;
    LoadMonitor monitor;
    monitor.progress = [&](const std::string& step, std::int64_t, std::int64_t) {
        told = step;
        while_held = looking->explained(timeout);
        somebody.run("ROLLBACK");
    };
    const LockWatch watch(session, url, "out.t", monitor);
    looking = &watch;
    session.run("BEGIN; LOCK TABLE " + table);
    CHECK_THAT(told, Catch::StartsWith("waiting for a lock on public." + table + " (held by pid "));
    CHECK_THAT(while_held.what(), Catch::Contains("(out.t held by pid "));
    session.run("SELECT pg_sleep(1.5)"); // long enough to be looked at once
    CHECK(std::string(watch.explained(timeout).what()) == timeout.what());
    CHECK(watch.explained(timeout).remedy == "run again");
    session.run("ROLLBACK; DROP TABLE " + table);
}
