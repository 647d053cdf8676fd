// RunPlan, driven by hand: every test says what happened and looks at what is decided.
#include "flows/run_plan.hpp"
#include "plan_text.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace millrace;
using test::plan_text;

namespace {

constexpr Instant start{std::chrono::days(20000)};

struct Drive {
    explicit Drive(const std::string& text, double flow_timeout = 0) : Drive(plan_text(text), flow_timeout) {}
    explicit Drive(FlowPlan flow, double flow_timeout = 0) {
        flow.timeout = flow_timeout;
        plan = std::make_unique<RunPlan>(std::make_shared<const FlowPlan>(std::move(flow)), 7);
    }

    TaskKey key(const std::string& name, int item = -1) const {
        const auto& tasks = plan->flow().tasks;
        const auto at = std::find_if(tasks.begin(), tasks.end(), [&](const TaskPlan& t) { return t.name == name; });
        return {static_cast<int>(at - tasks.begin()), item};
    }

    /// What is decided now, "start a, when b, items c, stop d", in order.
    std::string decisions() {
        std::string out;
        while (const auto d = plan->next()) {
            static const char* const verbs[] = {"start ", "when ", "items ", "stop "};
            out += (out.empty() ? "" : ", ") + std::string(verbs[static_cast<int>(d->kind)]) +
                   plan->flow().tasks[static_cast<std::size_t>(d->key.task)].name;
            if (d->key.item >= 0) out += "[" + std::to_string(d->key.item) + "]";
        }
        return out;
    }
    void begin() { plan->begin(now); }
    void started(const std::string& name, int item = -1) { plan->started(key(name, item), now); }
    void completed(const std::string& name, int item = -1) {
        AttemptDone done;
        done.outcome = "completed";
        plan->finished(key(name, item), done, now);
    }
    void failed(const std::string& name, const std::string& error_class, int item = -1, double retry_after = 0) {
        AttemptDone done;
        done.outcome = error_class == "cancelled" ? "cancelled" : "failed";
        done.error = OrderError{error_class, "it broke", {}, retry_after};
        plan->finished(key(name, item), done, now);
    }
    void pass(double seconds) {
        now += std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6));
        plan->advance(now);
    }
    std::string state(const std::string& name, int item = -1) const {
        const auto& run = plan->at(key(name, item));
        return std::string(to_string(run.state)) + "/" + run.state_name;
    }
    std::string run() const { return std::string(to_string(plan->state())) + "/" + plan->state_name(); }

    std::unique_ptr<RunPlan> plan;
    Instant now = start;
};

} // namespace

TEST_CASE("a task starts when all that it needs have completed") {
    //   a ---+--> c --> d
    //   b ---+
    Drive d("a: extract\n b: extract\n c: transform <- a, b\n d: load <- c");
    d.begin();
    CHECK(d.decisions() == "start a, start b");
    d.started("a"), d.started("b");
    d.completed("a");
    CHECK(d.decisions().empty());
    d.completed("b");
    CHECK(d.decisions() == "start c");
    d.started("c"), d.completed("c");
    CHECK(d.decisions() == "start d");
    CHECK(d.run() == "running/Running");
    d.started("d"), d.completed("d");
    CHECK(d.run() == "completed/Completed");
    CHECK(d.plan->finished_at() == d.now);
}

TEST_CASE("what needs a failed task is skipped, other branches go on, the run fails") {
    Drive d("a: extract\n b: transform <- a\n c: load <- b\n x: extract\n y: load <- x");
    d.begin(), d.decisions();
    d.started("a"), d.started("x");
    d.failed("a", "permanent");
    CHECK(d.state("b") == "skipped/UpstreamFailed");
    CHECK(d.state("c") == "skipped/UpstreamSkipped");
    d.completed("x");
    CHECK(d.decisions() == "start y");
    d.started("y"), d.completed("y");
    CHECK(d.run() == "failed/Failed");
    CHECK(d.plan->message() == "task a: it broke");
}

TEST_CASE("on_failure: continue lets the run go on, but not what reads the missing dataset") {
    Drive d("a: extract continue\n b: transform <- a\n c: run <- a");
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "permanent");
    CHECK(d.decisions() == "start c");
    CHECK(d.state("b") == "skipped/UpstreamFailed");
    d.started("c"), d.completed("c");
    CHECK(d.run() == "completed/Completed");
}

TEST_CASE("a failed task is tried again after its delay, which doubles") {
    Drive d("a: extract retry=3");
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "transient");
    CHECK(d.state("a") == "retrying/AwaitingRetry");
    CHECK(d.plan->next_wake() == start + std::chrono::seconds(10));
    d.pass(9.9);
    CHECK(d.decisions().empty());
    d.pass(0.1);
    CHECK(d.decisions() == "start a");
    d.started("a"), d.failed("a", "transient");
    d.pass(19.9);
    CHECK(d.decisions().empty());
    d.pass(0.1);
    CHECK(d.decisions() == "start a");
    d.started("a"), d.failed("a", "transient");
    CHECK(d.state("a") == "failed/Failed");
    CHECK(d.plan->at(d.key("a")).attempts == 3);
    CHECK(d.run() == "failed/Failed");
}

