// RunPlan: `within` of a policy, after which nothing is tried again.
#include "drive.hpp"

using namespace millrace;
using test::Drive;
using test::plan_text;
using test::start;

namespace {

FlowPlan with_ceiling(double within, int attempts = 10) {
    auto flow = plan_text("a: extract retry=" + std::to_string(attempts));
    flow.tasks[0].retry.exponential = false;
    flow.tasks[0].retry.within = within;
    return flow;
}

void check_given_up(const Drive& d, const std::string& within) {
    CHECK(d.state("a") == "failed/Failed");
    CHECK(d.plan->at(d.key("a")).details->message ==
          "it broke; no retry: it would begin later than " + within + " (`within`) after the first attempt");
    CHECK(d.run() == "failed/Failed");
}

} // namespace

TEST_CASE("no attempt begins later than `within` after the first one") {
    Drive d(with_ceiling(60));
    d.begin(), d.decisions();
    d.started("a");
    d.pass(35);
    d.failed("a", "transient");
    d.pass(10);
    CHECK(d.decisions() == "start a");
    d.started("a"), d.pass(5), d.failed("a", "transient"); // 60 s after the first one began
    d.pass(10);
    CHECK(d.decisions() == "start a");
    d.started("a"), d.failed("a", "transient");
    check_given_up(d, "1m");
}

TEST_CASE("`within` bounds what a service asks for, and hosts that die") {
    Drive d(with_ceiling(7200));
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "rate_limited", -1, 3600);
    CHECK(d.state("a") == "retrying/WaitingForRateLimit");
    d.pass(3600);
    CHECK(d.decisions() == "start a");
    d.started("a"), d.pass(1);
    SECTION("Retry-After") {
        d.failed("a", "rate_limited", -1, 3600);
        check_given_up(d, "2h");
    }
    SECTION("a lost host") {
        d.pass(3600), d.lost("a");
        CHECK(d.state("a") == "crashed/Crashed");
        CHECK_THAT(d.plan->at(d.key("a")).details->message, Catch::Contains("later than 2h (`within`)"));
    }
}

TEST_CASE("an attempt that waits for a place longer than `within` is given up") {
    Drive d(with_ceiling(60));
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "transient");
    d.pass(10);
    CHECK(d.decisions() == "start a");
    d.plan->waiting_for_slot(d.key("a"), "all slots are held");
    d.pass(50);
    CHECK(d.plan->may_start(d.key("a")));
    d.pass(0.001);
    CHECK_FALSE(d.plan->may_start(d.key("a")));
    check_given_up(d, "1m");
}

TEST_CASE("the first attempt waits for a place as long as it takes") {
    Drive d(with_ceiling(60));
    d.begin(), d.decisions();
    d.pass(3600);
    CHECK(d.plan->may_start(d.key("a")));
}

TEST_CASE("`within` of a flow bounds the rounds that its `retry` begins, that of a task its first round") {
    auto flow = with_ceiling(15, 3);
    flow.retry.attempts = 10, flow.retry.delay = 1800, flow.retry.max_delay = 3600, flow.retry.jitter_percent = 0;
    flow.retry.exponential = false, flow.retry.within = 3600;
    Drive d(std::move(flow));
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "transient"); // 0 s
    CHECK(d.state("a") == "retrying/AwaitingRetry");
    d.pass(10), d.decisions();
    d.started("a"), d.failed("a", "transient"); // 10 s: its third would begin at 20 s
    CHECK(d.state("a") == "retrying/AwaitingFlowRetry");
    d.pass(1800), d.decisions();
    d.started("a"), d.failed("a", "transient"); // 1810 s
    CHECK(d.state("a") == "retrying/AwaitingRetry");
    d.pass(10), d.decisions();
    d.started("a"), d.failed("a", "auth"); // 1820 s: a round would begin at 3620 s, but this class has none
    CHECK(d.state("a") == "failed/Failed");
    CHECK(d.plan->at(d.key("a")).details->message == "it broke");
}

TEST_CASE("the flow's last round begins within its `within`") {
    auto flow = plan_text("a: extract");
    flow.retry.attempts = 10, flow.retry.delay = 1500, flow.retry.max_delay = 3600, flow.retry.jitter_percent = 0;
    flow.retry.exponential = false, flow.retry.within = 3600;
    Drive d(std::move(flow));
    d.begin(), d.decisions();
    for (int round = 0; round < 2; ++round) {
        d.started("a"), d.failed("a", "transient");
        CHECK(d.state("a") == "retrying/AwaitingFlowRetry");
        d.pass(1500);
        CHECK(d.decisions() == "start a");
    }
    d.started("a"), d.failed("a", "transient");
    check_given_up(d, "1h");
}

TEST_CASE("a clock that is set neither ends nor stretches `within`") {
    const auto by = std::chrono::seconds(GENERATE(3600, -3600));
    Drive d(with_ceiling(60));
    const auto set = [&] { d.now += by, d.plan->clock_was_set(by); };
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "transient");
    set();
    d.pass(10);
    CHECK(d.decisions() == "start a");
    d.started("a"), d.pass(30), d.failed("a", "transient");
    CHECK(d.state("a") == "retrying/AwaitingRetry");
    d.pass(10), d.decisions();
    set();
    d.pass(9);
    CHECK(d.plan->may_start(d.key("a")));
    d.pass(2);
    check_given_up(d, "1m");
}

TEST_CASE("after a restart `within` still counts from the first attempt") {
    const bool was_at_work = GENERATE(true, false);
    CAPTURE(was_at_work);
    std::vector<StoredTaskRun> rows(1);
    rows[0].key = {0, -1};
    auto& run = rows[0].run;
    run.attempts = 1;
    run.started_at = start;
    if (was_at_work) {
        run.state = State::Running, run.state_name = "Running";
    } else {
        run.state = State::Retrying, run.state_name = "AwaitingRetry";
        run.due_at = start + std::chrono::seconds(10);
        run.detail().error = OrderError{"transient", "it broke", "", 0};
    }
    Drive d(with_ceiling(60));
    d.now = start + std::chrono::seconds(61);
    std::vector<TaskKey> lost;
    d.plan->restore(std::move(rows), State::Running, start, d.now, lost);
    d.pass(0);
    CHECK(d.decisions().empty());
    if (!was_at_work) return check_given_up(d, "1m");
    CHECK(d.state("a") == "crashed/Crashed");
}
