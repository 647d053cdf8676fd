// The engine over a real PostgreSQL, with attempts that a test makes as it likes.
#include "life.hpp"

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
    CHECK(life.wait(life.engine->read_models().doctor()).at("store").at("schema_version") == 1);
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
    CHECK_THROWS_WITH(life.trigger("chain", "", {{"n", "x"}, {"m", 1}}), Catch::Contains("no parameter m") && Catch::Contains("of type int"));
    CHECK_THROWS_AS(life.trigger("nobody"), Refusal);
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
    (void)life.wait(life.engine->service().cancel(first, "me"));
    CHECK(life.ended(b.at("id")).at("state") == "cancelled");
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

    const auto again = life.wait(life.engine->service().rerun({failing.at("id"), RerunRequest::From::Failed, "", "rerun"})).at("id").get<std::int64_t>();
    const Json rerun = life.ended(again);
    CHECK(rerun.at("rerun_of") == failing.at("id"));
    CHECK(rerun.at("tasks")[0].at("state_name") == "Reused");
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
        pqxx::nontransaction(connection).exec("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'millrace' and pid <> pg_backend_pid()");
        CHECK(life.ended(life.trigger("chain").at("id")).at("state") == "completed");
    }
}
