// The engine over a real PostgreSQL, with attempts that a test makes as it likes.
#include "life.hpp"
#include "scheduler/store/migrate.hpp"

#include <fstream>

using namespace millrace;
using test::FreshDatabase;
using test::Life;
using test::plan_text;
namespace asio = boost::asio;

namespace {

std::vector<FlowPlan> flows() {
    auto chain = plan_text("a: extract\n b: transform <- a\n c: load <- b", "chain");
    auto hang = plan_text("a: extract\n hang: run <- a\n z: load <- hang", "hanging");
    auto skip = plan_text("hang: run", "skipping");
    skip.overlap = "skip";
    auto mapped = plan_text("a: extract\n m: wait <- a each=a\n z: load <- m", "mapped");
    auto failing = plan_text("a: extract\n bad: transform <- a\n c: load <- bad", "failing");
    auto slots = plan_text("a: run limit=one\n b: run limit=one\n c: run limit=one", "slots");
    auto chunked = plan_text("a: extract\n c: load <- a", "chunked");
    chunked.interval = IntervalSpec{};
    chunked.interval->every.days = 1;
    chunked.interval->lookback.days = 83;
    chunked.interval->chunk.days = 28;
    ParamSpec n;
    n.name = "n", n.type = "int", n.default_value = 3;
    chain.params.push_back(n);
    return {chain, hang, skip, mapped, failing, slots, chunked};
}

} // namespace

TEST_CASE("a triggered run completes, and its documents tell what happened") {
    FreshDatabase database;
    Life life(database.url(), flows());
    const auto id = life.trigger("chain", "", {{"n", "5"}}).at("id").get<std::int64_t>();
    const Json run = life.ended(id);
    CHECK(run.at("state") == "completed");
    CHECK(run.at("params") == Json{{"n", 5}});
    CHECK(run.at("counts") == Json{{"completed", 3}});
    REQUIRE(run.at("loads").size() == 1);
    CHECK(run.at("loads")[0].at("inserted") == 7);
    CHECK(run.at("loads")[0].at("task") == "c");
    REQUIRE(run.at("tasks").size() == 3);
    CHECK(run.at("tasks")[1].at("task") == "b");
    CHECK(run.at("tasks")[1].at("needs") == Json{"a"});
    CHECK(life.started == std::vector<std::string>{"a", "b", "c"});
    const Json graph = life.wait(life.engine->read_models().graph(id));
    CHECK(graph.at("edges") == Json::parse(R"([["a", "b"], ["b", "c"]])"));
    CHECK(life.wait(life.engine->read_models().runs({})).at("items").size() == 1);
    CHECK(life.wait(life.engine->read_models().flows()).at("items").size() == 7);
    CHECK(life.wait(life.engine->read_models().logs(id, {})).at("end") == true);
    CHECK(life.wait(life.engine->read_models().doctor()).at("store").at("schema_version") == schema_version());
    CHECK(life.wait(life.engine->read_models().nodes()).at("items")[0].at("alive") == true);
    CHECK_THROWS_AS(life.run(999), Refusal);
}

TEST_CASE("the same idempotency key gives the same run, other values are a conflict") {
    FreshDatabase database;
    Life life(database.url(), flows());
    const auto first = life.trigger("chain", "k1").at("id");
    CHECK(life.trigger("chain", "k1").at("id") == first);
    CHECK(life.outcome == TriggerResult::Outcome::Existing);
    CHECK_THROWS_AS(life.trigger("chain", "k1", {{"n", 4}}), Refusal);
    CHECK_THROWS_WITH(life.trigger("chain", "", {{"n", "x"}, {"m", 1}}),
                      Catch::Contains("no parameter m") && Catch::Contains("of type int"));
    CHECK_THROWS_AS(life.trigger("nobody"), Refusal);
}

namespace {
/// Its sentence and its remedy.
template <class Action>
std::string refusal(Action action) {
    try {
        action();
    } catch (const Refusal& e) {
        return std::string(e.what()) + " - " + e.remedy;
    }
    return "it was not refused";
}
} // namespace

