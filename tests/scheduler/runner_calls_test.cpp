// The runner alone: tasks that call runs, and what becomes of their slots.
#include "given_runner.hpp"
#include "plan_text.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

TEST_CASE("a call that waits for the number of its run gives its slots back where it does not begin, and asks for them again") {
    Node node;
    node.deploy(plan_text("a: run", "inner"));
    auto plan = plan_text("f: flow calls=inner limit=one", "f");
    plan.timeout = 60;
    const auto id = node.admit(plan);
    node.ids.on_their_way = true;
    node.settle();
    REQUIRE(node.asked.size() == 1);
    const auto given_back = [&] { return node.journal.released.count({id, first_task}); };
    node.pass(1s);
    CHECK(given_back() == 0);
    SECTION("cancelled") {
        node.cancel(id), node.settle();
        node.pass(20ms);
        CHECK(node.state(id) == "cancelled/Cancelled");
        CHECK(given_back() == 1);
    }
    SECTION("out of time") {
        node.pass(60s);
        CHECK(node.state(id) == "failed/TimedOut");
        CHECK(given_back() == 1);
    }
    SECTION("refused by the store") {
        CHECK(node.runner->pause(id, "by the test", {}));
        node.journal.refuse(id);
        node.pass(20ms);
        CHECK(node.state(id) == "crashed/Unrecordable");
        CHECK(given_back() == 1);
    }
    SECTION("paused for a while") {
        CHECK(node.runner->pause(id, "by the test", {}));
        node.pass(20ms);
        CHECK(given_back() == 1);
        node.ids.on_their_way = false;
        node.pass(1s);
        CHECK(node.asked.size() == 1);
        CHECK(node.hosts.started.empty());
        CHECK(node.runner->resume(id, "by the test", {}));
        node.settle();
        CHECK(node.asked.size() == 2);
        REQUIRE(node.hosts.started.size() == 1);
        CHECK(given_back() == 1);
        node.hosts.end(node.hosts.started[0].id, "completed");
        node.settle();
        CHECK(node.state(id) == "completed/Completed");
        CHECK(given_back() == 2);
    }
    SECTION("paused and resumed at once") { // it has them still
        CHECK(node.runner->pause(id, "by the test", {}));
        CHECK(node.runner->resume(id, "by the test", {}));
        node.ids.on_their_way = false;
        node.settle();
        node.pass(1s);
        CHECK(node.asked.size() == 1);
        CHECK(node.hosts.started.size() == 1);
        CHECK(given_back() == 0);
    }
}

TEST_CASE("a run that is parked stops what it called, whose slots are free when that has ended") {
    Node node;
    node.deploy(plan_text("a: run", "inner"));
    const auto id = node.admit(plan_text("f: flow calls=inner limit=one\n b: run", "f")), inner = id + 1;
    node.settle();
    REQUIRE(node.hosts.started.size() == 2);
    REQUIRE(node.hosts.started[1].context.run_id == inner);
    node.hosts.end(node.hosts.started[0].id, "completed");
    node.journal.refuse(id);
    node.settle();
    CHECK(node.state(id) == "crashed/Unrecordable");
    CHECK(node.hosts.cancelled == std::vector{node.hosts.started[1].id});
    CHECK_FALSE(node.journal.released.contains({id, first_task}));
    node.hosts.end(node.hosts.started[1].id, "cancelled");
    node.settle();
    CHECK(node.state(inner) == "cancelled/Cancelled");
    CHECK(node.journal.released.contains({id, first_task}));
    CHECK(node.runner->live_count() == 0);
}

TEST_CASE("a call that is dropped with the refused rows of its run calls nothing, and its slots are given back") {
    Node node;
    node.deploy(plan_text("a: run", "inner"));
    auto plan = plan_text("f: flow calls=inner limit=one\n b: run", "f");
    plan.overlap = "allow"; // it begins at once
    const auto id = node.admit(plan), inner = id + 1;
    node.turn();
    REQUIRE(node.claims.size() == 1);
    if (const bool is_stored = GENERATE(true, false); is_stored) {
        node.journal.commit();
        node.hosts.end(node.hosts.started.at(0).id, "completed");
        node.journal.rows = 11; // the store is slow
    }
    node.grant();
    CHECK(node.ids.last == inner);
    node.journal.rows = 0;
    node.journal.refuse(id);
    node.settle();
    CHECK(node.state(inner) == "none");
    CHECK(node.runner->live_count() == 0);
    CHECK(node.journal.released.contains({id, first_task}));
}
