// What a deploy does to runs that are under way, and what it leaves alone.
#include "life.hpp"

using namespace millrace;
using test::FreshDatabase;
using test::Life;
using test::plan_text;
namespace asio = boost::asio;

namespace {

std::map<std::string, int> slots(Life& life) {
    std::map<std::string, int> out;
    const Json limits = life.wait(life.engine->read_models().limits());
    for (const auto& limit : limits.at("items")) out[limit.at("key")] = limit.at("slots");
    return out;
}

Json deployed(Life& life) { return life.wait(life.engine->service().deploy({})); }

/// The attempt that hangs completes.
void let_go(Life& life) {
    AttemptDone done;
    done.outcome = "completed";
    REQUIRE(life.hosts->end(life.hosts->hanging().at(0).id, done));
}

const Json removed_two = Json::array({{{"setting", "limits.two"}, {"change", "removed"}}});

} // namespace

TEST_CASE("a limit that is renamed while a run needs it is kept for that run, and said to be") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("hang: run\n b: run <- hang limit=two", "renamed")});
    const auto id = life.trigger_id("renamed");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    life.folders.plans = {plan_text("hang: run\n b: run <- hang limit=new", "renamed")};
    life.folders.limits = {{"new", 2}};
    const Json kept = deployed(life).at("settings");
    REQUIRE(kept.size() == 1);
    CHECK(kept[0] == Json{{"setting", "limits.two"}, {"change", "kept"}, {"slots", 1}});
    CHECK(slots(life) == std::map<std::string, int>{{"new", 2}, {"two", 1}});
    let_go(life);
    CHECK(life.ended(id).at("state") == "completed");
    CHECK(deployed(life).at("settings").empty());
    CHECK(slots(life) == std::map<std::string, int>{{"new", 2}});
}

TEST_CASE("a flow with a mistake keeps changed settings, and all flows that were compiled with them, out of force") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run limit=two", "old")});
    const int adopted = life.folders.adopted;
    life.folders.plans = {plan_text("a: run limit=new", "old")};
    life.folders.limits = {{"new", 2}};
    life.folders.settings = removed_two;
    life.folders.broken = true;
    const Json told = deployed(life);
    CHECK(told.at("settings")[0].at("held_back") == true);
    CHECK(told.at("changes")[0].at("held_back") == true);
    CHECK(life.folders.adopted == adopted);
    CHECK(slots(life) == std::map<std::string, int>{{"one", 1}, {"two", 2}});
    CHECK(life.ended(life.trigger_id("old")).at("state") == "completed");
    life.folders.broken = false;
    CHECK_FALSE(deployed(life).at("settings")[0].contains("held_back"));
    CHECK(life.folders.adopted == adopted + 1);
    CHECK(slots(life) == std::map<std::string, int>{{"new", 2}});
}

TEST_CASE("at a start with another millrace.yaml, deployed flows keep the limits that they need") {
    FreshDatabase database;
    const auto flow = plan_text("a: run limit=three", "f");
    {
        Life life(database.url(), {flow});
        life.folders.limits = {{"three", 3}};
        life.deploy();
    }
    Life life(database.url(), {flow}); // its settings know no limit `three`
    CHECK(slots(life) == std::map<std::string, int>{{"one", 1}, {"three", 1}, {"two", 2}});
    CHECK(life.ended(life.trigger_id("f")).at("state") == "completed");
}

TEST_CASE("a task whose limit is not there fails and says what to write, a run likewise") {
    FreshDatabase database;
    auto whole = plan_text("a: run", "whole");
    whole.limits.push_back({"two", 2});
    Life life(database.url(), {plan_text("a: run limit=one", "by_task"), whole});
    {
        pqxx::connection connection(database.url());
        pqxx::nontransaction(connection).exec("delete from millrace.slot where key = 'one' or number = 2");
    }
    const Json task = life.ended(life.trigger_id("by_task"));
    CHECK(task.at("state") == "failed");
    const Json error = task.at("tasks")[0].at("error");
    CHECK(error.at("class") == "permanent");
    CHECK_THAT(error.at("message").get<std::string>(), Catch::Contains("limit 'one'"));
    CHECK_THAT(error.at("remedy").get<std::string>(), Catch::Contains("one: 1"));
    const Json run = life.ended(life.trigger_id("whole"));
    CHECK(run.at("state") == "failed");
    CHECK_THAT(run.at("message").get<std::string>(), Catch::Contains("the limit 'two' has only 1, and needed are 2"));
    CHECK(life.started.empty());
}

