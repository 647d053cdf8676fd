#include "flows/error.hpp"
#include "fresh_database.hpp"
#include "given_store.hpp"
#include "scheduler/pg_journal_statements.hpp"
#include "scheduler/pg_read_models.hpp"
#include "scheduler/store/array_binary.hpp"
#include "scheduler/store/array_text.hpp"
#include "scheduler/store/history.hpp"
#include "scheduler/store/migrate.hpp"
#include "scheduler/store/store.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using test::done;
using test::FreshDatabase;
using test::TwoNodes;
using test::wait;

TEST_CASE("every statement of the store prepares") {
    FreshDatabase database;
    migrate(database.url());
    migrate(database.url()); // a second time changes nothing
    CallWatch watch(longest_call);
    const auto connection = connect_store(database.url(), {}, watch);
    for (const auto* list : {&store_statements(), &journal_statements(), &read_statements(), &history_statements()})
        for (const auto& statement : *list) {
            CAPTURE(statement.name);
            std::string sql = statement.sql;
            if (const auto part = sql.find("_@"); part != std::string::npos) sql.replace(part + 1, 1, "1");
            connection->prepare(statement.name, sql);
            CHECK_NOTHROW(connection->prepare_now(statement.name));
        }
}

TEST_CASE("a store that is newer than the program is refused") {
    FreshDatabase database;
    migrate(database.url());
    pqxx::connection connection(database.url());
    pqxx::nontransaction(connection).exec("insert into millrace.migration (number, program) values (99, 'later')");
    CHECK_THROWS_WITH(migrate(database.url()), Catch::Contains("schema version 99"));
}

TEST_CASE("a store that does not answer is told as one that is away, with what to look at") {
    try {
        migrate("postgresql:///store?host=/nowhere");
        FAIL("it answered");
    } catch (const Error& error) {
        CHECK(error.error_class == ErrorClass::Transient);
        CHECK_THAT(error.what(), Catch::StartsWith("the store cannot be used: "));
        CHECK_THAT(error.remedy, Catch::Contains("`database:`"));
    }
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
    const std::string task = "insert into millrace.task_run (run_id, task, item, attempts, charged, state_name, state, finished_at) values "
                             "(1, 0, -1, 0, 0, '', ";
    refused(task + "'completed', null)");
    refused(task + "'running', now())");
    refused(task + "'done', now())");
    refused("insert into millrace.firing values ('f', 0, '2026-11-20 06:00Z', '', 2)");
    const std::string run =
        "insert into millrace.run (id, flow, plan_hash, staging_id, run_key, trigger, state, state_name, params, options, created_at,"
        " finished_at, idempotency_key) values (";
    const std::string rest = ", 'f', repeat('a', 64), gen_random_uuid(), 'k', 'api', ";
    refused(run + "1" + rest + "'completed', '', '{}', '{}', now(), null, null)");
    {
        pqxx::nontransaction work(connection);
        work.exec("insert into millrace.idempotency (flow, key, run_id) values ('f', 'key', 2)");
    }
    refused("insert into millrace.idempotency (flow, key, run_id) values ('f', 'key', 3)");
}

TEST_CASE("a live run whose node died is adopted by one node only, even if two want it at once") {
    TwoNodes nodes(1);
    const auto &first = nodes.n, &second = nodes.m;
    pqxx::nontransaction(nodes.connection)
        .exec("insert into millrace.plan values (repeat('a', 64), 'f', '{}', now());"
              " insert into millrace.run (id, flow, plan_hash, staging_id, run_key, trigger, state, state_name, params, options,"
              " created_at, epoch) values (1, 'f', repeat('a', 64), gen_random_uuid(), 'k', 'api', 'running', '', '{}', '{}', now(),"
              " gen_random_uuid())");
    std::optional<pqxx::work> other(nodes.connection);
    other->exec("update millrace.run set epoch = '" + first + "'"); // the first node adopts it, and has not committed yet
    std::optional<std::vector<std::int64_t>> adopted;
    boost::asio::co_spawn(nodes.io, nodes.store.adopt(second), [&](std::exception_ptr failed, std::vector<std::int64_t> ids) {
        CHECK(!failed);
        adopted = std::move(ids);
    });
    pqxx::connection observer(nodes.database.url());
    pqxx::nontransaction look(observer);
    while (
        look.exec1("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")[0].as<int>() ==
        0)
        nodes.io.poll();
    other->commit();
    other.reset();
    nodes.io.restart();
    nodes.io.run();
    REQUIRE(adopted);
    CHECK(adopted->empty());
    CHECK(wait(nodes.io, nodes.store.live_runs(first, {1, 2})).size() == 1);
    CHECK(wait(nodes.io, nodes.store.live_runs(second, {1, 2})).empty());
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
    ArrayBinary binary(ArrayBinary::Of::Text);
    binary.add_text(std::string("x\xFF\0", 3));
    CHECK(binary.take().substr(20) == std::string("\0\0\0\4x\xEF\xBF\xBD", 8));
}

TEST_CASE("permits of a credential are spans that no two nodes share, and begin after its pause") {
    FreshDatabase database;
    migrate(database.url());
    Database pool(database.url(), 4, store_statements());
    Store store(pool);
    boost::asio::io_context io;
    const auto claim = [&](double rate, int count) {
        PermitRequest request{"c", "crm", rate, count};
        return wait(io, store.claim_permits(std::move(request)));
    };
    const auto first = claim(10, 5), second = claim(10, 5);
    CHECK(first.wait < 0.01);
    CHECK(first.spacing == Approx(0.1));
    CHECK(second.wait > 0.4);
    CHECK(second.wait < 0.5);

    // Many at once: together they have what the rate gives in that time.
    double last = 0;
    for (int i = 0; i < 20; ++i) {
        PermitRequest request{"many", "crm", 1000, 10};
        boost::asio::co_spawn(io, store.claim_permits(std::move(request)), [&](std::exception_ptr failed, const PermitGrant& grant) {
            CHECK(!failed);
            last = std::max(last, grant.wait + grant.count * grant.spacing);
        });
    }
    const auto begin = std::chrono::steady_clock::now();
    io.restart();
    io.run();
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    CHECK(last + took >= 0.199);

    CredentialPause pause{"c", "crm", 50}, shorter{"c", "crm", 20};
    done(io, store.pause_credential(std::move(pause)));
    done(io, store.pause_credential(std::move(shorter)));
    const auto paused = claim(10, 1);
    CHECK(paused.paused > 49);
    CHECK(paused.wait > 49);
    std::vector<std::string> names{"c", "many", "unknown"};
    const auto pauses = wait(io, store.credential_pauses(std::move(names)));
    CHECK(pauses.size() == 1);
    CHECK(pauses.at("c") > 49);
    const auto without_rate = claim(0, 0);
    CHECK(without_rate.count == 0);
    CHECK(without_rate.paused > 49);
    CredentialQuota quota{"c", "crm", 100, 7, 30};
    done(io, store.note_quota(std::move(quota)));
    pqxx::connection connection(database.url());
    pqxx::nontransaction work(connection);
    CHECK(work.exec1("select quota_limit || ' ' || quota_left || ' ' || connection from millrace.credential where name = 'c'")[0].c_str() ==
          std::string("100 7 crm"));
}
