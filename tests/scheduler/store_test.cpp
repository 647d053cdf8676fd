#include "fresh_database.hpp"
#include "scheduler/pg_journal_statements.hpp"
#include "scheduler/pg_read_models.hpp"
#include "scheduler/store/array_text.hpp"
#include "scheduler/store/migrate.hpp"
#include "scheduler/store/store.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using test::FreshDatabase;

TEST_CASE("every statement of the store prepares") {
    FreshDatabase database;
    migrate(database.url());
    migrate(database.url()); // a second time changes nothing
    for (const auto* list : {&store_statements(), &journal_statements(), &read_statements()}) {
        auto connection = connect_store(database.url(), *list);
        for (const auto& statement : *list) {
            CAPTURE(statement.name);
            CHECK_NOTHROW(connection->prepare_now(statement.name));
        }
    }
}

TEST_CASE("a store that is newer than the program is refused") {
    FreshDatabase database;
    migrate(database.url());
    pqxx::connection connection(database.url());
    pqxx::nontransaction(connection).exec("insert into millrace.migration (number, program) values (99, 'later')");
    CHECK_THROWS_WITH(migrate(database.url()), Catch::Contains("schema version 99"));
}

TEST_CASE("the store itself keeps its invariants") {
    FreshDatabase database;
    migrate(database.url());
    pqxx::connection connection(database.url());
    const auto refused = [&](const std::string& sql) {
        pqxx::nontransaction work(connection);
        CHECK_THROWS_AS(work.exec(sql), pqxx::sql_error);
    };
    {
        pqxx::nontransaction work(connection);
        work.exec("insert into millrace.plan values (repeat('a', 64), 'f', '{}', now())");
        work.exec("insert into millrace.firing values ('f', 0, '2026-11-20 06:00Z', '', 1)");
    }
    const std::string task = "insert into millrace.task_run (run_id, task, item, attempts, charged, state_name, state, finished_at) values (1, 0, -1, 0, 0, '', ";
    refused(task + "'completed', null)");
    refused(task + "'running', now())");
    refused(task + "'done', now())");
    refused("insert into millrace.firing values ('f', 0, '2026-11-20 06:00Z', '', 2)");
    const std::string run = "insert into millrace.run (id, flow, plan_hash, staging_id, run_key, trigger, state, state_name, params, options, created_at,"
                            " finished_at, idempotency_key) values (";
    const std::string rest = ", 'f', repeat('a', 64), gen_random_uuid(), 'k', 'api', ";
    refused(run + "1" + rest + "'completed', '', '{}', '{}', now(), null, null)");
    {
        pqxx::nontransaction work(connection);
        work.exec(run + "2" + rest + "'running', '', '{}', '{}', now(), null, 'key')");
    }
    refused(run + "3" + rest + "'running', '', '{}', '{}', now(), null, 'key')");
}

TEST_CASE("text is made fit for PostgreSQL at one boundary") {
    CHECK(fit_text("plain") == "plain");
    CHECK(fit_text(std::string("a\0b", 3)) == "ab");
    CHECK(fit_text("\xC3\xA9") == "\xC3\xA9");
    CHECK(fit_text("x\xFFy\xC3") == "x\xEF\xBF\xBDy\xEF\xBF\xBD");
    CHECK(fit_text("\xED\xA0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); // a surrogate
    CHECK(fit_json(R"({"a":"x\u0000y\\u0000"})") == R"({"a":"x\ufffdy\\u0000"})");
    ArrayText array;
    array.add_text("a \"b\" \\ c");
    array.add_null();
    array.add_json("");
    CHECK(array.take() == R"({"a \"b\" \\ c",NULL,NULL})");
    CHECK(array.take() == "{}");
    CHECK(timestamp_text(Instant(std::chrono::microseconds(1'700'000'000'000'001))) == "2023-11-14 22:13:20.000001+00");
}
