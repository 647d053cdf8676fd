// The runner alone: runs that are taken over, and runs whose rows the store refuses, of which only the end is written.
#include "given_runner.hpp"
#include "plan_text.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

TEST_CASE("how long a run was paused is in its row: whoever takes it over leaves that out of its timeout") {
    auto plan = plan_text("a: run", "f");
    plan.timeout = 30;
    Node first, second;
    const auto id = first.admit(plan);
    first.settle();
    first.pass(20s);
    CHECK(first.runner->pause(id, "by the test", {}));
    first.pass(500s);
    if (GENERATE(true, false)) {
        CHECK(first.runner->resume(id, "by the test", {}));
        first.settle();
    }
    second.clock.advance_to(first.clock.now());
    second.take_over(first.journal.runs.back(), plan);
    second.settle();
    (void)second.runner->resume(id, "by the test", {});
    second.pass(9s);
    CHECK(second.runner->find(id)->machine->state() == State::Running);
    second.pass(2s);
    CHECK(second.runner->find(id)->row.state_name == "TimingOut");
}

TEST_CASE("an older run that is taken over does not take the place of the newer one that has begun") {
    auto plan = plan_text("a: run", "f");
    plan.overlap = "cancel_previous";
    Node dead, node;
    const auto older = dead.admit(plan);
    dead.settle();
    node.clock.advance_to(node.clock.now() + 1s);
    node.ids.last = older;
    const auto newer = node.admit(plan);
    node.settle();
    auto row = dead.journal.runs.front();
    row.state = State::Pending;
    node.take_over(row, plan);
    node.settle();
    CHECK(node.runner->find(newer)->row.state == State::Running);
    CHECK_FALSE(node.runner->find(older));
    CHECK(node.state(older) == "cancelled/Cancelled");
}

TEST_CASE("a run in chunks that is parked begins no further chunk") {
    Node node;
    auto plan = in_chunks(plan_text("a: run", "f"));
    const auto id = node.admit(plan);
    node.settle();
    node.hosts.end(node.hosts.started.at(0).id, "completed");
    node.journal.commit();   // of the first chunk
    node.journal.refuse(id); // but not that the second one begins, which does
    node.turn();
    REQUIRE(node.hosts.started.size() == 2);
    node.journal.refuse(id); // nor the end of the whole; it is tried again in a while
    node.hosts.end(node.hosts.started[1].id, "completed");
    node.settle();
    CHECK(node.hosts.started.size() == 2);
    node.pass(10s);
    CHECK(node.state(id) == "crashed/Unrecordable");
    CHECK(node.runner->live_count() == 0);
}

TEST_CASE("a run that crashed by itself is parked too when its end is refused") {
    Node node;
    const auto plan = plan_text("a: run", "f");
    const auto id = node.admit(plan), next = node.admit(plan);
    for (std::size_t i = 0; !node.runner->find(id)->closing; ++i) { // until its crashes are no longer forgiven
        node.settle();
        if (i < node.hosts.started.size()) node.hosts.end(node.hosts.started[i].id, "lost");
        node.clock.advance_to(node.clock.now() + 10s);
    }
    REQUIRE(node.runner->find(id)->row.state == State::Crashed);
    node.journal.refuse(id);
    node.settle();
    CHECK(node.state(id) == "crashed/Unrecordable");
    CHECK(node.runner->find(id) == nullptr);
    CHECK(node.runner->find(next)->begun);
}

TEST_CASE("the end of a parked run that is refused is written again") {
    Node node;
    const auto id = node.admit(plan_text("a: run", "f"));
    node.settle();
    node.hosts.end(node.hosts.started[0].id, "completed");
    node.journal.refuse(id);
    for (int i = 0; i < 3; ++i) {
        node.turn();
        REQUIRE(node.journal.submitted.size() == 1);
        node.journal.refuse(id);
        node.turn();
        CHECK(node.journal.submitted.empty()); // not at once
        node.clock.advance_to(node.clock.now() + 10s);
    }
    node.settle();
    CHECK(node.state(id) == "crashed/Unrecordable");
    CHECK(node.runner->live_count() == 0);
}

TEST_CASE("a run that is parked while it waits for the journal gives back the slots of what had ended") {
    Node node;
    const auto id = node.admit(plan_text("a: run limit=one\n b: run", "f"));
    node.settle();
    REQUIRE(node.hosts.started.size() == 2);
    const bool a_first = node.hosts.started[0].task == "a";
    node.hosts.end(node.hosts.started[a_first ? 1 : 0].id, "completed");
    node.journal.rows = 11; // the store is slow
    node.hosts.end(node.hosts.started[a_first ? 0 : 1].id, "completed");
    CHECK(node.journal.submitted.size() == 1);
    node.journal.rows = 0;
    node.journal.refuse(id);
    node.settle();
    CHECK(node.state(id) == "crashed/Unrecordable");
    CHECK(node.journal.released.contains({id, first_task}));
}