TEST_CASE("what failed in spite of its own retry begins again by the flow's, with as many attempts") {
    auto flow = plan_text("a: extract retry=2\n b: transform <- a\n c: run");
    flow.retry.attempts = 2;
    flow.retry.delay = 600;
    flow.retry.max_delay = 3600;
    flow.retry.jitter_percent = 0;
    Drive d(std::move(flow));
    d.begin(), d.decisions();
    d.started("c"), d.completed("c");
    for (int round = 0; round < 2; ++round) {
        d.started("a"), d.failed("a", "transient");
        CHECK(d.state("a") == "retrying/AwaitingRetry");
        d.pass(15);
        CHECK(d.decisions() == "start a");
        d.started("a"), d.failed("a", "transient");
        if (round == 1) break;
        CHECK(d.state("a") == "retrying/AwaitingFlowRetry");
        CHECK(d.state("b") == "pending/Pending");
        CHECK(d.plan->next_wake() == d.now + std::chrono::minutes(10));
        d.pass(600);
        CHECK(d.decisions() == "start a");
    }
    CHECK(d.state("a") == "failed/Failed");
    CHECK(d.plan->at(d.key("a")).attempts == 4);
    CHECK(d.run() == "failed/Failed");
    CHECK(d.state("c") == "completed/Completed");
}

TEST_CASE("the flow's retry names its own classes, and a failure that the task's does not cover begins its next round") {
    auto flow = plan_text("a: extract retry=3");
    flow.retry.attempts = 2;
    flow.retry.for_classes = {"any"};
    Drive d(std::move(flow));
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "auth");
    CHECK(d.state("a") == "retrying/AwaitingFlowRetry");
    d.pass(30), d.decisions();
    d.started("a"), d.failed("a", "transient");
    CHECK(d.state("a") == "retrying/AwaitingRetry");
    d.pass(30), d.decisions();
    d.started("a"), d.failed("a", "auth");
    CHECK(d.state("a") == "failed/Failed");
}

TEST_CASE("a class that the policy does not name is not tried again") {
    Drive d("a: extract retry=3");
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "auth");
    CHECK(d.state("a") == "failed/Failed");
}

TEST_CASE("each class that a policy does not say otherwise of is tried again, or is not") {
    const auto [error_class, again] = GENERATE(table<std::string, bool>({{"transient", true},
                                                                         {"rate_limited", true},
                                                                         {"not_yet_visible", true},
                                                                         {"timeout", true},
                                                                         {"auth", false},
                                                                         {"bad_data", false},
                                                                         {"resource", false},
                                                                         {"permanent", false}}));
    CAPTURE(error_class);
    Drive d("a: extract retry=2");
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", error_class);
    CHECK(d.state("a") == (again ? "retrying/AwaitingRetry" : "failed/Failed"));
}

TEST_CASE("a policy for any class tries every class again") {
    auto flow = plan_text("a: extract retry=2");
    flow.tasks[0].retry.for_classes = {"any"};
    Drive d(std::move(flow));
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "permanent");
    CHECK(d.state("a") == "retrying/AwaitingRetry");
}

TEST_CASE("the delay is never shorter than what the other side asked for") {
    Drive d("a: extract retry=3");
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "rate_limited", -1, 90);
    d.pass(89);
    CHECK(d.decisions().empty());
    d.pass(1);
    CHECK(d.decisions() == "start a");
}

TEST_CASE("a host that dies is forgiven three times and does not count as a failure") {
    Drive d("a: extract");
    d.begin();
    for (int i = 0; i < 3; ++i) {
        CHECK(d.decisions() == "start a");
        d.started("a"), d.failed("a", "crashed");
        CHECK(d.state("a") == "retrying/Crashed");
        d.pass(1);
    }
    CHECK(d.decisions() == "start a");
    d.started("a"), d.failed("a", "crashed");
    CHECK(d.run() == "crashed/Crashed");
}

TEST_CASE("an attempt that takes too long is stopped, then tried again as a timeout") {
    Drive d("a: run retry=2 timeout=60");
    d.begin(), d.decisions();
    d.started("a");
    d.pass(60);
    CHECK(d.decisions() == "stop a");
    d.failed("a", "cancelled");
    CHECK(d.state("a") == "retrying/AwaitingRetry");
    d.pass(10);
    CHECK(d.decisions() == "start a");
    d.started("a"), d.completed("a");
    d.pass(100);
    CHECK(d.decisions().empty());
    CHECK(d.run() == "completed/Completed");
}

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

