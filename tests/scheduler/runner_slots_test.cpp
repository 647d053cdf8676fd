// The runner alone: what task runs wait for before they begin, slots of limits and room on the disk.
#include "given_runner.hpp"
#include "plan_text.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

TEST_CASE("a slot that is given back in one commit with refused rows of its run is given back all the same") {
    Node node;
    const auto id = node.admit(plan_text("a: run limit=one\n b: run", "f"));
    node.journal.commit();
    (void)node.runner->pause(id, "the test", {});
    node.grant(); // it is not wanted any more
    REQUIRE(node.journal.submitted.back().released == std::vector{first_task});
    node.journal.refuse(id);
    node.settle();
    CHECK(node.journal.released.contains({id, first_task}));
}

TEST_CASE("of those who wait for a limit one asks at a time, flows in turn, and each is told who has it") {
    Node node;
    node.free_slots = 1;
    auto f = plan_text("a: run limit=one", "f"), g = plan_text("a: run limit=one", "g");
    f.overlap = "allow";
    for (const auto* plan : {&f, &f, &f, &g}) {
        (void)node.admit(*plan);
        node.settle();
    }
    CHECK(node.asked == std::vector<std::int64_t>{1, 2}); // who comes later stands behind the second
    CHECK(node.runner->why_it_waits(1, first_task).empty());
    CHECK(node.runner->why_it_waits(4, first_task) == "waits for the limit 'one': run 7 (load) has it");
    std::vector<std::int64_t> started;
    for (std::size_t i = 0; i < 4; ++i) {
        REQUIRE(node.hosts.started.size() == i + 1);
        started.push_back(node.hosts.started[i].context.run_id);
        node.free_slots = 1;
        node.hosts.end(node.hosts.started[i].id, "completed");
        node.settle();
    }
    CHECK(started == std::vector<std::int64_t>{1, 2, 4, 3});
    CHECK(node.asked.size() <= 8);
    CHECK(node.runner->live_count() == 0);
}

TEST_CASE("a slot that another node frees is asked for within a second") {
    Node node;
    node.free_slots = 0;
    (void)node.admit(plan_text("a: run limit=one", "f"));
    node.settle();
    CHECK(node.hosts.started.empty());
    node.pass(1s);
    CHECK(node.hosts.started.empty());
    node.free_slots = 1;
    node.pass(1s);
    CHECK(node.hosts.started.size() == 1);
}

TEST_CASE("a limit of a connection counts for the runs whose parameter names it, and for no others") {
    Node node;
    node.free_slots = 1;
    auto plan = plan_text("a: run", "f");
    plan.overlap = "allow";
    plan.params.push_back({"workspace", "connection", {}, {}, {}, {}, false});
    plan.tasks[0].limits.push_back({"connection.b", 1, "workspace"});
    const auto names = [](const char* connection) { return Json{{"workspace", connection}}; };
    for (const auto& params : {names("b"), names("b"), names("c"), Json::object()}) {
        (void)node.admit(plan, params);
        node.settle();
    }
    std::vector<std::int64_t> started;
    for (const auto& order : node.hosts.started) started.push_back(order.context.run_id);
    CHECK(started == std::vector<std::int64_t>{1, 3, 4});
    CHECK(node.asked == std::vector<std::int64_t>{1, 2});
    CHECK(node.runner->why_it_waits(2, first_task) == "waits for the limit 'connection.b': run 7 (load) has it");
    node.free_slots = 1;
    node.hosts.end(node.hosts.started.at(0).id, "completed");
    node.settle();
    REQUIRE(node.hosts.started.size() == 4);
    CHECK(node.hosts.started[3].context.run_id == 2);
}

TEST_CASE("task runs wait for room on the disk without an attempt, say so, and go on by themselves") {
    Node node;
    node.shortage = "1 MB are free in /staging, task runs begin with 2 MB";
    const auto id = node.admit(plan_text("a: run", "f"));
    node.settle();
    CHECK(node.hosts.started.empty());
    const auto& waits = node.runner->find(id)->machine->at(first_task);
    CHECK(waits.state == State::Pending);
    CHECK(waits.state_name == std::string("WaitingForDisk"));
    CHECK(waits.details->message == node.shortage);
    node.runner->set_admitting(true); // as each second
    node.settle();
    CHECK(node.hosts.started.empty());
    node.make_room();
    REQUIRE(node.hosts.started.size() == 1);
    CHECK(waits.attempts == 1);
    CHECK(waits.details->message.empty());
    node.hosts.end(node.hosts.started[0].id, "completed");
    node.settle();
    CHECK(node.state(id) == "completed/Completed");
}

TEST_CASE("a task run that has its slots gives them back while the disk has no room, and claims them again") {
    Node node;
    auto plan = plan_text("a: run", "f");
    plan.tasks[0].limits = {{"one", 1}};
    plan.overlap = "allow"; // it begins at once
    const auto id = node.admit(plan);
    node.turn();
    REQUIRE(node.claims.size() == 1);
    node.shortage = "no room";
    node.settle();
    CHECK(node.journal.released.count({id, first_task}) == 1);
    CHECK(node.runner->find(id)->machine->at(first_task).state_name == std::string("WaitingForDisk"));
    node.make_room();
    CHECK(node.hosts.started.size() == 1);
}

TEST_CASE("a run that is cancelled while it waits for room on the disk does not begin with the room") {
    Node node;
    node.shortage = "no room";
    const auto id = node.admit(plan_text("a: run", "f"));
    node.settle();
    node.cancel(id);
    node.settle();
    node.make_room();
    CHECK(node.hosts.started.empty());
    CHECK(node.state(id) == "cancelled/Cancelled");
}
