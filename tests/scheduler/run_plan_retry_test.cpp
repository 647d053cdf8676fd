// RunPlan: what is tried again, when, and how often.
#include "drive.hpp"

using namespace millrace;
using test::Drive;
using test::plan_text;
using test::start;

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

TEST_CASE("a lost host is forgiven three times, unless the policy charges it") {
    auto flow = plan_text("a: run retry=2");
    const bool charges = flow.tasks[0].retry.charges_lost = GENERATE(true, false);
    Drive d(std::move(flow));
    d.begin(), d.decisions();
    int attempts = 0;
    for (; d.run() == "running/Running"; ++attempts) {
        d.started("a"), d.lost("a");
        d.pass(60);
        (void)d.decisions();
    }
    CHECK(attempts == (charges ? 2 : 5));
    CHECK(d.state("a") == "crashed/Crashed");
}

TEST_CASE("a command that dies by itself is no lost host: without `retry` it has one attempt") {
    Drive d("a: run");
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "crashed");
    CHECK(d.state("a") == "crashed/Crashed");
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
                                                                         {"resource", true},
                                                                         {"permanent", false}}));
    CAPTURE(error_class);
    Drive d("a: extract retry=2");
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", error_class);
    CHECK(d.state("a") == (again ? "retrying/AwaitingRetry" : "failed/Failed"));
}

TEST_CASE("a command that is not tried again says why, and what gives it another attempt") {
    const auto remedy = [](FlowPlan flow, const std::string& outcome, const std::string& error_class) {
        Drive d(std::move(flow));
        d.begin(), d.decisions();
        d.started("a");
        AttemptDone done;
        done.outcome = outcome;
        done.error = OrderError{error_class, "it broke", "the log has its output", 0};
        d.plan->finished(d.key("a"), done, d.now);
        REQUIRE(d.state("a") == "failed/Failed");
        return d.plan->at(d.key("a")).details->error->remedy;
    };
    const std::string log = "the log has its output";
    const auto permanent =
        log + "; not tried again, for `retry` does not cover 'permanent': let the command end with 75, or write `for: [any]` in it";
    CHECK(remedy(plan_text("a: run"), "failed", "permanent") == log);
    CHECK(remedy(plan_text("a: run retry=3"), "failed", "permanent") == permanent);
    CHECK(remedy(plan_text("a: run retry=3"), "failed", "bad_data") ==
          log + "; not tried again, for `retry` does not cover 'bad_data': write `for: [any]` in it");
    CHECK(remedy(plan_text("a: extract retry=3"), "failed", "permanent") == log);
    CHECK(remedy(plan_text("a: run"), "retry", "transient") == log + "; write `retry: 3` in the task: without it there is one attempt");
    auto flow = plan_text("a: run");
    flow.retry.attempts = 2;
    CHECK(remedy(flow, "failed", "permanent") == permanent);
    flow = plan_text("a: run retry=2");
    flow.tasks[0].retry.for_classes = {"any"};
    Drive d(std::move(flow));
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "permanent"), d.pass(60), d.decisions();
    d.started("a"), d.failed("a", "permanent");
    CHECK(d.plan->at(d.key("a")).details->error->remedy.empty()); // all its attempts are used
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

TEST_CASE("a pause that the service asks for costs no attempt, however often, and no pause is what was not asked for") {
    Drive d("a: extract retry=2");
    d.begin(), d.decisions();
    for (int i = 0; i < 5; ++i) {
        d.started("a"), d.failed("a", "rate_limited", -1, 90);
        CHECK(d.state("a") == "retrying/WaitingForRateLimit");
        d.pass(90);
        CHECK(d.decisions() == "start a");
    }
    d.started("a"), d.failed("a", "rate_limited");
    CHECK(d.state("a") == "retrying/AwaitingRetry");
    d.pass(1000);
    d.started("a"), d.failed("a", "rate_limited");
    CHECK(d.state("a") == "failed/Failed");
}

TEST_CASE("a host that dies is forgiven three times and does not count as a failure") {
    Drive d("a: extract");
    d.begin();
    for (int i = 0; i < 3; ++i) {
        CHECK(d.decisions() == "start a");
        d.started("a"), d.lost("a");
        CHECK(d.state("a") == "retrying/Crashed");
        d.pass(1);
    }
    CHECK(d.decisions() == "start a");
    d.started("a"), d.lost("a");
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

TEST_CASE("a clock that is set moves what counts a time, and nothing that is to be at an instant") {
    const auto by = std::chrono::seconds(GENERATE(3600, -3600));
    auto flow = plan_text("a: run timeout=60\nb: run retry=2\nc: wait seconds=30\nd: wait");
    flow.tasks[3].options = {{"until", "later"}};
    Drive set(flow, 100);
    set.begin(), set.decisions();
    for (const char* task : {"a", "b", "c", "d"}) set.started(task);
    set.failed("b", "transient");
    set.plan->wait_until({2, -1}, set.now + std::chrono::seconds(30), set.now);
    set.plan->wait_until({3, -1}, set.now + std::chrono::seconds(5000), set.now);
    set.now += by;
    set.plan->clock_was_set(by);
    set.pass(9);
    CHECK(set.decisions().empty());
    CHECK(set.state("b") == "retrying/AwaitingRetry");
    set.pass(1);
    CHECK(set.decisions() == "start b");
    set.pass(19);
    CHECK(set.state("c").substr(0, 7) == "running");
    set.pass(1);
    CHECK(set.state("c") == "completed/Completed");
    set.pass(29);
    CHECK(set.decisions().empty());
    set.pass(1);
    CHECK(set.decisions() == "stop a");
    CHECK(set.plan->next_wake() == set.now + std::chrono::seconds(40)); // the flow's timeout
    CHECK(set.state("d").substr(0, 7) == "running");
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