TEST_CASE("a refusal names what was meant, or what to do") {
    FreshDatabase database;
    auto plans = flows();
    ParamSpec src;
    src.name = "src", src.type = "connection", src.default_value = "clockify";
    plans[0].params.push_back(src);
    Life life(database.url(), plans);
    auto& models = life.engine->read_models();
    const std::string near = "there is no flow chian - did you mean chain?";
    CHECK(refusal([&] { life.trigger("chian"); }) == near);
    CHECK(refusal([&] { (void)life.wait(models.flow("chian")); }) == near);
    CHECK(refusal([&] { (void)life.wait(models.plan("chian")); }) == near);
    CHECK_THAT(refusal([&] { life.trigger("nobody"); }), Catch::Contains("`millrace flows` lists them"));
    CHECK(refusal([&] { life.run(999); }) == "there is no run 999 - `millrace runs list` shows those that there are");
    CHECK(refusal([&] { life.cancel(999); }) == refusal([&] { life.run(999); }));
    CHECK(refusal([&] {
              life.trigger("chain", "", {{"src", "clokify"}});
          }) == "parameter src: there is no connection clokify - did you mean clockify?");
    CHECK_THAT(refusal([&] {
                   life.trigger("chain", "", {{"src", "nope"}});
               }),
               Catch::Contains("no connection nope") && Catch::Contains("connections list"));
    CHECK_THAT(refusal([&] {
                   life.trigger("chain", "", {{"n", 18446744073709551615u}});
               }),
               Catch::Contains("of type int, which 18446744073709551615 is not"));
    CHECK_THAT(refusal([&] { life.trigger("chain", "", {{"src", std::string("a\0b", 3)}}); }), Catch::Contains("holds a NUL character"));
    const auto id = life.trigger("chain", "", {{"src", "warehouse"}}).at("id").get<std::int64_t>();
    CHECK(life.ended(id).at("state") == "completed");
    RerunRequest again;
    again.run_id = id;
    again.from = RerunRequest::From::Failed;
    CHECK_THAT(refusal([&] { (void)life.wait(life.engine->service().rerun(again)); }),
               Catch::StartsWith("run " + std::to_string(id) + " is completed: nothing in it failed"));
    again.from = RerunRequest::From::Start;
    CHECK(life.wait(life.engine->service().rerun(again)).at("rerun_of") == id);
}

