// Runs in chunks, re-runs, and what a re-run may do, over a real PostgreSQL.
#include "life.hpp"

#include <fmt/format.h>

#include <fstream>

using namespace millrace;
using test::chunked_plan;
using test::FreshDatabase;
using test::Life;
using test::plan_text;
using test::refusal;

TEST_CASE("what a re-run loaded is what it loaded itself, after a restart too") {
    FreshDatabase database;
    const auto plan = plan_text("a: load\n b: load <- a\n hang: run <- b", "f");
    std::optional<Life> life(std::in_place, database.url(), std::vector{plan});
    const auto first = life->trigger_id("f");
    life->until([&] { return life->hosts->hanging().size() == 1; });
    life->cancel(first);
    CHECK(life->ended(first).at("loads").size() == 2);
    RerunRequest request;
    request.run_id = first;
    request.from = RerunRequest::From::Task;
    request.task = "b";
    const auto second = life->wait(life->engine->service().rerun(request)).at("id").get<std::int64_t>();
    life->until([&] { return life->hosts->hanging().size() == 1; });
    if (GENERATE(false, true)) {
        life.reset();
        life.emplace(database.url(), std::vector{plan});
    }
    life->cancel(second);
    const Json again = life->ended(second);
    REQUIRE(again.at("loads").size() == 1);
    CHECK(again.at("loads")[0].at("task") == "b");
    CHECK(again.at("tasks")[0].at("loads").size() == 1); // whose task stands still shows what it did
}

TEST_CASE("a re-run of what failed runs those items of a mapped task that did not complete, also when their rows were made again") {
    FreshDatabase database;
    auto mapped = plan_text("before: run continue\n a: extract\n m: run <- a, before each=a\n z: load <- m", "mapped");
    std::optional<Life> life(std::in_place, database.url(), std::vector{mapped});
    std::vector<int> items;
    int failing = 1;
    const auto script = [&](const AttemptOrder& order) -> std::optional<AttemptDone> {
        if (order.task == "before") return test::failed_attempt("permanent");
        if (order.task != "m") return std::nullopt;
        items.push_back(order.item.get<int>());
        if (order.item == failing) return test::failed_attempt("permanent");
        AttemptDone done;
        done.outcome = "completed";
        done.rows = 10 + order.item.get<int>();
        return done;
    };
    life->hosts->script = script;
    const auto first = life->ended(life->trigger_id("mapped")).at("id").get<std::int64_t>();
    std::sort(items.begin(), items.end());
    CHECK(items == std::vector{0, 1, 2});
    const auto again = [&](std::int64_t run, const std::string& from) {
        items.clear();
        failing = -1;
        RerunRequest request;
        request.run_id = run;
        request.from = from.empty() ? RerunRequest::From::Failed : RerunRequest::From::Task;
        request.task = from;
        return life->wait(life->engine->service().rerun(request)).at("id").get<std::int64_t>();
    };
    SECTION("their rows stand") {
        const Json second = life->ended(again(first, ""));
        CHECK(second.at("state") == "completed");
        CHECK(items == std::vector{1});
        for (const auto& task : second.at("tasks")) {
            if (task.at("item").is_null()) continue;
            CHECK((task.at("state_name") == "Reused") == (task.at("item") != 1));
            CHECK(task.at("rows") == 10 + task.at("item").get<int>());
        }
    }
    SECTION("their rows are made again, one more than before") {
        mapped.tasks[1].options["resource"] = "others";
        mapped.tasks[2].retry.attempts = 7; // says nothing of what an item does
        life->folders.plans = {mapped};
        life->deploy();
        life->hosts->items = 4;
        CHECK(life->ended(again(first, "")).at("state") == "completed");
        CHECK(std::count(life->started.begin(), life->started.end(), "a") == 2);
        std::sort(items.begin(), items.end());
        CHECK(items == std::vector{1, 3});
    }
    SECTION("another command") {
        mapped.tasks[2].options["command"] = "another";
        life->folders.plans = {mapped};
        life->deploy();
        (void)life->ended(again(first, ""));
        CHECK(items.size() == 3);
    }
    SECTION("asked to begin with their rows, or with the task itself") {
        (void)life->ended(again(first, GENERATE("a", "m")));
        CHECK(items.size() == 3);
    }
    SECTION("the daemon ends before the rows are known") {
        mapped.tasks[1].name = "hang";
        life->folders.plans = {mapped};
        life->deploy();
        const auto second = again(first, "");
        life->until([&] { return life->hosts->hanging().size() == 1; });
        life.reset();
        life.emplace(database.url(), std::vector{mapped});
        life->hosts->script = script;
        life->until([&] { return life->hosts->hanging().size() == 1; });
        AttemptDone done;
        done.outcome = "completed";
        (void)life->hosts->end(life->hosts->hanging().front().id, done);
        CHECK(life->ended(second).at("state") == "completed");
        CHECK(items == std::vector{1});
    }
}

