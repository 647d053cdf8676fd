// RunPlan: cancelled, timed out, paused, and gone on with after a restart.
#include "drive.hpp"

#include <fmt/format.h>

using namespace millrace;
using test::Drive;
using test::plan_text;
using test::start;

TEST_CASE("a cancelled run stops what runs and waits for its end") {
    Drive d("a: extract\n b: load <- a\n w: wait seconds=100");
    d.begin(), d.decisions();
    d.started("a"), d.started("w");
    d.plan->wait_until(d.key("w"), d.now + std::chrono::seconds(100), d.now);
    d.plan->cancel(RunPlan::Ending::Cancelled, "by me", d.now);
    CHECK(d.decisions() == "stop a");
    CHECK(d.run() == "cancelling/Cancelling");
    CHECK(d.state("w") == "cancelled/Cancelled");
    CHECK(d.state("b") == "cancelled/Cancelled");
    SECTION("it stopped") {
        d.failed("a", "cancelled");
        CHECK(d.state("a") == "cancelled/Cancelled");
    }
    SECTION("its end won the race") {
        d.completed("a");
        CHECK(d.state("a") == "completed/Completed");
    }
    CHECK(d.run() == "cancelled/Cancelled");
    CHECK(d.plan->message() == "by me");
}

TEST_CASE("a run that takes longer than the flow's timeout fails") {
    Drive d("a: extract", 30);
    d.begin(), d.decisions();
    d.started("a");
    d.pass(30);
    CHECK(d.decisions() == "stop a");
    d.failed("a", "cancelled");
    CHECK(d.run() == "failed/TimedOut");
    CHECK(d.plan->message() == "the run took longer than 30 s, its flow's `timeout`: raise it, or give the flow less to do");
}

TEST_CASE("the time of a flow's `timeout` stands while a person has paused the run, over a restart too, and over a clock that is set") {
    Drive d("a: extract\n b: run <- a", 30);
    d.begin(), d.decisions();
    d.started("a");
    d.pass(20);
    d.plan->pause(d.now);
    d.pass(100);
    d.completed("a");
    CHECK(d.run() == "paused/Paused");
    d.plan->clock_was_set(std::chrono::hours(1)), d.now += std::chrono::hours(1);
    d.pass(0);
    CHECK(d.run() == "paused/Paused");
    if (GENERATE(false, true)) {
        Drive next("a: extract\n b: run <- a", 30);
        next.now = d.now;
        std::vector<TaskKey> lost;
        next.plan->restore({}, State::Paused, start + std::chrono::hours(1), next.now, lost, RunPlan::Ending::Cancelled, {},
                           d.plan->pauses());
        std::swap(d, next);
        d.pass(50);
    }
    d.plan->resume(d.now);
    d.plan->pause(d.now), d.pass(40), d.plan->resume(d.now);
    d.pass(9);
    CHECK(d.run() == "running/Running");
    d.pass(1);
    CHECK(d.plan->message().starts_with("the run took longer than 30 s"));
}

TEST_CASE("a run that took too long names the file of its flow") {
    FlowPlan flow = plan_text("a: extract");
    flow.origins.tasks["a"].file = "flows/slow.yaml";
    Drive d(flow, 2.5);
    d.begin();
    d.pass(3);
    CHECK(d.plan->message() ==
          "the run took longer than 2.5 s, its flow's `timeout`: raise it in flows/slow.yaml, or give the flow less to do");
}

TEST_CASE("what fails names the place of its task, unless its message or its remedy names the file") {
    FlowPlan flow = plan_text("a: extract");
    flow.origins.tasks["a"] = {"flows/slow.yaml", 7, 0};
    const auto message = [&](const std::string& said, const std::string& remedy) {
        Drive d(flow);
        d.begin();
        d.started("a");
        AttemptDone done;
        done.outcome = "failed";
        done.error = OrderError{"permanent", said, remedy, 0};
        d.plan->finished(d.key("a"), done, d.now);
        return d.plan->at(d.key("a")).details->message;
    };
    CHECK(message("it broke", "mend it") == "it broke (flows/slow.yaml:7)");
    CHECK(message("flows/slow.yaml:9: it broke", "") == "flows/slow.yaml:9: it broke");
    CHECK(message("it broke", "correct flows/slow.yaml:9") == "it broke");
}

