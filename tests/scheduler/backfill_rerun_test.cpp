// Backfills that run again, over a real PostgreSQL: which chunks they leave out.
#include "given_backfills.hpp"

using namespace millrace;
using test::backfill;
using test::begun;
using test::daily;
using test::daily_of_a_region;
using test::days_of;
using test::finished;
using test::FreshDatabase;
using test::Life;
using test::number_of;
using test::refusal;
using test::run_by_hand;

TEST_CASE("a re-run of a backfill leaves out what is completed with its own parameters and tasks") {
    FreshDatabase database;
    auto plan = daily_of_a_region();
    Life life(database.url(), {plan});
    int failing = -1; // chunk
    life.hosts->script = [&](const AttemptOrder& order) {
        return order.context.chunk_number == failing ? std::optional(test::failed_attempt("permanent")) : std::nullopt;
    };
    const auto failed_at = [&](int chunk, const TriggerRequest& request) {
        failing = chunk;
        const Json run = life.ended(number_of(begun(life, request)));
        failing = -1;
        CHECK(run.at("state") == "failed");
        return run;
    };
    CHECK(run_by_hand(life, "2026-01-01", "2026-01-02").at("state") == "completed");
    auto days = backfill("days", "2026-01-01", "2026-01-05");
    const Json first = failed_at(2, days);
    CHECK(days_of(first) == test::Texts{"02", "03", "04"});
    RerunRequest request;
    request.run_id = number_of(first);
    request.from = RerunRequest::From::Failed;
    const auto again = [&] {
        const Json run = life.ended(number_of(life.wait(life.engine->service().rerun(request))));
        CHECK(run.at("state") == "completed");
        return run;
    };
    const test::Texts all{"01", "02", "03", "04"};
    SECTION("the same once more") {
        const Json run = again();
        CHECK(days_of(run) == test::Texts{"02"});
        CHECK(run.at("message") == "3 of 4 chunks were done before");
        CHECK(run.at("chunks_done_before") == 3);
    }
    SECTION("from the start") {
        request.from = RerunRequest::From::Start;
        const Json run = again();
        CHECK(days_of(run) == all);
        CHECK(run.at("message") == "");
    }
    SECTION("with other parameters") {
        request.params = {{"region", "us"}};
        CHECK(days_of(again()) == all);
    }
    SECTION("with other tasks, or those that it had") {
        plan.tasks[0].options["resource"] = "others";
        life.folders.plans = {plan};
        life.deploy();
        request.pinned = GENERATE(false, true);
        CHECK(days_of(again()) == (request.pinned ? test::Texts{"02"} : all));
    }
    SECTION("what another run completed since") {
        CHECK(run_by_hand(life, "2026-01-02", "2026-01-03").at("state") == "completed");
        const Json run = again();
        CHECK(days_of(run).empty());
        CHECK(run.at("message") == "4 of 4 chunks were done before");
    }
    SECTION("not what was completed before it was asked for again") {
        days.backfill->again = true;
        const Json second = failed_at(1, days);
        CHECK(days_of(second) == all);
        request.run_id = number_of(second);
        CHECK(days_of(again()) == test::Texts{"01"});
    }
}

TEST_CASE("a re-run of a backfill is refused while another backfill of the same time runs") {
    FreshDatabase database;
    Life life(database.url(), {daily("hang: run")});
    RerunRequest request;
    request.run_id = number_of(begun(life, backfill("days", "2026-01-01", "2026-01-03")));
    CHECK(finished(life, request.run_id).at("state") == "completed");
    const auto again = [&] { return number_of(life.wait(life.engine->service().rerun(request))); };
    const auto told = [&] { return refusal([&] { (void)again(); }); };
    const auto other = number_of(begun(life, backfill("days", "2026-01-02", "2026-01-04")));
    CHECK_THAT(told(), Catch::Contains("run " + std::to_string(other) + " is a backfill of days"));
    CHECK(finished(life, other).at("state") == "completed");
    const auto second = again();
    CHECK_THAT(told(), Catch::Contains("run " + std::to_string(second) + " is a backfill of days"));
    CHECK(days_of(finished(life, second)) == test::Texts{"01", "02"});
}