TEST_CASE("limits tell who holds their slots by name; the run itself holds them as none of its tasks") {
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
    life.until([&] { return life.run(id).at("tasks")[0].at("state_name") == "AwaitingApproval"; });
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

TEST_CASE("run numbers go on where the last daemon left them, also a killed one, but none that another node may hold is given out") {
    FreshDatabase database;
    std::int64_t last = 0;
    for (const bool orderly : {true, true, false, false, true}) {
        Life life(database.url(), flows());
        for (int i = 0; i < 40; ++i) { // over the end of a half block: the next is fetched on the way
            const auto id = life.trigger_id("chain");
            if (last > 0) CHECK(id == last + 1);
            last = id;
            (void)life.ended(id);
        }
        if (orderly) (void)life.wait(Life::flag(life.engine->stop()));
    }
    pqxx::connection connection(database.url());
    pqxx::nontransaction(connection)
        .exec("insert into millrace.node (id, epoch, lease_until, journal_seq, started_at, version, pid) "
              "select 'suspended', gen_random_uuid(), now() - interval '1 hour', 0, now(), 'v', 1");
    for (const bool after_a_kill : {false, true}) {
        Life life(database.url(), flows());
        const auto id = life.trigger_id("chain");
        CHECK((id > last + 1) == after_a_kill);
        last = id;
    }
}

TEST_CASE("a run goes on after the daemon was killed, from the last finished task") {
    FreshDatabase database;
    std::int64_t id = 0;
    {
        Life life(database.url(), flows());
        id = life.trigger("hanging").at("id");
        life.until([&] { return life.started.size() == 2; });
        // The daemon is gone without a word: Engine::stop is not called.
    }
    auto changed = flows();
    Life life(database.url(), changed);
    life.until([&] { return !life.started.empty(); });
    CHECK(life.started == std::vector<std::string>{"hang"}); // `a` does not run again
    const Json run = life.run(id);
    CHECK(run.at("state") == "running");
    CHECK(run.at("tasks")[1].at("attempts") == 2);
    const Json cancelled = life.wait(life.engine->service().cancel(id, "me"));
    CHECK(life.ended(id).at("state") == "cancelled");
    CHECK_THROWS_AS(life.wait(life.engine->service().cancel(id, "me")), Refusal);
}

TEST_CASE("overlap decides about a second run") {
    FreshDatabase database;
    Life life(database.url(), flows());
    const auto first = life.trigger("skipping").at("id").get<std::int64_t>();
    const Json second = life.trigger("skipping");
    CHECK(life.outcome == TriggerResult::Outcome::Skipped);
    CHECK(second.at("state") == "skipped");
    const auto a = life.trigger("hanging").at("id").get<std::int64_t>();
    const Json b = life.trigger("hanging");
    CHECK(b.at("state_name") == "Queued");
    life.until([&] { return life.started.size() == 3; });
    (void)life.wait(life.engine->service().cancel(a, "me"));
    life.until([&] { return life.started.size() == 5; });
    (void)life.wait(life.engine->service().cancel(b.at("id"), "me"));
    CHECK_THAT(refusal([&] { life.cancel(a); }), Catch::Contains("is cancelled: it cannot be cancelled"));
    (void)life.wait(life.engine->service().cancel(first, "me"));
    CHECK(life.ended(b.at("id")).at("state") == "cancelled");
}

TEST_CASE("who cancels a run that is being cancelled gets what they asked for") {
    FreshDatabase database;
    Life life(database.url(), flows());
    const auto id = life.trigger_id("hanging");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    int answered = 0;
    for (int i = 0; i < 2; ++i)
        asio::co_spawn(life.io, life.engine->service().cancel(id, "me"), [&](std::exception_ptr failed, const Json&) {
            CHECK(!failed);
            ++answered;
        });
    life.until([&] { return answered == 2; });
    CHECK(life.ended(id).at("state") == "cancelled");
}

TEST_CASE("what one node holds or deploys, the others know soon") {
    FreshDatabase database;
    Life life(database.url(), flows()), other(database.url(), flows(), {}, "other");
    (void)life.wait(life.engine->service().set_schedules_paused("chain", true));
    other.until([&] { return other.wait(other.engine->read_models().flow("chain")).at("paused") == true; });
    life.folders.plans.push_back(plan_text("a: run", "newer"));
    life.deploy();
    other.until([&] { return other.wait(other.engine->read_models().flows()).at("items").size() == 8; });
}

TEST_CASE("a deploy puts limits and settings in force, unless it is a dry run") {
    FreshDatabase database;
    Life life(database.url(), flows());
    const int before = life.folders.adopted;
    life.folders.limits = {{"one", 3}, {"new", 1}};
    const auto keys = [&] {
        std::map<std::string, int> slots;
        const Json limits = life.wait(life.engine->read_models().limits());
        for (const auto& limit : limits.at("items")) slots[limit.at("key")] = limit.at("slots");
        return slots;
    };
    DeployRequest dry;
    dry.dry_run = true;
    (void)life.wait(life.engine->service().deploy(dry));
    CHECK(life.folders.adopted == before);
    CHECK(keys() == std::map<std::string, int>{{"one", 1}, {"two", 2}});
    life.deploy();
    CHECK(life.folders.adopted == before + 1);
    CHECK(keys() == std::map<std::string, int>{{"one", 3}, {"new", 1}});
}

TEST_CASE("a refusal says where a run is driven, and which of its chunks can be asked") {
    FreshDatabase database;
    auto chunked = flows().back();
    chunked.name = "chunked_hang";
    chunked.tasks = plan_text("hang: run").tasks;
    Life life(database.url(), {chunked}), other(database.url(), {chunked}, {}, "other");
    const auto id = life.trigger_id("chunked_hang");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    const auto pause = [id](Life& of) { return refusal([&] { (void)of.wait(of.engine->service().pause(id, "me")); }); };
    CHECK_THAT(pause(life), Catch::Contains("runs in chunks") && Catch::Contains("run " + std::to_string(id + 1)));
    CHECK_THAT(pause(other), Catch::Contains("driven by another node"));
    life.cancel(id);
    CHECK(life.ended(id).at("state") == "cancelled");
}

TEST_CASE("mapped tasks, slots and text that PostgreSQL refuses") {
    FreshDatabase database;
    Life life(database.url(), flows());
    const Json mapped = life.ended(life.trigger("mapped").at("id"));
    CHECK(mapped.at("state") == "completed");
    CHECK(mapped.at("tasks").size() == 6);
    const Json slots = life.ended(life.trigger("slots").at("id"));
    CHECK(slots.at("state") == "completed");
    CHECK(life.wait(life.engine->read_models().limits()).at("items")[0].at("held").empty());
    const Json failing = life.ended(life.trigger("failing").at("id"));
    CHECK(failing.at("state") == "failed");
    CHECK(failing.at("tasks")[1].at("error").at("class") == "permanent");
    CHECK(failing.at("tasks")[2].at("state_name") == "UpstreamFailed");

    const auto again =
        life.wait(life.engine->service().rerun({failing.at("id"), RerunRequest::From::Failed, "", "rerun"})).at("id").get<std::int64_t>();
    const Json rerun = life.ended(again);
    CHECK(rerun.at("rerun_of") == failing.at("id"));
    CHECK(rerun.at("tasks")[0].at("state_name") == "Reused");
}

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
    Life life(database.url(), flows());
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
    auto plans = flows();
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
    Life life(database.url(), flows());
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
    Life life(database.url(), flows());
    const Json run = life.ended(life.trigger("chunked").at("id"));
    CHECK(run.at("state") == "completed");
    REQUIRE(run.at("chunks").size() == 3);
    CHECK(run.at("chunks")[0].at("chunk") == Json{{"number", 1}, {"of", 3}});
    CHECK(run.at("chunks")[0].at("interval").at("end") == run.at("chunks")[1].at("interval").at("start"));
    CHECK(run.at("loads")[0].at("inserted") == 21);
    CHECK(life.started == std::vector<std::string>{"a", "c", "a", "c", "a", "c"});
}