TEST_CASE("a re-run of a run in chunks goes on within the chunk that failed") {
    FreshDatabase database;
    Life life(database.url(), {chunked_plan()});
    const auto refuse = [](const AttemptOrder& order) -> std::optional<AttemptDone> {
        return order.task == "c" && order.context.chunk_number == 2 ? std::optional(test::failed_attempt("permanent")) : std::nullopt;
    };
    life.hosts->script = refuse;
    RerunRequest request;
    request.run_id = life.ended(life.trigger_id("chunked")).at("id").get<std::int64_t>();
    request.from = RerunRequest::From::Failed;
    CHECK(life.started == test::Texts{"a", "c", "a", "c"});
    life.hosts->script = nullptr;
    life.started.clear();
    SECTION("at once") {
        const Json again = life.ended(life.wait(life.engine->service().rerun(request)).at("id").get<std::int64_t>());
        CHECK(life.started == test::Texts{"c", "a", "c"});
        CHECK(again.at("chunks").size() == 2);
        CHECK(again.at("chunks")[0].at("rerun_of") == request.run_id + 2);
        CHECK(again.at("loads")[0].at("inserted") == 14);
    }
    std::vector plans{chunked_plan()};
    const auto deployed_again = [&] {
        life.folders.plans = plans;
        life.deploy();
        return life.ended(life.wait(life.engine->service().rerun(request)).at("id").get<std::int64_t>());
    };
    SECTION("chunks that are other spans of time begin anew, all of them") {
        const auto days = GENERATE(27U, 42U, 14U);
        plans.back().interval->chunk.days = static_cast<int>(days);
        CHECK(deployed_again().at("chunks").size() == (84 + days - 1) / days);
        CHECK(life.started.size() == 2 * ((84 + days - 1) / days));
    }
    SECTION("chunks that appended under other bounds are not run again") {
        plans.back().interval->chunk.days = 42;
        plans.back().tasks[1].options["tables"] =
            Json::array({{{"table", "t"}, {"task", "a"}, {"mode", "append"}, {"key", Json::array()}}});
        CHECK_THROWS_WITH(deployed_again(), Catch::Contains("would be there twice"));
    }
    SECTION("a chunk that completed with another load runs that again") {
        plans.back().tasks[1].options["newest_by"] = "n";
        CHECK(deployed_again().at("chunks").size() == 3);
        CHECK(life.started == test::Texts{"c", "c", "a", "c"});
    }
    SECTION("chunks that began under several plans") {
        plans.back().tasks[1].options["newest_by"] = "n";
        life.hosts->script = [](const AttemptOrder& order) {
            return order.task == "c" ? std::optional(test::failed_attempt("permanent")) : std::nullopt;
        };
        request.run_id = deployed_again().at("id").get<std::int64_t>(); // its first chunk fails
        life.hosts->script = nullptr;
        life.started.clear();
        CHECK(life.ended(life.wait(life.engine->service().rerun(request)).at("id").get<std::int64_t>()).at("state") == "completed");
        CHECK(life.started == test::Texts{"c", "c", "a", "c"});
    }
    SECTION("a re-run that failed too, and is itself run again") {
        life.hosts->script = [&](const AttemptOrder&) { return std::optional(test::failed_attempt("permanent")); };
        auto between = life.wait(life.engine->service().rerun(request)).at("id").get<std::int64_t>();
        (void)life.ended(between);
        life.hosts->script = nullptr;
        life.started.clear();
        request.run_id = between;
        CHECK(life.ended(life.wait(life.engine->service().rerun(request)).at("id").get<std::int64_t>()).at("state") == "completed");
        CHECK(life.started == test::Texts{"c", "a", "c"});
    }
}