TEST_CASE("a condition or a list of items that cannot be asked says which it is, and where") {
    FlowPlan flow = plan_text("a: extract\n m: run <- a each=a");
    flow.origins.tasks["m"] = {"flows/f.yaml", 7, 0};
    flow.tasks[1].when = GENERATE("", "x > 1");
    Drive d(flow);
    d.begin(), d.started("a"), d.completed("a");
    CHECK_FALSE(d.decisions().empty());
    d.plan->evaluation_failed(d.key("m").task, {"bad_data", "no number", {}, 0}, d.now);
    CHECK(d.plan->at(d.key("m")).details->message ==
          fmt::format("`{}`: no number (flows/f.yaml:7)", flow.tasks[1].when.empty() ? "for_each" : "when"));
}

TEST_CASE("a paused run starts nothing until it is resumed") {
    Drive d("a: extract\n b: load <- a\n c: extract");
    d.begin();
    CHECK(d.plan->next()->key == d.key("a"));
    d.started("a");
    d.plan->pause(d.now);
    d.completed("a");
    CHECK(d.decisions().empty());
    CHECK(d.run() == "paused/Paused");
    d.plan->resume(d.now);
    CHECK(d.decisions() == "start b, start c");
}

TEST_CASE("of a restored run attempts that are charged when they are lost are tried again as often as the policy says, or fail") {
    auto flow = plan_text("a: extract\n m: run <- a each=a concurrency=2\n z: wait <- m");
    auto& policy = flow.tasks[1].retry;
    policy.charges_lost = true;
    policy.attempts = GENERATE(1, 2);
    const int attempts = policy.attempts;
    Drive d(std::move(flow));
    std::vector<StoredTaskRun> rows(6);
    rows[0].run.state = State::Completed;
    rows[1].key = {1, -1}, rows[1].run.state = State::Running;
    for (int i = 0; i < 3; ++i) rows[2 + i].key = {1, i};
    for (int i = 0; i < 2; ++i) rows[2 + i].run.state = State::Running, rows[2 + i].run.attempts = 1;
    rows[5].key = {2, -1};
    std::vector<TaskKey> lost;
    d.plan->restore(std::move(rows), State::Running, start, start, lost);
    CHECK(lost.size() == 2);
    if (attempts == 2) {
        CHECK(d.decisions().empty());
        d.pass(10);
        CHECK(d.decisions() == "start m[0], start m[1]");
        return;
    }
    CHECK(d.state("m", 0) == "crashed/Crashed");
    CHECK(d.plan->at(d.key("m", 1)).details->message == "the daemon that drove this attempt ended");
    CHECK(d.decisions() == "start m[2]");
    d.started("m", 2), d.completed("m", 2);
    CHECK(d.state("z") == "skipped/UpstreamFailed");
    CHECK(d.run() == "failed/Failed");
    CHECK(d.plan->message() == "task m: 2 of 3 items failed");
}

TEST_CASE("of a restored run a task whose parent failed does not begin because another one was lost and may fail") {
    auto flow = plan_text("a: extract\n b: run continue\n c: run <- a, b");
    flow.tasks[1].retry.charges_lost = true;
    Drive d(std::move(flow));
    std::vector<StoredTaskRun> rows(3);
    for (int i = 0; i < 3; ++i) rows[static_cast<std::size_t>(i)].key = {i, -1};
    rows[0].run.state = State::Failed;
    rows[1].run.state = State::Running, rows[1].run.attempts = 1;
    std::vector<TaskKey> lost;
    d.plan->restore(std::move(rows), State::Running, start, start, lost);
    CHECK(d.decisions().empty());
    CHECK(d.state("c") == "skipped/UpstreamFailed");
    CHECK(d.run() == "failed/Failed");
}

