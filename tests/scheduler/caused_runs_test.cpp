// Runs that runs cause, by `flow` tasks and `triggers`, over a real PostgreSQL.
#include "life.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using test::FreshDatabase;
using test::Life;
using test::plan_text;

namespace {

FlowPlan after(const std::string& flow, const std::string& state = "completed", const std::string& name = "next") {
    auto plan = plan_text("a: extract", name);
    plan.triggers.push_back({flow, state});
    return plan;
}

Json only_run(Life& life, const std::string& flow) {
    life.until([&] { return !life.runs(flow).empty(); });
    const auto runs = life.runs(flow);
    REQUIRE(runs.size() == 1);
    return life.ended(runs[0].at("id").get<std::int64_t>());
}

Json task_of(const Json& run, const std::string& name) {
    for (const auto& task : run.at("tasks"))
        if (task.at("task") == name && task.at("item").is_null()) return task;
    FAIL("no task " << name);
    return {};
}

void end_hanging(Life& life) {
    AttemptDone done;
    done.outcome = "completed";
    while (!life.hosts->hanging().empty()) (void)life.hosts->end(life.hosts->hanging().front().id, done);
}

/// `outer`, the task of which calls `inner` and is tried again after a minute.
std::vector<FlowPlan> called_again(const std::string& outer, const std::string& inner) {
    std::vector plans{plan_text(outer, "outer"), plan_text(inner, "inner")};
    plans[0].tasks[0].retry.delay = 60;
    return plans;
}

} // namespace

TEST_CASE("a task that runs another flow waits for it and tells what it loaded") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("f: flow calls=inner\n z: extract <- f", "outer"), plan_text("l: load", "inner")});
    const Json outer = life.ended(life.trigger_id("outer"));
    CHECK(outer.at("state") == "completed");
    CHECK(life.started == test::Texts{"l", "z"});
    const Json inner = only_run(life, "inner");
    CHECK(inner.at("trigger") == "flow");
    CHECK(inner.at("caused_by") == Json{{"run", outer.at("id")}, {"flow", "outer"}, {"task", "f"}});
    CHECK(task_of(outer, "f").at("run") == inner.at("id"));
    REQUIRE(outer.at("loads").size() == 1);
    CHECK(outer.at("loads")[0].at("task") == "f");
    CHECK(outer.at("loads")[0].at("inserted") == 7);
}

TEST_CASE("a task fails where the run that it called does, and says which") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("f: flow calls=inner", "outer"), plan_text("b: extract", "inner")});
    life.hosts->script = [](const AttemptOrder&) { return test::failed_attempt("permanent"); };
    const Json outer = life.ended(life.trigger_id("outer"));
    CHECK(outer.at("state") == "failed");
    const auto inner = only_run(life, "inner").at("id").dump();
    CHECK(task_of(outer, "f").at("message") == "run " + inner + " of flow inner failed: task b: it broke");
    CHECK(task_of(outer, "f").at("error").at("remedy") == "millrace runs show " + inner);
}

TEST_CASE("a task that is retried calls a new run") {
    FreshDatabase database;
    auto outer = plan_text("f: flow calls=inner retry=2", "outer");
    outer.tasks[0].retry.delay = 0;
    Life life(database.url(), {outer, plan_text("b: extract", "inner")});
    int tries = 0;
    life.hosts->script = [&](const AttemptOrder&) {
        return ++tries == 1 ? std::optional(test::failed_attempt("permanent")) : std::nullopt;
    };
    CHECK(life.ended(life.trigger_id("outer")).at("state") == "completed");
    const auto runs = life.runs("inner");
    REQUIRE(runs.size() == 2);
    CHECK(runs[0].at("state") == "failed");
    CHECK(runs[1].at("state") == "completed");
}

TEST_CASE("a mapped task calls a run for each item, and may lose some") {
    FreshDatabase database;
    auto outer = plan_text("a: extract\n f: flow <- a each=a calls=inner concurrency=1", "outer");
    outer.tasks[1].options["with"] = {{"n", "${item}"}};
    const bool allowed = GENERATE(false, true);
    if (allowed) outer.tasks[1].options["allow_failed"] = Share{std::nullopt, 1};
    auto inner = plan_text("b: extract", "inner");
    inner.params.emplace_back();
    inner.params[0].name = "n", inner.params[0].type = "int";
    Life life(database.url(), {outer, inner});
    life.hosts->script = [](const AttemptOrder& order) {
        return order.task == "b" && order.context.params.at("n") == 1 ? std::optional(test::failed_attempt("permanent")) : std::nullopt;
    };
    const Json run = life.ended(life.trigger_id("outer"));
    CHECK(run.at("state") == (allowed ? "completed" : "failed"));
    test::Texts params;
    for (const auto& called : life.runs("inner")) params.push_back(called.at("params").at("n").dump());
    CHECK(params == test::Texts{"0", "1", "2"});
}

TEST_CASE("a detached call is not waited for") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("f: flow calls=inner detach", "outer"), plan_text("hang: run", "inner")});
    CHECK(life.ended(life.trigger_id("outer")).at("state") == "completed");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    end_hanging(life);
    CHECK(only_run(life, "inner").at("state") == "completed");
}