TEST_CASE("a person lets one run delete more than `max_deletes`: on record, for its loads and its chunks, not for the next re-run") {
    FreshDatabase database;
    const std::string flow = GENERATE("chain", "chunked");
    Life life(database.url(), {plan_text("a: extract\n b: transform <- a\n c: load <- b", "chain"), chunked_plan()});
    std::vector<std::int64_t> allowed, repeated;
    life.hosts->script = [&](const AttemptOrder& order) -> std::optional<AttemptDone> {
        if (order.task != "c") return std::nullopt;
        allowed.push_back(order.context.allow_deletes);
        repeated.push_back(order.context.chunk_of_run);
        return test::failed_attempt("bad_data");
    };
    const auto first = life.ended(life.trigger_id(flow)).at("id").get<std::int64_t>();
    RerunRequest request;
    request.run_id = first;
    request.from = RerunRequest::From::Failed;
    request.by = "uid 1000";
    request.allow_deletes = 37;
    const auto second = life.wait(life.engine->service().rerun(request)).at("id").get<std::int64_t>();
    CHECK(life.ended(second).at("allow_deletes") == Json{{"rows", 37}, {"by", "uid 1000"}});
    request.run_id = second;
    request.allow_deletes = 0;
    const auto third = life.wait(life.engine->service().rerun(request)).at("id").get<std::int64_t>();
    CHECK(life.ended(third).at("allow_deletes").is_null());
    CHECK(allowed == std::vector<std::int64_t>{0, 37, 0});
    CHECK(repeated == (flow == "chain" ? std::vector<std::int64_t>{0, 0, 0} : std::vector<std::int64_t>{first, second, third}));
}

TEST_CASE("rejected rows that are gone from the staging folder are not looked for item by item") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: extract\n m: extract <- a each=a", "mapped")});
    const auto there = (life.folder / "there.json").string();
    std::ofstream(there) << R"({"rows": 1})";
    life.hosts->items = 50;
    int item = 0;
    life.hosts->script = [&](const AttemptOrder& order) -> std::optional<AttemptDone> {
        if (order.task != "m") return std::nullopt;
        AttemptDone done;
        done.outcome = "completed";
        done.rejected = 1;
        done.rejects = ++item <= 30 ? "/nowhere/" + std::to_string(item) : there;
        return done;
    };
    const auto id = life.ended(life.trigger("mapped").at("id")).at("id").get<std::int64_t>();
    CHECK(item == 50);
    CHECK_THAT(refusal([&] { (void)life.wait(life.engine->read_models().rejected_rows(id, "m", 10)); }),
               Catch::Contains("are gone from the staging folder"));
}

TEST_CASE("an interval in chunks becomes child runs, one after the other") {
    FreshDatabase database;
    Life life(database.url(), {chunked_plan()});
    const Json run = life.ended(life.trigger("chunked").at("id"));
    CHECK(run.at("state") == "completed");
    REQUIRE(run.at("chunks").size() == 3);
    CHECK(run.at("chunks")[0].at("chunk") == Json{{"number", 1}, {"of", 3}});
    CHECK(run.at("chunks")[0].at("interval").at("end") == run.at("chunks")[1].at("interval").at("start"));
    CHECK(run.at("loads")[0].at("inserted") == 21);
    CHECK(life.started == std::vector<std::string>{"a", "c", "a", "c", "a", "c"});
    const auto id = run.at("id").get<std::int64_t>();
    CHECK(life.runs("chunked")[0].at("chunk_runs") == Json{{"count", 3}, {"first", id + 1}, {"last", id + 3}});
}

TEST_CASE("a chunk that completed in spite of a failure runs again when what failed does") {
    FreshDatabase database;
    auto plan = plan_text("a: extract\n b: transform continue\n c: load <- a", "lenient");
    plan.interval = chunked_plan().interval;
    Life life(database.url(), {plan});
    life.hosts->script = [](const AttemptOrder& order) {
        return order.task == "b" && order.context.chunk_number == 2 ? std::optional(test::failed_attempt("permanent")) : std::nullopt;
    };
    RerunRequest request;
    const Json first = life.ended(life.trigger_id("lenient"));
    CHECK(first.at("state") == "completed");
    request.run_id = first.at("id").get<std::int64_t>();
    request.from = RerunRequest::From::Failed;
    life.hosts->script = nullptr;
    life.started.clear();
    CHECK(life.ended(life.wait(life.engine->service().rerun(request)).at("id").get<std::int64_t>()).at("state") == "completed");
    CHECK(life.started == test::Texts{"b"});
}

TEST_CASE("a re-run has the defaults of parameters that the flow got since, and none that it has no more") {
    FreshDatabase database;
    auto plan = plan_text("a: extract", "grows");
    ParamSpec old;
    old.name = "old", old.type = "int", old.default_value = 3;
    plan.params.push_back(old);
    Life life(database.url(), {plan});
    RerunRequest request;
    request.run_id = life.ended(life.trigger_id("grows")).at("id").get<std::int64_t>();
    plan.params[0].name = "fresh";
    life.folders.plans = {plan};
    life.deploy();
    const Json again = life.ended(life.wait(life.engine->service().rerun(request)).at("id").get<std::int64_t>());
    CHECK(again.at("params") == Json{{"fresh", 3}});
}

