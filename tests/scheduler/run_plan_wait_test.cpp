// RunPlan: a wait for a query's answer, poll by poll.
#include "drive.hpp"

using namespace millrace;
using test::Drive;
using test::plan_text;

TEST_CASE("a query that has no answer yet is asked again, as one attempt that waits between") {
    Drive d("q: wait asks every=60\n b: load <- q");
    d.begin();
    CHECK(d.decisions() == "start q");
    for (int poll = 0; poll < 1000; ++poll) {
        d.started("q");
        CHECK(d.state("q") == "running/Asking");
        d.not_yet("q");
        REQUIRE(d.state("q") == "running/Waiting");
        d.pass(59.9);
        REQUIRE(d.decisions().empty());
        d.pass(0.1);
        REQUIRE(d.decisions() == "start q");
    }
    const auto& run = d.plan->at(d.key("q"));
    CHECK(run.attempts == 1);
    d.started("q"), d.completed("q");
    CHECK(d.state("q") == "completed/Completed");
    CHECK(run.details->message == "answered at 2024-10-04T16:40:00Z");
    CHECK(d.decisions() == "start b");
}

TEST_CASE("a wait says when it asked, what the answer was and when it asks again") {
    Drive d("q: wait asks every=90");
    d.begin(), d.decisions();
    d.pass(0.5);
    d.started("q"), d.not_yet("q", "false");
    const auto& run = d.plan->at(d.key("q"));
    CHECK(run.details->message == "asked at 2024-10-04T00:00:00Z: false; asks again at 2024-10-04T00:01:30Z");
    CHECK(run.due_at == d.now + std::chrono::seconds(90));
}

TEST_CASE("a wait's timeout is for all of it: while it waits, while it is asked, and over what is tried again") {
    Drive d("q: wait asks every=60 timeout=100 retry=9\n b: load <- q");
    d.begin(), d.decisions();
    d.started("q");
    SECTION("between two polls the shell ends it at once") {
        d.not_yet("q"), d.pass(60), d.decisions();
        d.started("q"), d.not_yet("q"), d.pass(39.9);
        CHECK(d.decisions().empty());
        d.pass(0.1);
        CHECK(d.state("q") == "running/TimingOut");
        CHECK(d.decisions() == "stop q");
        d.failed("q", "cancelled");
    }
    SECTION("a poll under way is stopped") {
        d.not_yet("q"), d.pass(60), d.decisions();
        d.started("q"), d.pass(40);
        CHECK(d.decisions() == "stop q");
        d.not_yet("q"); // its answer was on the way
    }
    SECTION("a poll that comes due at that time does not begin") {
        d.pass(40), d.not_yet("q"), d.pass(60);
        CHECK_THAT(d.decisions(), Catch::StartsWith("stop q"));
        CHECK_FALSE(d.plan->may_start(d.key("q")));
        d.failed("q", "cancelled");
    }
    SECTION("while it waits for its next try") {
        d.pass(60), d.failed("q", "transient");
        CHECK(d.state("q") == "retrying/AwaitingRetry");
        d.pass(40);
        CHECK(d.decisions().empty());
    }
    SECTION("over a restart") {
        d.not_yet("q"), d.pass(10);
        CHECK(d.restart().empty());
        d.pass(50);
        CHECK(d.decisions() == "start q");
        d.started("q"), d.pass(40);
        CHECK(d.decisions() == "stop q");
        d.failed("q", "cancelled");
    }
    CHECK(d.state("q") == "failed/TimedOut");
    CHECK(d.plan->at(d.key("q")).details->message == "timed out after 100 s");
    CHECK(d.state("b") == "skipped/UpstreamFailed");
}

TEST_CASE("errors in a row are retried as the policy says, no sooner than the query is asked anyway, an answer begins anew") {
    Drive d("q: wait asks every=15 retry=3");
    d.begin(), d.decisions();
    for (int outage = 0; outage < 3; ++outage) {
        d.started("q"), d.failed("q", "transient");
        CHECK(d.plan->next_wake() == d.now + std::chrono::seconds(15));
        d.pass(15), d.decisions();
        d.started("q"), d.failed("q", "transient");
        CHECK(d.plan->next_wake() == d.now + std::chrono::seconds(20)); // twice the ten seconds of the policy
        d.pass(20), d.decisions();
        d.started("q"), d.not_yet("q");
        CHECK(d.state("q") == "running/Waiting");
        d.pass(15), d.decisions();
    }
    CHECK(d.plan->at(d.key("q")).attempts == 7); // of each outage the two that failed, and one that goes on
    d.started("q"), d.failed("q", "permanent");
    CHECK(d.state("q") == "failed/Failed");
}

