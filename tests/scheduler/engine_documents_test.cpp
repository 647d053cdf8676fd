// What the engine's documents tell of runs, limits and flows, over a real PostgreSQL.
#include "life.hpp"

using namespace millrace;
using test::FreshDatabase;
using test::Life;
using test::plan_text;
using test::refusal;

TEST_CASE("limits tell who holds their slots by name, the run itself holds them as none of its tasks") {
    FreshDatabase database;
    auto task = plan_text("a: extract\n hang: run limit=one", "by_task"), run = plan_text("hang: run", "by_run");
    run.limits.push_back({"two", 2});
    Life life(database.url(), {task, run});
    const auto by_task = life.trigger_id("by_task"), by_run = life.trigger_id("by_run");
    Json limits;
    life.until([&] {
        limits = life.wait(life.engine->read_models().limits()).at("items");
        return limits.at(0).at("held").size() == 1 && limits.at(1).at("held").size() == 2;
    });
    CHECK(limits[0].at("key") == "one");
    CHECK(limits[0].at("held")[0].at("run_id") == by_task);
    CHECK(limits[0].at("held")[0].at("task") == "hang");
    CHECK(limits[0].at("held")[0].at("item").is_null());
    CHECK(limits[1].at("slots") == 2);
    CHECK(limits[1].at("held")[0].at("run_id") == by_run);
    CHECK(limits[1].at("held")[0].at("task").is_null());
}

TEST_CASE("an approval asks its own question") {
    FreshDatabase database;
    auto asking = plan_text("ask: approve", "asking");
    asking.tasks[0].options["text"] = "Load ${n} rows?";
    ParamSpec n;
    n.name = "n", n.type = "int", n.default_value = 3;
    asking.params.push_back(n);
    Life life(database.url(), {asking});
    const auto id = life.trigger_id("asking");
    life.until([&] { return life.run(id).at("state_name") == "AwaitingApproval"; });
    CHECK(life.run(id).at("tasks")[0].at("state_name") == "AwaitingApproval");
    CHECK(life.run(id).at("tasks")[0].at("message") == "Load 3 rows?");
    (void)life.wait(life.engine->service().approve(id, "ask", "", "me"));
    CHECK(life.ended(id).at("tasks")[0].at("message") == "approved by me");
    const auto logged = [&](std::int64_t run, const std::string& after = "") {
        LogFilter filter;
        filter.after = after;
        return life.wait(life.engine->read_models().logs(run, filter));
    };
    const Json log = logged(id);
    REQUIRE(log.at("items").size() == 1);
    CHECK(log.at("items")[0].at("task") == "ask");
    CHECK(log.at("items")[0].at("text") == "approved by me");
    CHECK(log.at("items")[0].at("at") == life.run(id).at("tasks")[0].at("finished_at"));
    CHECK(logged(id, log.at("next")).at("items").empty());
    const auto refused = life.trigger_id("asking");
    life.until([&] { return life.run(refused).at("tasks")[0].at("state_name") == "AwaitingApproval"; });
    CHECK(logged(refused).at("items").empty());
    (void)life.wait(life.engine->service().reject(refused, "ask", "not today", "me"));
    (void)life.ended(refused);
    CHECK(logged(refused).at("items")[0].at("text") == "rejected by me: not today");
    CHECK(logged(refused).at("items")[0].at("level") == "error");
}

TEST_CASE("what somebody did to a run is in its log, but not in that of one of its tasks") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("hang: run", "f")});
    auto& service = life.engine->service();
    const auto id = life.trigger_id("f");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    (void)life.wait(service.pause(id, "ann"));
    (void)life.wait(service.resume(id, "bob"));
    (void)life.wait(service.cancel(id, "eve"));
    (void)life.ended(id);
    const auto acts = [&](std::int64_t run, const std::string& task = "") {
        LogFilter filter;
        filter.task = task;
        test::Texts texts;
        const Json log = life.wait(life.engine->read_models().logs(run, filter));
        for (const auto& line : log.at("items"))
            if (line.at("attempt") == 0) texts.push_back(line.at("text"));
        return texts;
    };
    CHECK(acts(id) == test::Texts{"paused by ann", "resumed by bob", "cancelled by eve"});
    CHECK(acts(id, "hang").empty());
    RerunRequest again;
    again.run_id = id;
    again.from = RerunRequest::From::Failed;
    again.by = "zoe";
    const auto second = life.wait(service.rerun(again)).at("id").get<std::int64_t>();
    life.until([&] { return !acts(second).empty(); });
    CHECK(acts(second) == test::Texts{"rerun of run " + std::to_string(id) + " from what failed, asked for by zoe"});
}

TEST_CASE("a queued run says what it waits for, and whether that waits for a person") {
    FreshDatabase database;
    auto asking = plan_text("ask: approve", "asking"), hanging = plan_text("hang: run", "hanging");
    asking.overlap = hanging.overlap = "queue";
    Life life(database.url(), {asking, hanging});
    const auto message = [&](std::int64_t id) { return life.run(id).at("message").get<std::string>(); };
    const auto first = life.trigger_id("asking");
    life.until([&] { return life.run(first).at("state_name") == "AwaitingApproval"; });
    const auto second = life.trigger_id("asking"), third = life.trigger_id("asking");
    const auto approval = "waits for approval: millrace runs approve " + std::to_string(first);
    CHECK(message(second) == "waits for run " + std::to_string(first) + ", which " + approval);
    CHECK(message(third) == "waits for run " + std::to_string(second) + "; run " + std::to_string(first) + " " + approval);
    life.cancel(second);
    CHECK(message(third) == "waits for run " + std::to_string(first) + ", which " + approval);
    const auto running = life.trigger_id("hanging"), behind = life.trigger_id("hanging");
    CHECK(message(behind) == "waits for run " + std::to_string(running));
    (void)life.wait(life.engine->service().pause(running, "me"));
    CHECK(message(behind) ==
          "waits for run " + std::to_string(running) + ", which is paused: millrace runs resume " + std::to_string(running));
}

TEST_CASE("runs of a flow that there is not are refused as the flow is, those of an archived one are listed") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "hours"), plan_text("a: run", "unused")});
    (void)life.ended(life.trigger_id("hours"));
    CHECK(refusal([&] { (void)life.runs("huors"); }) == "there is no flow huors - did you mean hours?");
    CHECK(life.runs("unused").empty());
    life.folders.plans = {plan_text("a: run", "unused")};
    life.deploy();
    CHECK(life.runs("hours").size() == 1);
}

TEST_CASE("the last runs of a flow say which of them were trials") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: extract", "f")});
    (void)life.ended(life.trigger_id("f"));
    auto trial = Life::request("f");
    trial.limit_rows = 10;
    (void)life.ended(life.wait(life.engine->service().trigger(trial)).run.at("id"));
    const Json runs = life.wait(life.engine->read_models().flow("f")).at("last_runs");
    REQUIRE(runs.size() == 2);
    CHECK(runs[0].at("limit_rows") == 10);
    CHECK(runs[1].at("limit_rows").is_null());
}