TEST_CASE("a re-run has other parameters where somebody gives them, and the plan that the run had where he wants that") {
    FreshDatabase database;
    auto plan = plan_text("a: extract\n b: extract", "grows");
    ParamSpec region;
    region.name = "region", region.type = "string", region.default_value = "eu";
    plan.params.push_back(region);
    plan.tasks[1].options["resource"] = "orders of ${region}";
    std::optional<Life> life(std::in_place, database.url(), std::vector{plan});
    RerunRequest request;
    request.run_id = life->ended(life->trigger_id("grows")).at("id").get<std::int64_t>();
    auto newer = plan_text("a: extract\n b: extract\n c: extract", "grows");
    life->folders.plans = {newer};
    life->deploy();
    life->started.clear();
    request.from = RerunRequest::From::Task;
    request.task = "b";
    request.params = {{"region", "us"}};
    CHECK(refusal([&] { life->wait(life->engine->service().rerun(request)); }).find("region") != std::string::npos); // it has none now
    request.pinned = true;
    const Json again = life->ended(life->wait(life->engine->service().rerun(request)).at("id").get<std::int64_t>());
    CHECK(again.at("params") == Json{{"region", "us"}});
    CHECK(again.at("tasks").size() == 2);
    CHECK(life->started == test::Texts{"b"});
    request.run_id = again.at("id").get<std::int64_t>();
    request.task = "";
    request.from = RerunRequest::From::Start;
    request.params = Json::object();
    const Json third = life->ended(life->wait(life->engine->service().rerun(request)).at("id").get<std::int64_t>());
    CHECK(third.at("params") == Json{{"region", "us"}});
    CHECK(life->started == test::Texts{"b", "a", "b"});
}

TEST_CASE("who names a task that the flow has no more is told those that it has, and how the run is repeated with the one that it had") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: extract\n copy: load <- a", "renames")});
    RerunRequest request;
    request.run_id = life.ended(life.trigger_id("renames")).at("id").get<std::int64_t>();
    life.folders.plans = {plan_text("a: extract\n store: load <- a", "renames")};
    life.deploy();
    request.from = RerunRequest::From::Task;
    const auto told = [&](const char* task) {
        request.task = task;
        return refusal([&] { (void)life.wait(life.engine->service().rerun(request)); });
    };
    CHECK(told("copy") ==
          fmt::format("flow renames has no task copy - its tasks are a, store; run {} had copy: --plan pinned (`plan` of the "
                      "API) runs the flow as it was then",
                      request.run_id));
    CHECK(told("stor") == "flow renames has no task stor - did you mean 'store'? its tasks are a, store");
    request.pinned = true;
    CHECK(told("store") == "flow renames has no task store - its tasks are a, copy");
    request.task = "copy";
    CHECK(life.ended(life.wait(life.engine->service().rerun(request)).at("id").get<std::int64_t>()).at("state") == "completed");
}

TEST_CASE("the same idempotency key makes one re-run, also of what is asked for at once, with other values it is a conflict") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: extract\n b: load <- a", "f")});
    RerunRequest request;
    request.run_id = life.ended(life.trigger_id("f")).at("id").get<std::int64_t>();
    request.idempotency_key = "again";
    std::vector<Json> answers;
    for (int i = 0; i < 2; ++i)
        boost::asio::co_spawn(life.io, life.engine->service().rerun(request), [&](std::exception_ptr e, Json run) {
            if (!e) answers.push_back(std::move(run));
        });
    life.until([&] { return answers.size() == 2; });
    std::sort(answers.begin(), answers.end(), [](const Json& a, const Json& b) { return a.at("outcome") < b.at("outcome"); });
    CHECK(answers[0].at("outcome") == "created");
    CHECK(answers[1].at("outcome") == "existing");
    CHECK(answers[0].at("id") == answers[1].at("id"));
    (void)life.ended(answers[0].at("id").get<std::int64_t>());
    CHECK(life.wait(life.engine->service().rerun(request)).at("id") == answers[0].at("id"));
    auto another = request;
    another.from = RerunRequest::From::Task, another.task = "b";
    CHECK_THAT(refusal([&] { (void)life.wait(life.engine->service().rerun(another)); }), Catch::Contains("use another key"));
    CHECK_THROWS_AS(life.trigger("f", "again"), Refusal);
    another.idempotency_key = "another";
    CHECK(life.wait(life.engine->service().rerun(another)).at("id") != answers[0].at("id"));
}
