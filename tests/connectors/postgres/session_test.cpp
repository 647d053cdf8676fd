#include "connectors/targets/postgres/session.hpp"
#include "tests/skip.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <future>

using namespace millrace;
using namespace millrace::test;
using postgres::Session;

namespace {

std::string mistake(const std::string& url, const std::string& name = "warehouse") {
    try {
        const Session session(url, name);
    } catch (const Error& e) {
        return std::string(to_string(e.error_class)) + ": " + e.what();
    }
    return "none";
}

/// The test's database with another part: `with(url, "dbname", "x")`.
std::string with(std::string url, const std::string& key, const std::string& value) { return url + "&" + key + "=" + value; }

} // namespace

TEST_CASE("a password with marks of a URL in it is not printed, and the remedy says how to write it") {
    for (const char* url :
         {"postgresql://u:pa@ss@host.invalid/db", "postgresql://u:pa/ss@host.invalid/db", "postgresql://u:pa%ss@host.invalid/db",
          "postgresql://u:pa:ss/x@host.invalid/db", "host=host.invalid password=pa ss", "postgresql://u:pa@ss/@host.invalid"}) {
        INFO(url);
        const std::string text = mistake(url);
        CHECK_THAT(text, Catch::StartsWith("permanent: connection warehouse: PostgreSQL cannot be used: "));
        CHECK_THAT(text, !Catch::Contains("ss@") && !Catch::Contains("\"ss") && !Catch::Contains("\"pa") && !Catch::Contains("%ss"));
    }
    CHECK_THAT(mistake("postgresql://u:pa%40ss@/db?host=/nowhere"),
               Catch::StartsWith("transient: connection warehouse: PostgreSQL cannot be reached: ") && !Catch::Contains("pa"));
}

TEST_CASE("a server that has no place now is asked again, one that knows no such user is not") {
    const std::string url = require_database();
    Session admin(url);
    const std::string role = "crowded_" + std::to_string(::getpid());
    admin.run("CREATE ROLE " + role + " LOGIN CONNECTION LIMIT 0; CREATE ROLE " + role + "_out NOLOGIN");
    admin.run("CREATE DATABASE " + role);
    CHECK_THAT(mistake(with(url, "user", role)), Catch::StartsWith("transient: ") && Catch::Contains("too many connections for role"));
    CHECK_THAT(mistake(with(url, "user", role + "_out")), Catch::StartsWith("auth: "));
    admin.run("ALTER DATABASE " + role + " ALLOW_CONNECTIONS false");
    CHECK_THAT(mistake(with(url, "dbname", role)),
               Catch::StartsWith("transient: ") && Catch::Contains("not currently accepting connections"));
    admin.run("DROP DATABASE " + role);
    CHECK_THAT(mistake(with(url, "dbname", role)), Catch::StartsWith("permanent: ") && Catch::Contains("does not exist"));
    admin.run("DROP ROLE " + role + ", " + role + "_out");
    CHECK_THAT(mistake(with(url, "user", role)), Catch::StartsWith("auth: ") && Catch::Contains("does not exist"));
}

TEST_CASE("a session gives up what it holds when its host is gone, and a statement when it is cancelled") {
    Session session(require_database());
    CHECK(session.value("SHOW idle_in_transaction_session_timeout") == "30min");
    auto slow = std::async(std::launch::async, [&] { session.run("SELECT pg_sleep(60)"); });
    Session other(require_database());
    const auto running = [&] {
        return other.run("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND wait_event = 'PgSleep'").size() > 0;
    };
    for (int i = 0; i < 500 && !running(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    session.cancel();
    try {
        slow.get();
        FAIL("the statement went on");
    } catch (const postgres::SqlError& e) {
        CHECK(e.sqlstate == "57014");
    }
}

TEST_CASE("a COMMIT that the server answers with a rollback is an error") {
    Session session(require_database());
    session.run("BEGIN");
    CHECK_NOTHROW(session.commit());
    session.run("BEGIN");
    CHECK_THROWS(session.run("SELECT 1 / 0"));
    CHECK_THROWS_WITH(session.commit(), Catch::Contains("was not committed, the server answered ROLLBACK"));
}