TEST_CASE("a run is cancelled, paused and resumed together with the runs that it called") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("f: flow calls=inner", "outer"), plan_text("hang: run\n b: extract <- hang", "inner")});
    const auto outer = life.trigger_id("outer");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    const auto inner = life.runs("inner").at(0).at("id").get<std::int64_t>();
    (void)life.wait(life.engine->service().pause(outer, "me"));
    life.until([&] { return life.run(inner).at("state") == "paused"; });
    (void)life.wait(life.engine->service().resume(outer, "me"));
    life.until([&] { return life.run(inner).at("state") == "running"; });
    life.cancel(outer);
    CHECK(life.ended(inner).at("state") == "cancelled");
    CHECK(life.ended(outer).at("state") == "cancelled");
    CHECK(life.started == test::Texts{"hang"});
}

TEST_CASE("a run that was called, and waits for its turn when its caller is paused, begins nothing until that goes on") {
    FreshDatabase database;
    auto inner = plan_text("hang: run", "inner");
    const bool in_line = GENERATE(true, false);
    if (in_line)
        inner.overlap = "queue";
    else
        inner.overlap = "allow", inner.limits = {{"one", 1}};
    Life life(database.url(), {plan_text("f: flow calls=inner", "outer"), inner});
    const auto first = life.trigger_id("inner");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    const auto outer = life.trigger_id("outer");
    life.until([&] { return life.runs("inner").size() == 2; });
    (void)life.wait(life.engine->service().pause(outer, "me"));
    end_hanging(life);
    CHECK(life.ended(first).at("state") == "completed");
    const auto called = life.runs("inner").at(1).at("id").get<std::int64_t>();
    life.until([&] { return life.run(called).at("state") == "paused"; });
    CHECK(life.started == test::Texts{"hang"});
    (void)life.wait(life.engine->service().resume(outer, "me"));
    life.until([&] { return life.hosts->hanging().size() == 1; });
    end_hanging(life);
    CHECK(life.ended(outer).at("state") == "completed");
}

TEST_CASE("a call whose task takes too long is cancelled, and the task timed out") {
    FreshDatabase database;
    auto outer = plan_text("f: flow calls=inner timeout=30", "outer");
    const auto start = *parse_rfc3339("2026-11-20T00:00:00Z");
    Life life(database.url(), {outer, plan_text("hang: run", "inner")}, start);
    const auto id = life.trigger_id("outer");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    life.stepped.step_to(start + std::chrono::seconds(31));
    CHECK(life.ended(id).at("state") == "failed");
    CHECK_THAT(task_of(life.run(id), "f").at("message").get<std::string>(), Catch::Contains("timed out after 30 s"));
    CHECK(only_run(life, "inner").at("state") == "cancelled");
}

TEST_CASE("a call that the other flow's `overlap` skips fails its task") {
    FreshDatabase database;
    auto inner = plan_text("hang: run", "inner");
    inner.overlap = "skip";
    Life life(database.url(), {plan_text("f: flow calls=inner", "outer"), inner});
    (void)life.trigger_id("inner");
    const Json outer = life.ended(life.trigger_id("outer"));
    CHECK(outer.at("state") == "failed");
    CHECK_THAT(outer.at("message").get<std::string>(), Catch::Contains("was skipped"));
}

TEST_CASE("a flow that is not there fails the task that calls it, with what to do") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("f: flow calls=nobody", "outer")});
    const Json outer = life.ended(life.trigger_id("outer"));
    CHECK(outer.at("message") == "task f: there is no flow nobody");
    CHECK(task_of(outer, "f").at("error").at("remedy") == "`millrace flows list` shows what is deployed");
}

TEST_CASE("a called run has the interval of its caller, in its own whole steps, and is a trial where that is one") {
    FreshDatabase database;
    auto outer = plan_text("f: flow calls=inner", "outer"), inner = plan_text("a: extract", "inner");
    outer.interval = inner.interval = IntervalSpec{};
    outer.interval->every.seconds = 3600;
    inner.interval->every.days = 1;
    Life life(database.url(), {outer, inner});
    auto request = Life::request("outer");
    request.interval_start = "2026-03-01T10:00:00Z", request.interval_end = "2026-03-01T11:00:00Z";
    request.limit_rows = 5;
    (void)life.wait(life.engine->service().trigger(request));
    const Json run = only_run(life, "inner");
    CHECK(run.at("interval") == Json{{"start", "2026-03-01T00:00:00Z"}, {"end", "2026-03-02T00:00:00Z"}});
    CHECK(run.at("limit_rows") == 5);
}

