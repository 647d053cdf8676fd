// Slots of limits in the store: who gets one, who has to wait, and what the latter is told.
#include "given_store.hpp"

using namespace millrace;
using test::TwoNodes;
using test::wait;

namespace {

/// Eight runs claim a slot of `k` at once.
int granted_of_eight(TwoNodes& nodes) {
    int granted = 0;
    for (int run = 1; run <= 8; ++run) {
        std::vector<SlotDemand> demands{{"k", 1}};
        boost::asio::co_spawn(nodes.io, nodes.store.claim_slots(nodes.n, run, {0, -1}, std::move(demands), Instant{}),
                              [&](std::exception_ptr failed, const SlotClaim& slots) {
                                  CHECK(!failed);
                                  granted += slots.granted;
                              });
    }
    nodes.io.restart();
    nodes.io.run();
    return granted;
}

void release(TwoNodes& nodes, std::int64_t run) {
    const auto of_run = " where run_id = " + std::to_string(run);
    pqxx::nontransaction(nodes.connection).exec("update millrace.slot set epoch = null, run_id = null" + of_run);
}

} // namespace

TEST_CASE("claims of a slot at the same moment give it to one of them") {
    TwoNodes nodes(4);
    (void)pqxx::nontransaction(nodes.connection).exec("insert into millrace.slot (key, number) select 'k', generate_series(1, 3)");
    for (int round = 0; round < 100; ++round) {
        const int granted = granted_of_eight(nodes);
        pqxx::nontransaction work(nodes.connection);
        const int held = work.exec1("select count(*) from millrace.slot where epoch is not null")[0].as<int>();
        REQUIRE(granted == held);
        work.exec("update millrace.slot set epoch = null");
    }
}

TEST_CASE("a lowered limit counts at once: a slot too many stays with its holder, and one less is given out meanwhile") {
    TwoNodes nodes(1);
    const auto claim = [&](std::int64_t run) {
        std::vector<SlotDemand> demands{{"k", 1}};
        return wait(nodes.io, nodes.store.claim_slots(nodes.n, run, {0, -1}, std::move(demands), Instant{})).granted;
    };
    const auto set = [&](int slots) { (void)wait(nodes.io, nodes.store.set_limits({{"k", slots}})); };
    set(3);
    REQUIRE((claim(1) && claim(2) && claim(3)));
    release(nodes, 1);
    set(1);
    CHECK_FALSE(claim(4)); // two are held
    CHECK(claim(3));       // its answer was lost: it has its slot
    release(nodes, 2);
    CHECK_FALSE(claim(4));
    release(nodes, 3);
    CHECK(claim(4));
    CHECK_FALSE(claim(5));
    set(2);
    CHECK(claim(5));
    CHECK_FALSE(claim(6));
}

TEST_CASE("claims at the same moment leave a slot alone for one that is retired and held") {
    TwoNodes nodes(4);
    (void)pqxx::nontransaction(nodes.connection)
        .exec("insert into millrace.slot (key, number, epoch, run_id, retired) select 'k', n, case n when 3 then '" + nodes.n +
              "'::uuid end, case n when 3 then 99 end, n = 3 from generate_series(1, 3) n");
    for (int round = 0; round < 50; ++round) {
        const int granted = granted_of_eight(nodes);
        REQUIRE(granted <= 1);
        pqxx::nontransaction(nodes.connection).exec("update millrace.slot set epoch = null where number < 3");
    }
}

TEST_CASE("a claim that no waiting fulfils says which limit lacks and what to write") {
    TwoNodes nodes(1);
    const auto claim = [&](std::int64_t run, int task, const std::string& key, int slots) {
        std::vector<SlotDemand> demands{{key, slots}};
        return wait(nodes.io, nodes.store.claim_slots(nodes.n, run, {task, -1}, std::move(demands), Instant{}));
    };
    (void)wait(nodes.io, nodes.store.set_limits({{"k", 2}}));
    const auto gone = claim(1, 0, "gone", 1).never, more = claim(1, 0, "k", 3).never;
    REQUIRE((gone && more));
    CHECK(gone->error_class == "permanent");
    CHECK(gone->message == "the limit 'gone' has no slots, and needed are 1");
    CHECK_THAT(gone->remedy, Catch::StartsWith("write gone: 1 or more under `limits:`"));
    CHECK_THAT(more->message, Catch::Contains("only 2"));
    CHECK(claim(1, 0, "k", 2).granted);
    CHECK_FALSE(claim(2, 0, "k", 2).never); // they are only in use
    CHECK(claim(1, 0, "k", 2).granted);
    (void)pqxx::nontransaction(nodes.connection).exec("update millrace.slot set task = -1");
    const auto beside = claim(1, 0, "k", 1).never; // the run itself holds them as long as its task waits
    REQUIRE(beside);
    CHECK_THAT(beside->remedy, Catch::StartsWith("write k: 3"));
}

TEST_CASE("a limit holds over two nodes, and each claim that waits says for which limit and who has it") {
    TwoNodes nodes(2);
    const auto &n = nodes.n, &m = nodes.m;
    const auto claim = [&](const std::string& epoch, std::int64_t run, TaskKey key, std::vector<SlotDemand> demands) {
        return wait(nodes.io, nodes.store.claim_slots(epoch, run, key, std::move(demands), Instant{}));
    };
    (void)wait(nodes.io, nodes.store.set_limits({{"all", 3}, {"flow.f", 1}, {"tag.t", 2}, {"connection.c", 1}}));
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
    TwoNodes nodes(1);
    const auto &n = nodes.n, &m = nodes.m;
    const auto claim = [&](const std::string& epoch, std::int64_t run, int slots = 1) {
        std::vector<SlotDemand> demands{{"k", slots}};
        return wait(nodes.io, nodes.store.claim_slots(epoch, run, {0, -1}, std::move(demands), Instant{}));
    };
    const auto age = [&](const std::string& epoch, const char* seconds) {
        pqxx::nontransaction(nodes.connection)
            .exec("update millrace.slot_wait set since = since - interval '" + std::string(seconds) + " s' where epoch = '" + epoch + "'");
    };
    (void)wait(nodes.io, nodes.store.set_limits({{"k", 2}}));
    REQUIRE(claim(n, 1).granted);
    REQUIRE(claim(n, 2).granted);
    CHECK_FALSE(claim(m, 9).granted);
    release(nodes, 1);
    CHECK(claim(n, 3).granted); // the other one has not waited for long
    age(m, "5");
    release(nodes, 3);
    const auto left = claim(n, 4);
    CHECK_FALSE(left.granted);
    CHECK(left.lacking == "k");
    CHECK(claim(n, 2).granted); // what it holds it has
    age(n, "4");
    CHECK_FALSE(claim(n, 4).granted); // both wait for long, the other one longer
    CHECK(claim(m, 9).granted);
    release(nodes, 2);
    CHECK(claim(n, 4).granted); // and has had its turn
    release(nodes, 4);
    // Who needs several is left as many.
    CHECK_FALSE(claim(m, 10, 2).granted);
    age(m, "5");
    CHECK_FALSE(claim(n, 5).granted);
    release(nodes, 9);
    CHECK_FALSE(claim(n, 5).granted);
    CHECK(claim(m, 10, 2).granted);
    // A node that asks no more is waited for no longer.
    CHECK_FALSE(claim(n, 5).granted);
    age(n, "60");
    pqxx::nontransaction(nodes.connection).exec("update millrace.slot_wait set asked_at = asked_at - interval '4 s'");
    release(nodes, 10);
    CHECK(claim(m, 11).granted);
}
