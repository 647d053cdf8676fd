/// A run about an interval that begins or ends within a step of the flow's `every`.
#include "life.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

FlowPlan plan_every(int days, const std::string& tasks) {
    auto plan = plan_text(tasks, "stepping");
    plan.timezone = "Europe/Berlin";
    plan.interval = IntervalSpec{};
    plan.interval->every.days = days;
    return plan;
}

TriggerRequest request_for(const std::string& start, const std::string& end) {
    auto request = Life::request("stepping");
    request.interval_start = start;
    request.interval_end = end;
    return request;
}

Json warnings(Life& life, const TriggerResult& result) { return life.ended(result.run.at("id").get<std::int64_t>()).at("warnings"); }

} // namespace

TEST_CASE("an interval that cuts a step of `every` is told with its run, and one of whole steps is not") {
    FreshDatabase database;
    Life life(database.url(), {plan_every(1, "a: extract")});
    const auto told = [&](const std::string& start) {
        return warnings(life, life.wait(life.engine->service().trigger(request_for(start, "2026-11-20"))));
    };
    CHECK(told("2026-11-18").empty());
    const Json cut = told("2026-11-18T06:00:00Z");
    REQUIRE(cut.size() == 1);
    CHECK(cut[0].at("message").get<std::string>().ends_with("whole steps are --from 2026-11-18 --to 2026-11-20"));
}

TEST_CASE("where loads replace rows, an interval that cuts a step is refused with the whole one, unless one insists") {
    FreshDatabase database;
    auto plan = plan_every(7, "out: load");
    LoadOptions load;
    const auto [mode, refused] = GENERATE(table<std::string, bool>({{"upsert", true}, {"replace", true}, {"insert_new", false}}));
    load.tables = {{"t", "rows", mode, {"id"}}};
    plan.tasks[0].options = load;
    Life life(database.url(), {plan});
    auto request = request_for("2026-11-04", "2026-11-12");
    std::string remedy;
    try {
        (void)life.wait(life.engine->service().trigger(request));
    } catch (const Refusal& refusal) {
        remedy = refusal.remedy;
    }
    CHECK(remedy.starts_with("whole steps are --from 2026-11-02 --to 2026-11-16;") == refused);
    request.cut_steps = true;
    CHECK(life.wait(life.engine->service().trigger(request)).run.at("id") > 0);
}

TEST_CASE("a run that is skipped for another one keeps its warning") {
    FreshDatabase database;
    auto plan = plan_every(1, "hang: run");
    plan.overlap = "skip";
    Life life(database.url(), {plan});
    const auto first = life.trigger_id("stepping");
    const auto skipped = life.wait(life.engine->service().trigger(request_for("2026-11-18T06:00:00Z", "2026-11-20")));
    CHECK(skipped.outcome == TriggerResult::Outcome::Skipped);
    const Json told = warnings(life, skipped);
    REQUIRE(told.size() == 1);
    CHECK_THAT(told[0].at("message").get<std::string>(), Catch::StartsWith("the interval cuts a step"));
    life.cancel(first);
}

TEST_CASE("an interval lies within the years that dates have") {
    FreshDatabase database;
    Life life(database.url(), {plan_every(7, "a: extract")});
    const auto told = [&](const std::string& start, const std::string& end) {
        return refusal([&] { (void)life.wait(life.engine->service().trigger(request_for(start, end))); });
    };
    CHECK(told("0001-01-01", "2026-11-20") == "an interval lies between the years 1000 and 9000, and 0001-01-01 does not - ");
    CHECK(told("2026-11-20", "9999-12-31") == "an interval lies between the years 1000 and 9000, and 9999-12-31 does not - ");
    CHECK_THAT(told("2026-11-20", "20000-01-01"), Catch::StartsWith("'20000-01-01' is neither a date"));
    CHECK_THAT(told("1000-01-01T00:00:00+23:59", "2026-11-20"), Catch::StartsWith("an interval lies"));
    CHECK(told("1000-01-02", "2026-11-20") == "it was not refused");
    CHECK(told("2026-11-20", "8999-12-31") == "it was not refused");
}
