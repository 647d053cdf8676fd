#include "flows/error.hpp"
#include "fresh_database.hpp"
#include "scheduler/pg_journal_statements.hpp"
#include "scheduler/pg_read_models.hpp"
#include "scheduler/store/array_binary.hpp"
#include "scheduler/store/array_text.hpp"
#include "scheduler/store/history.hpp"
#include "scheduler/store/migrate.hpp"
#include "scheduler/store/store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <catch2/catch.hpp>

#include <optional>

using namespace millrace;
using test::FreshDatabase;

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

namespace {

/// Waits for `work` of the store, which runs on a thread of its pool.
template <class T>
T wait(boost::asio::io_context& io, boost::asio::awaitable<T> work) {
    std::optional<T> result;
    boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr failed, T value) {
        if (failed) std::rethrow_exception(failed);
        result = std::move(value);
    });
    io.restart();
    io.run();
    return std::move(result.value());
}

void make_nodes(pqxx::connection& connection) {
    pqxx::nontransaction(connection)
        .exec("insert into millrace.node select id, gen_random_uuid(), clock_timestamp() + interval '1 hour', 0, now(), '', 1"
              " from unnest(array['n', 'm']) id");
}

std::string epoch_of(pqxx::connection& connection, const std::string& node) {
    return pqxx::nontransaction(connection).exec1("select epoch from millrace.node where id = '" + node + "'")[0].c_str();
}

void done(boost::asio::io_context& io, boost::asio::awaitable<void> work) {
    boost::asio::co_spawn(io, std::move(work), [](std::exception_ptr failed) { CHECK(!failed); });
    io.restart();
    io.run();
}

/// Eight runs claim a slot of `k` at once.
int granted_of_eight(boost::asio::io_context& io, Store& store, const std::string& epoch) {
    int granted = 0;
    for (int run = 1; run <= 8; ++run) {
        std::vector<SlotDemand> demands{{"k", 1}};
        boost::asio::co_spawn(io, store.claim_slots(epoch, run, {0, -1}, std::move(demands), Instant{}),
                              [&](std::exception_ptr failed, const SlotClaim& slots) {
                                  CHECK(!failed);
                                  granted += slots.granted;
                              });
    }
    io.restart();
    io.run();
    return granted;
}

} // namespace

TEST_CASE("claims of a slot at the same moment give it to one of them") {
    FreshDatabase database;
    migrate(database.url());
    pqxx::connection connection(database.url());
    make_nodes(connection);
    Database pool(database.url(), 4, store_statements());
    Store store(pool);
    boost::asio::io_context io;
    const auto epoch = epoch_of(connection, "n");
    (void)pqxx::nontransaction(connection).exec("insert into millrace.slot (key, number) select 'k', generate_series(1, 3)");
    for (int round = 0; round < 100; ++round) {
        const int granted = granted_of_eight(io, store, epoch);
        pqxx::nontransaction work(connection);
        const int held = work.exec1("select count(*) from millrace.slot where epoch is not null")[0].as<int>();
        REQUIRE(granted == held);
        work.exec("update millrace.slot set epoch = null");
    }
}

TEST_CASE("a lowered limit counts at once: a slot too many stays with its holder, and one less is given out meanwhile") {
    FreshDatabase database;
    migrate(database.url());
    pqxx::connection connection(database.url());
    make_nodes(connection);
    Database pool(database.url(), 1, store_statements());
    Store store(pool);
    boost::asio::io_context io;
    const auto epoch = epoch_of(connection, "n");
    const auto claim = [&](std::int64_t run) {
        std::vector<SlotDemand> demands{{"k", 1}};
        return wait(io, store.claim_slots(epoch, run, {0, -1}, std::move(demands), Instant{})).granted;
    };
    const auto release = [&](std::int64_t run) {
        pqxx::nontransaction(connection).exec("update millrace.slot set epoch = null, run_id = null where run_id = " + std::to_string(run));
    };
    const auto set = [&](int slots) { (void)wait(io, store.set_limits({{"k", slots}})); };
    set(3);
    REQUIRE((claim(1) && claim(2) && claim(3)));
    release(1);
    set(1);
    CHECK_FALSE(claim(4)); // two are held
    CHECK(claim(3));       // its answer was lost: it has its slot
    release(2);
    CHECK_FALSE(claim(4));
    release(3);
    CHECK(claim(4));
    CHECK_FALSE(claim(5));
    set(2);
    CHECK(claim(5));
    CHECK_FALSE(claim(6));
}

