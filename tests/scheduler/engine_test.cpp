// The engine over a real PostgreSQL, with attempts that a test makes as it likes.
#include "life.hpp"
#include "scheduler/store/migrate.hpp"

using namespace millrace;
using test::FreshDatabase;
using test::Life;
using test::plan_text;
using test::refusal;
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
    ParamSpec n;
    n.name = "n", n.type = "int", n.default_value = 3;
    chain.params.push_back(n);
    return {chain, hang, skip, mapped, failing, slots, test::chunked_plan()};
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
    const Json log = life.wait(life.engine->read_models().logs(id, {})); // of which no host wrote anything
    CHECK(log.at("end") == true);
    REQUIRE(log.at("items").size() == 3);
    CHECK(log.at("items")[2].at("task") == "c");
    CHECK(log.at("items")[2].at("level") == "warning");
    CHECK_THAT(log.at("items")[2].at("text").get<std::string>(), Catch::Contains("retention.logs"));
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

TEST_CASE("a condition that is neither true nor false fails its task, not the daemon") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: extract\n b: load <- a when=count", "odd")});
    life.hosts->holds = 3;
    const Json run = life.ended(life.trigger_id("odd"));
    CHECK(run.at("state") == "failed");
    CHECK(run.at("tasks")[1].at("message") == "`when`: a condition is true or false, and this is 3");
}