TEST_CASE("a node whose epoch was taken writes nothing more") {
    FreshDatabase database;
    Life life(database.url(), flows());
    pqxx::connection connection(database.url());
    pqxx::nontransaction(connection).exec("update millrace.node set epoch = gen_random_uuid()");
    TriggerRequest request;
    request.flow = "chain";
    asio::co_spawn(life.io, life.engine->service().trigger(request), [](std::exception_ptr, TriggerResult) {});
    life.until([&] { return !life.fatal.empty(); });
    pqxx::nontransaction look(connection);
    CHECK(look.exec1("select count(*) from millrace.run")[0].as<int>() == 0);
}

TEST_CASE("the journal survives the loss of its connection") {
    FreshDatabase database;
    Life life(database.url(), flows());
    pqxx::connection connection(database.url());
    for (int i = 0; i < 3; ++i) {
        pqxx::nontransaction(connection)
            .exec("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = "
                  "'millrace' and pid <> pg_backend_pid()");
        CHECK(life.ended(life.trigger("chain").at("id")).at("state") == "completed");
    }
}

TEST_CASE("a chunk that completed in spite of a failure runs again when what failed does") {
    FreshDatabase database;
    auto plan = plan_text("a: extract\n b: transform continue\n c: load <- a", "lenient");
    plan.interval = flows().back().interval;
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

TEST_CASE("a condition that is neither true nor false fails its task, not the daemon") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: extract\n b: load <- a when=count", "odd")});
    life.hosts->holds = 3;
    const Json run = life.ended(life.trigger_id("odd"));
    CHECK(run.at("state") == "failed");
    CHECK(run.at("tasks")[1].at("message") == "`when`: a condition is true or false, and this is 3");
}