TEST_CASE("deploys at the same time go one after the other") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")});
    life.folders.limits = {{"one", 1}};
    int answered = 0;
    for (int i = 0; i < 4; ++i)
        asio::co_spawn(life.io, life.engine->service().deploy({}), [&](std::exception_ptr failed, const Json&) {
            CHECK(!failed);
            ++answered;
        });
    life.until([&] { return answered == 4; });
    CHECK(life.folders.adopted == 5);
    CHECK_FALSE(life.folders.overtaken);
}

TEST_CASE("a deploy that fails makes way for the next, and one that is under way at the end harms nobody") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")});
    life.folders.fail_next = true;
    CHECK_THROWS_AS(deployed(life), Refusal);
    CHECK(deployed(life).at("changes").size() == 1);
    for (int i = 0; i < 2; ++i) asio::co_spawn(life.io, life.engine->service().deploy({}), [](std::exception_ptr, const Json&) {});
    life.io.restart();
    life.io.poll();
}

TEST_CASE("a flow that only moved within its file is unchanged, and its attempts know the new line") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")});
    life.folders.plans[0].origins.tasks["a"] = {"flows/f.yaml", 9, 0};
    CHECK(deployed(life).at("changes")[0].at("change") == "unchanged");
    std::string origin;
    life.hosts->script = [&](const AttemptOrder& order) -> std::optional<AttemptDone> {
        origin = to_text(order.origin);
        return std::nullopt;
    };
    CHECK(life.ended(life.trigger_id("f")).at("state") == "completed");
    CHECK(origin == "flows/f.yaml:9");
    CHECK(deployed(life).at("changes")[0].at("change") == "unchanged");
}

TEST_CASE("a flow that moved to another folder goes on there, and is not taken from a folder that is not looked at") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "moved")});
    life.folders.folder_name = "etl";
    DeployRequest only_that;
    only_that.folders = {"etl"};
    const Json refused = life.wait(life.engine->service().deploy(only_that)).at("changes");
    CHECK(refused[0].at("change") == "error");
    CHECK(refused[0].at("diagnostics")[0].at("message") == "flow moved is deployed from flows");
    CHECK(deployed(life).at("changes")[0].at("change") == "unchanged");
    CHECK(life.wait(life.engine->service().deploy(only_that)).at("changes")[0].at("change") == "unchanged");
    life.folders.plans.clear();
    CHECK(deployed(life).at("changes")[0].at("change") == "archived");
}

TEST_CASE("while a file has mistakes no flow counts as gone, for it may be that file's") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "was_here")});
    life.folders.plans.clear();
    life.folders.broken = true;
    CHECK(deployed(life).at("changes").size() == 1);
    CHECK(life.ended(life.trigger_id("was_here")).at("state") == "completed");
}

TEST_CASE("a deploy names the other nodes that live") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")});
    CHECK(deployed(life).at("other_nodes") == Json::array());
    Life other(database.url(), {plan_text("a: run", "f")}, {}, "other");
    CHECK(deployed(life).at("other_nodes") == Json::array({"other"}));
    CHECK(deployed(other).at("other_nodes") == Json::array({"test"}));
}

TEST_CASE("a deploy and the list of flows tell which flows came with Millrace") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "shipped")});
    CHECK(deployed(life).at("changes").at(0).at("demo") == false);
    life.folders.demo = true;
    CHECK(deployed(life).at("changes").at(0).at("demo") == true);
    CHECK(life.wait(life.engine->read_models().flows()).at("items").at(0).at("demo") == true);
}