TEST_CASE("a call goes on after the daemon was killed, and ends its task though it ended first") {
    FreshDatabase database;
    const std::vector plans{plan_text("f: flow calls=inner\n z: extract <- f", "outer"), plan_text("hang: run", "inner"), after("outer")};
    std::optional<Life> life(std::in_place, database.url(), plans);
    const auto id = life->trigger_id("outer");
    life->until([&] { return life->hosts->hanging().size() == 1; });
    const bool ends_first = GENERATE(false, true);
    CAPTURE(ends_first);
    if (ends_first) end_hanging(*life);
    life.reset();
    life.emplace(database.url(), plans);
    if (!ends_first) {
        life->until([&] { return life->hosts->hanging().size() == 1; });
        end_hanging(*life);
    } else {
        life->until([&] {
            end_hanging(*life);
            return !life->run(id).at("finished_at").is_null();
        });
    }
    CHECK(life->ended(id).at("state") == "completed");
    CHECK(life->runs("inner").size() == 1);
    CHECK(only_run(*life, "next").at("state") == "completed");
}

TEST_CASE("the end of a run starts the flows that it triggers, by how it ended") {
    FreshDatabase database;
    Life life(database.url(),
              {plan_text("a: extract", "first"), after("first"), after("next", "completed", "last"), after("first", "failed", "help")});
    const Json first = life.ended(life.trigger_id("first"));
    CHECK(only_run(life, "next").at("caused_by") == Json{{"run", first.at("id")}, {"flow", "first"}, {"state", "completed"}});
    CHECK(only_run(life, "last").at("state") == "completed");
    CHECK(life.runs("help").empty());
    life.hosts->script = [](const AttemptOrder& order) {
        return order.context.flow == "first" ? std::optional(test::failed_attempt("permanent")) : std::nullopt;
    };
    (void)life.ended(life.trigger_id("first"));
    CHECK(only_run(life, "help").at("caused_by").at("state") == "failed");
    CHECK(life.runs("next").size() == 1);
}

TEST_CASE("a trial and a cancelled run trigger nothing, a run in chunks triggers once") {
    FreshDatabase database;
    auto chunked = test::chunked_plan();
    Life life(database.url(), {chunked, after("chunked"), plan_text("hang: run", "first"), after("first", "failed", "help")});
    auto trial = Life::request("chunked");
    trial.limit_rows = 1;
    (void)life.ended(life.wait(life.engine->service().trigger(trial)).run.at("id").get<std::int64_t>());
    CHECK(life.runs("next").empty());
    (void)life.ended(life.trigger_id("chunked"));
    CHECK(only_run(life, "next").at("state") == "completed");
    const auto id = life.trigger_id("first");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    life.cancel(id);
    (void)life.ended(id);
    CHECK(life.runs("help").empty());
}

TEST_CASE("flows that start each other for ever stop after one round, with a warning") {
    FreshDatabase database;
    Life life(database.url(), {after("b", "completed", "a"), after("a", "completed", "b")});
    (void)life.ended(life.trigger_id("a"));
    const Json b = only_run(life, "b");
    CHECK(b.at("warning_count") == 1);
    CHECK(life.runs("a").size() == 1);
}

TEST_CASE("a call that is to be tried again is tried again by the next daemon, which waits for none of the calls before") {
    FreshDatabase database;
    const auto plans = called_again("f: flow calls=inner retry=3", "b: extract");
    const auto start = *parse_rfc3339("2026-11-20T00:00:00Z");
    std::optional<Life> life(std::in_place, database.url(), plans, start);
    life->hosts->script = [](const AttemptOrder&) { return test::failed_attempt("permanent"); };
    const auto id = life->trigger_id("outer");
    life->until([&] { return task_of(life->run(id), "f").at("state") == "retrying"; });
    life.reset();
    life.emplace(database.url(), plans, start + std::chrono::seconds(1));
    life->settle();
    CHECK(task_of(life->run(id), "f").at("state") == "retrying");
    life->step(std::chrono::minutes(10));
    CHECK(life->ended(id).at("state") == "completed");
    CHECK(life->runs("inner").size() == 2);
    CHECK(task_of(life->run(id), "f").at("attempts") == 2);
}

TEST_CASE("the timeout of a task counts from the call of its attempt, over a restart too") {
    FreshDatabase database;
    const auto plans = called_again("f: flow calls=inner retry=3 timeout=600", "hang: run");
    const auto start = *parse_rfc3339("2026-11-20T00:00:00Z");
    std::optional<Life> life(std::in_place, database.url(), plans, start);
    const auto id = life->trigger_id("outer");
    const auto fail_after = [&](std::chrono::seconds time) {
        life->until([&] { return life->hosts->hanging().size() == 1; });
        life->step(time);
        auto done = test::failed_attempt("permanent");
        (void)life->hosts->end(life->hosts->hanging().front().id, done);
        life->until([&] { return task_of(life->run(id), "f").at("state") == "retrying"; });
    };
    fail_after(std::chrono::seconds(500));
    life->step(std::chrono::minutes(3));
    life->until([&] { return life->hosts->hanging().size() == 1; });
    const auto now = life->stepped.now();
    life.reset();
    life.emplace(database.url(), plans, now + std::chrono::seconds(60));
    life->until([&] { return life->hosts->hanging().size() == 1; });
    life->settle();
    CHECK(task_of(life->run(id), "f").at("state_name") == "Running");
    life->step(std::chrono::seconds(550));
    life->until([&] { return life->runs("inner").back().at("state") == "cancelled"; });
}