TEST_CASE("claims at the same moment leave a slot alone for one that is retired and held") {
    FreshDatabase database;
    migrate(database.url());
    pqxx::connection connection(database.url());
    make_nodes(connection);
    Database pool(database.url(), 4, store_statements());
    Store store(pool);
    boost::asio::io_context io;
    const auto epoch = epoch_of(connection, "n");
    (void)pqxx::nontransaction(connection)
        .exec("insert into millrace.slot (key, number, epoch, run_id, retired) select 'k', n, case n when 3 then '" + epoch +
              "'::uuid end, case n when 3 then 99 end, n = 3 from generate_series(1, 3) n");
    for (int round = 0; round < 50; ++round) {
        const int granted = granted_of_eight(io, store, epoch);
        REQUIRE(granted <= 1);
        pqxx::nontransaction(connection).exec("update millrace.slot set epoch = null where number < 3");
    }
}

TEST_CASE("a claim that no waiting fulfils says which limit lacks and what to write") {
    FreshDatabase database;
    migrate(database.url());
    pqxx::connection connection(database.url());
    make_nodes(connection);
    Database pool(database.url(), 1, store_statements());
    Store store(pool);
    boost::asio::io_context io;
    const auto epoch = epoch_of(connection, "n");
    const auto claim = [&](std::int64_t run, int task, const std::string& key, int slots) {
        std::vector<SlotDemand> demands{{key, slots}};
        return wait(io, store.claim_slots(epoch, run, {task, -1}, std::move(demands), Instant{}));
    };
    (void)wait(io, store.set_limits({{"k", 2}}));
    const auto gone = claim(1, 0, "gone", 1).never, more = claim(1, 0, "k", 3).never;
    REQUIRE((gone && more));
    CHECK(gone->error_class == "permanent");
    CHECK(gone->message == "the limit 'gone' has no slots, and needed are 1");
    CHECK_THAT(gone->remedy, Catch::StartsWith("write gone: 1 or more under `limits:`"));
    CHECK_THAT(more->message, Catch::Contains("only 2"));
    CHECK(claim(1, 0, "k", 2).granted);
    CHECK_FALSE(claim(2, 0, "k", 2).never); // they are only in use
    CHECK(claim(1, 0, "k", 2).granted);
    (void)pqxx::nontransaction(connection).exec("update millrace.slot set task = -1");
    const auto beside = claim(1, 0, "k", 1).never; // the run itself holds them as long as its task waits
    REQUIRE(beside);
    CHECK_THAT(beside->remedy, Catch::StartsWith("write k: 3"));
}