TEST_CASE("a restored run goes on from its rows: lost attempts begin again, uncharged") {
    const auto flow = std::make_shared<const FlowPlan>(
        plan_text("a: extract\n b: transform <- a\n c: load <- b\n r: extract retry=2\n w: wait seconds=60"));
    std::vector<StoredTaskRun> rows(5);
    for (int i = 0; i < 5; ++i) rows[static_cast<std::size_t>(i)].key = {i, -1};
    rows[0].run.state = State::Completed, rows[0].run.attempts = 1;
    rows[1].run.state = State::Running, rows[1].run.attempts = 1;
    rows[3].run.state = State::Retrying, rows[3].run.attempts = 1, rows[3].run.charged = 1,
    rows[3].run.due_at = start + std::chrono::seconds(5);
    rows[4].run.state = State::Running, rows[4].run.attempts = 1, rows[4].run.due_at = start + std::chrono::seconds(60);
    Drive d(*flow);
    std::vector<TaskKey> lost;
    d.plan->restore(std::move(rows), State::Running, start, start, lost);
    CHECK(lost == std::vector<TaskKey>{{1, -1}});
    CHECK(d.decisions() == "start b");
    d.started("b");
    CHECK(d.plan->at(d.key("b")).attempts == 2);
    CHECK(d.plan->at(d.key("b")).charged == 0);
    d.completed("b");
    CHECK(d.decisions() == "start c");
    d.started("c"), d.completed("c");
    d.pass(5);
    CHECK(d.decisions() == "start r");
    d.started("r"), d.completed("r");
    d.pass(55);
    CHECK(d.run() == "completed/Completed");
}

TEST_CASE("a run that was timing out when its daemon ended fails all the same, with its message") {
    const auto flow = std::make_shared<const FlowPlan>(plan_text("a: run\n b: load <- a"));
    std::vector<StoredTaskRun> rows(2);
    for (int i = 0; i < 2; ++i) rows[static_cast<std::size_t>(i)].key = {i, -1};
    rows[0].run.state = State::Cancelling, rows[0].run.attempts = 1;
    rows[1].run.state = State::Cancelled;
    Drive d(*flow);
    std::vector<TaskKey> lost;
    SECTION("by time") {
        d.plan->restore(std::move(rows), State::Cancelling, start, start, lost, RunPlan::Ending::TimedOut, "too long");
        CHECK(d.run() == "failed/TimedOut");
        CHECK(d.plan->message() == "too long");
    }
    SECTION("by a person") {
        d.plan->restore(std::move(rows), State::Cancelling, start, start, lost, RunPlan::Ending::Cancelled, "cancelled by me");
        CHECK(d.run() == "cancelled/Cancelled");
        CHECK(d.plan->message() == "cancelled by me");
    }
}

TEST_CASE("a wait that goes on after a restart still ends at its timeout") {
    const auto flow = std::make_shared<const FlowPlan>(plan_text("w: wait seconds=600 timeout=60"));
    std::vector<StoredTaskRun> rows(1);
    rows[0].key = {0, -1};
    rows[0].run.state = State::Running, rows[0].run.attempts = 1, rows[0].run.started_at = start,
    rows[0].run.due_at = start + std::chrono::seconds(600);
    Drive d(*flow);
    std::vector<TaskKey> lost;
    d.plan->restore(std::move(rows), State::Running, start, start, lost);
    d.pass(59);
    CHECK(d.run() == "running/Running");
    d.pass(1);
    CHECK(d.state("w") == "failed/TimedOut");
}

TEST_CASE("a task that fails keeps what is known of its rejected rows, and of those that were only warned of") {
    for (const auto& [rejected, warned] : {std::pair(2, 0), std::pair(0, 3)}) {
        Drive d("a: extract");
        d.begin(), d.decisions();
        d.started("a");
        AttemptDone done;
        done.outcome = "failed";
        done.error = OrderError{"bad_data", "it broke", {}, 0};
        done.rejected = rejected;
        done.warned = warned;
        done.rejects = "/there.json";
        d.plan->finished(d.key("a"), done, d.now);
        const auto& result = d.plan->at(d.key("a")).details->result;
        CHECK(result.value("rejects", "") == "/there.json");
        CHECK(result.value("warned", 0) == warned);
    }
}