TEST_CASE("a wait that is cancelled is stopped in either state") {
    Drive d("q: wait asks every=60");
    d.begin(), d.decisions();
    d.started("q");
    if (GENERATE(false, true)) d.not_yet("q");
    d.plan->cancel(RunPlan::Ending::Cancelled, "by me", d.now);
    CHECK(d.state("q") == "cancelling/Cancelling");
    CHECK(d.decisions() == "stop q");
    d.pass(60);
    CHECK(d.decisions().empty());
    d.failed("q", "cancelled");
    CHECK(d.run() == "cancelled/Cancelled");
    const auto* details = d.plan->at(d.key("q")).details.get();
    CHECK((!details || details->message.empty())); // it does not ask again
}

TEST_CASE("a wait that has no time left and is cancelled at that time is cancelled") {
    Drive d("q: wait asks every=60 timeout=100");
    d.begin(), d.decisions();
    d.started("q"), d.not_yet("q"), d.pass(40);
    SECTION("before") {
        d.plan->cancel(RunPlan::Ending::Cancelled, "by me", d.now);
        d.pass(60);
        CHECK(d.decisions() == "stop q");
    }
    SECTION("after") {
        d.pass(60);
        d.plan->cancel(RunPlan::Ending::Cancelled, "by me", d.now);
        CHECK(d.decisions() == "stop q, stop q");
    }
    d.failed("q", "cancelled");
    CHECK(d.state("q") == "cancelled/Cancelled");
}

TEST_CASE("nothing is asked while the run is paused, and at once when it goes on") {
    Drive d("q: wait asks every=60");
    d.begin(), d.decisions();
    d.started("q"), d.not_yet("q");
    d.plan->pause(d.now);
    d.pass(600);
    CHECK(d.decisions().empty());
    d.plan->resume(d.now);
    CHECK(d.decisions() == "start q");
    d.started("q");
    CHECK(d.plan->at(d.key("q")).attempts == 1);
}

TEST_CASE("after a restart a wait goes on where it stood, a poll that was under way is lost and made anew") {
    Drive d("q: wait asks every=60");
    d.begin(), d.decisions();
    d.started("q"), d.not_yet("q");
    SECTION("between two polls") {
        d.pass(10);
        CHECK(d.restart().empty());
        CHECK(d.decisions().empty());
        d.pass(50);
        CHECK(d.decisions() == "start q");
        d.started("q");
        CHECK(d.plan->at(d.key("q")).attempts == 1);
    }
    SECTION("in a poll") {
        d.pass(60), d.decisions();
        d.started("q");
        CHECK(d.restart() == std::vector{d.key("q")});
        CHECK(d.decisions() == "start q");
        d.started("q");
        CHECK(d.plan->at(d.key("q")).attempts == 2);
    }
}

TEST_CASE("a wait's polls and its time are counted on, however the wall clock is set") {
    Drive d("q: wait asks every=60 timeout=100");
    d.begin(), d.decisions();
    d.started("q"), d.not_yet("q");
    d.pass(50);
    d.now += std::chrono::hours(1);
    d.plan->clock_was_set(std::chrono::hours(1));
    d.pass(9.9);
    CHECK(d.decisions().empty());
    d.pass(0.1);
    CHECK(d.decisions() == "start q");
    d.started("q"), d.not_yet("q"), d.pass(39.9);
    CHECK(d.decisions().empty());
    d.pass(0.1);
    CHECK(d.decisions() == "stop q");
}

TEST_CASE("`within` bounds the errors in a row of a wait, not the wait") {
    auto flow = plan_text("q: wait asks every=60 retry=9");
    flow.tasks[0].retry.within = 100;
    Drive d(std::move(flow));
    d.begin(), d.decisions();
    for (int poll = 0; poll < 10; ++poll) {
        d.started("q"), d.not_yet("q");
        d.pass(60), d.decisions();
    }
    d.started("q"), d.failed("q", "transient");
    CHECK(d.state("q") == "retrying/AwaitingRetry");
    d.pass(60), d.decisions();
    d.started("q"), d.failed("q", "transient"); // the next one would begin after 120 s
    CHECK(d.state("q") == "failed/Failed");
}