TEST_CASE("a condition decides whether the task runs, and with it what needs it") {
    Drive d("a: extract\n b: load <- a when=x\n c: run <- b");
    d.begin(), d.decisions();
    d.started("a"), d.completed("a");
    CHECK(d.decisions() == "when b");
    SECTION("it holds") {
        d.plan->when_known(1, true, d.now);
        CHECK(d.decisions() == "start b");
    }
    SECTION("it does not") {
        d.plan->when_known(1, false, d.now);
        CHECK(d.state("b") == "skipped/ConditionFalse");
        CHECK(d.state("c") == "skipped/UpstreamSkipped");
        CHECK(d.run() == "completed/Completed");
    }
}

TEST_CASE("a mapped task runs once for each item, at most so many at once") {
    Drive d("a: extract\n m: run <- a each=a concurrency=2\n z: wait <- m");
    d.begin(), d.decisions();
    d.started("a"), d.completed("a");
    CHECK(d.decisions() == "items m");
    d.plan->items_known(1, {"x", "y", "z"}, d.now);
    CHECK(d.decisions() == "start m[0], start m[1]");
    d.started("m", 0), d.started("m", 1);
    d.completed("m", 1);
    CHECK(d.decisions() == "start m[2]");
    d.started("m", 2), d.completed("m", 2);
    SECTION("all complete") {
        d.completed("m", 0);
        CHECK(d.state("m") == "completed/Completed");
        CHECK(d.decisions() == "start z");
    }
    SECTION("one fails") {
        d.failed("m", "permanent", 0);
        CHECK(d.state("m") == "failed/Failed");
        CHECK(d.run() == "failed/Failed");
        CHECK(d.plan->message() == "task m: 1 of 3 items failed");
    }
}

TEST_CASE("a mapped task without items completes") {
    Drive d("a: extract\n m: run <- a each=a");
    d.begin(), d.decisions();
    d.started("a"), d.completed("a"), d.decisions();
    d.plan->items_known(1, {}, d.now);
    CHECK(d.run() == "completed/Completed");
}

TEST_CASE("an approval waits for a person, or for its time to end") {
    Drive d("a: approve\n b: load <- a");
    d.begin(), d.decisions();
    d.started("a");
    d.plan->await_approval(d.key("a"), "may it", d.now + std::chrono::hours(1), d.now);
    CHECK(d.plan->at(d.key("a")).details->message == "may it");
    CHECK(d.state("a") == "paused/AwaitingApproval");
    SECTION("approved") {
        CHECK(d.plan->decide(0, true, "approved by me", d.now));
        CHECK_FALSE(d.plan->decide(0, true, "again", d.now));
        CHECK(d.decisions() == "start b");
    }
    SECTION("rejected") {
        CHECK(d.plan->decide(0, false, "rejected by me", d.now));
        CHECK(d.run() == "failed/Failed");
    }
    SECTION("nobody came") {
        d.pass(3600);
        CHECK(d.run() == "cancelled/Cancelled");
    }
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

TEST_CASE("reused results stand for their tasks") {
    Drive d("a: extract\n b: transform <- a\n c: load <- b");
    d.plan->reuse(0, {}, d.now);
    d.plan->reuse(1, {}, d.now);
    d.begin();
    CHECK(d.decisions() == "start c");
    CHECK(d.state("b") == "completed/Reused");
}

TEST_CASE("changes list each task run once") {
    Drive d("a: extract\n b: load <- a");
    d.begin();
    CHECK(d.plan->take_changes().size() == 2);
    d.decisions(), d.started("a"), d.completed("a");
    CHECK(d.plan->take_changes() == std::vector<TaskKey>{{0, -1}});
    CHECK(d.plan->take_changes().empty());
}

TEST_CASE("jitter stays within its share and delays within their maximum") {
    RetryPolicy policy;
    policy.delay = 10, policy.max_delay = 60, policy.jitter_percent = 20;
    CHECK(retry_delay(policy, 1, 0, 0.0) == Approx(8));
    CHECK(retry_delay(policy, 1, 0, 1.0) == Approx(12));
    CHECK(retry_delay(policy, 9, 0, 0.5) == Approx(60));
    CHECK(retry_delay(policy, 9, 0, 1.0) == Approx(60));
    CHECK(retry_delay(policy, 9, 90, 1.0) == Approx(90)); // but what the other side asks for counts
    policy.exponential = false;
    CHECK(retry_delay(policy, 3, 0, 0.5) == Approx(10));
}

TEST_CASE("100,000 mapped task runs are nothing special") {
    Drive d("a: extract\n m: wait <- a each=a");
    d.begin(), d.decisions();
    d.started("a"), d.completed("a");
    d.decisions();
    d.plan->items_known(1, std::vector<Json>(100'000, Json("x")), d.now);
    int n = 0;
    while (const auto decision = d.plan->next()) {
        d.plan->started(decision->key, d.now);
        d.plan->completed(decision->key, d.now);
        ++n;
    }
    CHECK(n == 100'000);
    CHECK(d.plan->take_changes().size() == 100'002);
    CHECK(d.run() == "completed/Completed");
}
