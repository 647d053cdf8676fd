// RunPlan: in which order tasks start, and what of theirs is known beforehand.
#include "drive.hpp"

using namespace millrace;
using test::Drive;
using test::start;

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
    CHECK(d.run() == "running/AwaitingApproval");
    SECTION("approved") {
        CHECK(d.plan->decide(0, true, "approved by me", d.now));
        CHECK_FALSE(d.plan->decide(0, true, "again", d.now));
        CHECK(d.decisions() == "start b");
        CHECK(d.run() == "running/Running");
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

TEST_CASE("reused results stand for their tasks") {
    Drive d("a: extract\n b: transform <- a\n c: load <- b");
    d.plan->reuse(0, {}, d.now);
    d.plan->reuse(1, {}, d.now);
    d.begin();
    CHECK(d.decisions() == "start c");
    CHECK(d.state("b") == "completed/Reused");
}

TEST_CASE("items that are done already do not run again, whatever their order is now") {
    Drive d("a: extract\n m: run <- a each=a concurrency=1\n z: wait <- m");
    d.plan->reuse(0, {}, d.now);
    d.plan->reuse_items(1, {{R"("x")", {{"rows", 1}}}, {R"({"id":1,"name":"b"})", {{"rows", 2}}}, {R"("gone")", nullptr}});
    d.begin();
    CHECK(d.decisions() == "items m");
    const Json named = {{"name", "b"}, {"id", 1}};
    SECTION("the others run") {
        d.plan->items_known(1, {"new", named, "x", "x"}, d.now);
        CHECK(d.decisions() == "start m[0]");
        CHECK(d.state("m", 1) == "completed/Reused");
        CHECK(d.state("m", 2) == "completed/Reused");
        CHECK(d.plan->at(d.key("m", 1)).details->result == Json{{"rows", 2}});
        d.started("m", 0), d.completed("m", 0);
        CHECK(d.decisions() == "start m[3]"); // one of two rows that are the same was done
        d.started("m", 3), d.completed("m", 3);
        CHECK(d.decisions() == "start z");
    }
    SECTION("all of them were done") {
        d.plan->items_known(1, {"x", named}, d.now);
        CHECK(d.state("m") == "completed/Completed");
        CHECK(d.decisions() == "start z");
    }
}

TEST_CASE("of items that are the same the first is kept, in their order") {
    std::vector<Json> items{"b", {{"x", 1}, {"y", 2}}, "a", "b", {{"y", 2}, {"x", 1}}};
    CHECK(take_out_repeated(items) == 2);
    CHECK(Json(items).dump() == R"(["b",{"x":1,"y":2},"a"])");
    CHECK(take_out_repeated(items) == 0);
}

TEST_CASE("changes that will not change again are those before the first that may") {
    Drive d("a: extract\n b: extract\n c: extract");
    d.begin();
    d.decisions(), d.started("a"), d.completed("a"), d.started("c"), d.completed("c");
    CHECK(d.plan->take_ended() == std::vector<TaskKey>{{0, -1}});
    CHECK(d.plan->take_ended().empty());
    CHECK(d.plan->take_changes() == std::vector<TaskKey>{{1, -1}, {2, -1}});
}

TEST_CASE("changes list each task run once") {
    Drive d("a: extract\n b: load <- a");
    d.begin();
    CHECK(d.plan->take_changes().size() == 2);
    d.decisions(), d.started("a"), d.completed("a");
    CHECK(d.plan->take_changes() == std::vector<TaskKey>{{0, -1}});
    CHECK(d.plan->take_changes().empty());
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