TEST_CASE("a live run whose node died is adopted by one node only, even if two want it at once") {
    FreshDatabase database;
    migrate(database.url());
    pqxx::connection connection(database.url());
    make_nodes(connection);
    const auto first = epoch_of(connection, "n"), second = epoch_of(connection, "m");
    pqxx::nontransaction(connection)
        .exec("insert into millrace.plan values (repeat('a', 64), 'f', '{}', now());"
              " insert into millrace.run (id, flow, plan_hash, staging_id, run_key, trigger, state, state_name, params, options,"
              " created_at, epoch) values (1, 'f', repeat('a', 64), gen_random_uuid(), 'k', 'api', 'running', '', '{}', '{}', now(),"
              " gen_random_uuid())");
    Database pool(database.url(), 1, store_statements());
    Store store(pool);
    boost::asio::io_context io;
    std::optional<pqxx::work> other(connection);
    other->exec("update millrace.run set epoch = '" + first + "'"); // the first node adopts it, and has not committed yet
    std::optional<std::vector<std::int64_t>> adopted;
    boost::asio::co_spawn(io, store.adopt(second), [&](std::exception_ptr failed, std::vector<std::int64_t> ids) {
        CHECK(!failed);
        adopted = std::move(ids);
    });
    pqxx::connection observer(database.url());
    pqxx::nontransaction look(observer);
    while (
        look.exec1("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")[0].as<int>() ==
        0)
        io.poll();
    other->commit();
    other.reset();
    io.restart();
    io.run();
    REQUIRE(adopted);
    CHECK(adopted->empty());
    CHECK(wait(io, store.live_runs(first)).size() == 1);
    CHECK(wait(io, store.live_runs(second)).empty());
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

TEST_CASE("a limit holds over two nodes, and each claim that waits says for which limit and who has it") {
    FreshDatabase database;
    migrate(database.url());
    pqxx::connection connection(database.url());
    make_nodes(connection);
    Database pool(database.url(), 2, store_statements());
    Store store(pool);
    boost::asio::io_context io;
    const auto n = epoch_of(connection, "n"), m = epoch_of(connection, "m");
    const auto claim = [&](const std::string& epoch, std::int64_t run, TaskKey key, std::vector<SlotDemand> demands) {
        return wait(io, store.claim_slots(epoch, run, key, std::move(demands), Instant{}));
    };
    (void)wait(io, store.set_limits({{"all", 3}, {"flow.f", 1}, {"tag.t", 2}, {"connection.c", 1}}));
    CHECK(claim(n, 1, {-1, -1}, {{"flow.f", 1}}).granted);
    const auto other = claim(m, 2, {-1, -1}, {{"flow.f", 1}});
    CHECK_FALSE(other.granted);
    CHECK(other.lacking == "flow.f");
    CHECK(other.holders == "run 1 has it");

    CHECK(claim(n, 1, {0, -1}, {{"all", 1}, {"tag.t", 1}}).granted);
    CHECK(claim(m, 3, {0, -1}, {{"all", 1}, {"tag.t", 1}}).granted);
    CHECK(claim(m, 4, {0, -1}, {{"all", 1}, {"tag.t", 1}}).lacking == "tag.t"); // and it has none of `all`
    CHECK(claim(n, 1, {1, -1}, {{"all", 1}, {"connection.c", 1}}).granted);
    CHECK(claim(m, 3, {1, -1}, {{"all", 1}, {"connection.c", 1}}).lacking == "all");
    const auto third = claim(m, 5, {0, -1}, {{"all", 1}});
    CHECK(third.holders == "run 1, run 3, run 1 have it");
}

TEST_CASE("a node that has waited for long has the next free slot, whoever asks first") {
    FreshDatabase database;
    migrate(database.url());
    pqxx::connection connection(database.url());
    make_nodes(connection);
    Database pool(database.url(), 1, store_statements());
    Store store(pool);
    boost::asio::io_context io;
    const auto n = epoch_of(connection, "n"), m = epoch_of(connection, "m");
    const auto claim = [&](const std::string& epoch, std::int64_t run, int slots = 1) {
        std::vector<SlotDemand> demands{{"k", slots}};
        return wait(io, store.claim_slots(epoch, run, {0, -1}, std::move(demands), Instant{}));
    };
    const auto release = [&](std::int64_t run) {
        pqxx::nontransaction(connection).exec("update millrace.slot set epoch = null, run_id = null where run_id = " + std::to_string(run));
    };
    const auto age = [&](const std::string& epoch, const char* seconds) {
        pqxx::nontransaction(connection)
            .exec("update millrace.slot_wait set since = since - interval '" + std::string(seconds) + " s' where epoch = '" + epoch + "'");
    };
    (void)wait(io, store.set_limits({{"k", 2}}));
    REQUIRE(claim(n, 1).granted);
    REQUIRE(claim(n, 2).granted);
    CHECK_FALSE(claim(m, 9).granted);
    release(1);
    CHECK(claim(n, 3).granted); // the other one has not waited for long
    age(m, "5");
    release(3);
    const auto left = claim(n, 4);
    CHECK_FALSE(left.granted);
    CHECK(left.lacking == "k");
    CHECK(claim(n, 2).granted); // what it holds it has
    age(n, "4");
    CHECK_FALSE(claim(n, 4).granted); // both wait for long, the other one longer
    CHECK(claim(m, 9).granted);
    release(2);
    CHECK(claim(n, 4).granted); // and has had its turn
    release(4);
    // Who needs several is left as many.
    CHECK_FALSE(claim(m, 10, 2).granted);
    age(m, "5");
    CHECK_FALSE(claim(n, 5).granted);
    release(9);
    CHECK_FALSE(claim(n, 5).granted);
    CHECK(claim(m, 10, 2).granted);
    // A node that asks no more is waited for no longer.
    CHECK_FALSE(claim(n, 5).granted);
    age(n, "60");
    pqxx::nontransaction(connection).exec("update millrace.slot_wait set asked_at = asked_at - interval '4 s'");
    release(10);
    CHECK(claim(m, 11).granted);
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
