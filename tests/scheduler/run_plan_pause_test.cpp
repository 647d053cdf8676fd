// RunPlan: which limits stand still while a person has paused the run.
#include "drive.hpp"

using namespace millrace;
using test::Drive;
using test::plan_text;

TEST_CASE("the timeout of a task that called a run stands still with both, over a restart in the pause and after it") {
    Drive d("f: flow calls=g timeout=100");
    d.begin(), d.decisions();
    d.started("f");
    const int restarts_in = GENERATE(0, 1, 2);
    d.plan->called(d.key("f"), 7, "g");
    d.pass(60);
    d.plan->pause(d.now);
    if (restarts_in == 1) CHECK(d.restart().empty());
    d.pass(500);
    CHECK(d.state("f") == "running/Running");
    d.plan->resume(d.now);
    if (restarts_in == 2) CHECK(d.restart().empty());
    d.pass(39.9);
    CHECK(d.decisions().empty());
    d.pass(0.1);
    CHECK(d.state("f") == "running/TimingOut");
    CHECK(d.decisions() == "stop f");
}

TEST_CASE("the timeout of a wait that asks stands still while nothing is asked") {
    Drive d("q: wait asks every=60 timeout=100");
    d.begin(), d.decisions();
    d.started("q"), d.not_yet("q");
    d.plan->pause(d.now);
    d.pass(500);
    d.plan->resume(d.now);
    CHECK(d.decisions() == "start q");
    d.started("q"), d.not_yet("q");
    d.pass(99);
    CHECK(d.state("q") != "failed/TimedOut");
    CHECK(d.decisions() == "start q");
    d.pass(1);
    CHECK(d.state("q") == "running/TimingOut");
}

TEST_CASE("a pause does not use up the time within which a task may be tried again") {
    auto flow = plan_text("a: extract retry=9");
    flow.tasks[0].retry.exponential = false;
    flow.tasks[0].retry.within = 60;
    Drive d(flow);
    d.begin(), d.decisions();
    d.started("a"), d.failed("a", "transient");
    d.plan->pause(d.now);
    if (GENERATE(false, true)) CHECK(d.restart().empty());
    d.pass(500);
    CHECK(d.decisions().empty());
    d.plan->resume(d.now);
    CHECK(d.decisions() == "start a");
    d.pass(60);
    CHECK(d.plan->may_start(d.key("a")));
    d.pass(1);
    CHECK_FALSE(d.plan->may_start(d.key("a")));
    CHECK(is_final(d.plan->at(d.key("a")).state));
}

TEST_CASE("an attempt that goes on in a pause keeps its timeout") {
    Drive d("a: extract timeout=100");
    d.begin(), d.decisions();
    d.started("a");
    d.plan->pause(d.now);
    d.pass(100);
    CHECK(d.decisions() == "stop a");
}

TEST_CASE("a pause that was over when a task began gives it no more time, over a restart too") {
    Drive d("a: extract\nf: flow calls=g timeout=100 <- a");
    d.begin(), d.decisions();
    d.started("a");
    d.plan->pause(d.now);
    d.pass(500);
    d.plan->resume(d.now);
    d.pass(1);
    d.completed("a"), d.decisions();
    d.started("f");
    d.plan->called(d.key("f"), 7, "g");
    if (GENERATE(false, true)) CHECK(d.restart().empty());
    d.pass(99.9);
    CHECK(d.decisions().empty());
    d.pass(0.1);
    CHECK(d.state("f") == "running/TimingOut");
}

TEST_CASE("of very many pauses each still counts for what began before them all") {
    Pauses pauses;
    for (int i = 0; i < 1000; ++i) {
        pauses.since = test::start + std::chrono::seconds(10 * i);
        pauses.end(*pauses.since + std::chrono::seconds(1));
    }
    CHECK(pauses.before.size() == 100);
    CHECK(pauses.after(test::start) == std::chrono::seconds(1000));
    CHECK(pauses.after(test::start + std::chrono::seconds(9980)) == std::chrono::seconds(2));
    CHECK(pauses.after(test::start + std::chrono::milliseconds(9990500)) == std::chrono::milliseconds(500));
}

TEST_CASE("a query that hangs while the run is paused is stopped at the timeout of its wait") {
    Drive d("q: wait asks every=60 timeout=100");
    d.begin(), d.decisions();
    d.started("q");
    d.plan->pause(d.now);
    SECTION("it hangs") {
        d.pass(100);
        CHECK(d.decisions() == "stop q");
    }
    SECTION("it answers, and the time stands still from then on") {
        d.pass(50);
        d.not_yet("q");
        d.pass(500);
        CHECK(d.decisions().empty());
        CHECK(d.state("q") == "running/Waiting");
        d.plan->resume(d.now);
        CHECK(d.decisions() == "start q");
        d.started("q");
        d.pass(49.9);
        CHECK(d.decisions().empty());
        d.pass(0.1);
        CHECK(d.decisions() == "stop q");
    }
    SECTION("it answers, and the pause ends before the time would have been over") {
        d.pass(50);
        d.not_yet("q");
        d.pass(30);
        d.plan->resume(d.now);
        d.pass(49.9);
        CHECK(d.state("q") == "running/Waiting");
        d.pass(0.1);
        CHECK(d.state("q") == "running/TimingOut");
    }
}
