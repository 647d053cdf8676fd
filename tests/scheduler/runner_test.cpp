// The runner alone, on a fake clock: what it submits is committed or refused when the test says so, together as it likes.
#include "given_runner.hpp"
#include "plan_text.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

TEST_CASE("a queued run that is cancelled in the commit in which the one before it ends does not begin, and the next one does") {
    const bool chunked = GENERATE(false, true);
    CAPTURE(chunked);
    Node node;
    const auto plan = chunked ? in_chunks(plan_text("a: run", "f")) : plan_text("a: run", "f");
    const auto a = node.admit(plan), b = node.admit(plan), c = node.admit(plan);
    node.settle();
    REQUIRE(node.hosts.started.size() == 1);
    node.cancel(a);
    node.hosts.end(node.hosts.started[0].id, "cancelled");
    if (chunked) node.turn(), node.journal.commit(); // the child's end, then the parent's
    node.cancel(b);
    node.settle();
    CHECK(node.state(a) == "cancelled/Cancelled");
    CHECK(node.state(b) == "cancelled/Cancelled");
    REQUIRE(node.hosts.started.size() == 2);
    const auto second = node.hosts.started[1].context.run_id;
    CHECK((chunked ? node.runner->find(second)->row.parent_id.value() : second) == c);
    CHECK(node.runner->live_count() == (chunked ? 2U : 1U));
}

TEST_CASE("items that begin and end in several turns of the loop are one row each of one commit") {
    FlowPlan plan;
    plan.name = "f";
    TaskPlan each;
    each.name = "each";
    each.verb = Verb::Wait;
    each.options["seconds"] = 0.0;
    each.map_over = ForEach{"", "select n from range(3000) as r(n)"};
    plan.tasks = {each};
    Node node;
    const auto id = node.admit(plan);
    node.settle();
    EvaluateReply reply; // of which a turn does a third
    for (int i = 0; i < 3000; ++i) reply.rows.push_back(i);
    node.hosts.asked.at(0)(reply);
    node.turn();
    REQUIRE(node.journal.submitted.size() == 1);
    const auto& rows = node.journal.submitted.front().task_runs;
    REQUIRE(rows.size() == 3001); // with the task itself
    const auto done = [](const TaskRunRow& row) { return row.state == State::Completed && row.is_new == (row.key.item >= 0); };
    CHECK(std::all_of(rows.begin(), rows.end(), done));
    CHECK(rows[2999].value == "2999");
    CHECK(rows[2999].attempts == 1);
    node.settle();
    CHECK(node.state(id) == "completed/Completed");
}

TEST_CASE("a question is dropped with its run, asked once however often the run is paused, and shown while it has no answer") {
    auto plan = plan_text("a: run when=x", "f");
    if (const bool of_items = GENERATE(false, true); of_items) {
        plan.tasks[0].when.clear();
        plan.tasks[0].map_over = ForEach{"", "select 1"};
    }
    plan.timeout = 60;
    Node node;
    const auto id = node.admit(plan);
    node.settle();
    REQUIRE(node.hosts.asked.size() == 1);
    const auto& task = node.runner->find(id)->machine->at(first_task);
    CHECK(task.state_name == std::string("Pending"));
    node.pass(2s);
    CHECK(task.state_name == std::string("WaitingForAnswer"));
    CHECK(task.details->message == (plan.tasks[0].when.empty() ? "its `for_each` is computed" : "its `when` is computed"));
    CHECK(node.runner->pause(id, "by the test", {}));
    CHECK(node.runner->resume(id, "by the test", {}));
    node.settle();
    CHECK(node.hosts.asked.size() == 1);
    CHECK(node.hosts.dropped.empty());
    EvaluateReply reply;
    SECTION("cancelled") {
        node.cancel(id), node.settle();
        CHECK(node.state(id) == "cancelled/Cancelled");
        CHECK(node.hosts.dropped == std::vector<OrderId>{-1});
    }
    SECTION("out of time") {
        node.pass(60s);
        CHECK(node.state(id) == "failed/TimedOut");
        CHECK(node.hosts.dropped == std::vector<OrderId>{-1});
    }
    SECTION("refused by the store") {
        CHECK(node.runner->pause(id, "by the test", {}));
        node.journal.refuse(id);
        CHECK(node.hosts.dropped == std::vector<OrderId>{-1});
    }
    SECTION("answered") {
        node.runner->set_admitting(false); // as if there were no place for it
        reply.rows.push_back(plan.tasks[0].when.empty() ? Json(1) : Json{{"holds", true}});
        node.hosts.asked[0](reply);
        node.settle();
        CHECK(std::string_view(task.state_name) == (plan.tasks[0].when.empty() ? "Mapped" : "Pending"));
        CHECK(task.details->message.empty());
        node.cancel(id), node.settle();
        CHECK(node.hosts.dropped.empty());
    }
    node.hosts.asked[0](reply); // too late
    node.settle();
}
