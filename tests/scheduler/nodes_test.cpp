// Several nodes of one store, over a real PostgreSQL.
#include "flows/error.hpp"
#include "life.hpp"
#include "scheduler/run_id_block.hpp"
#include "scheduler/staging_mark.hpp"
#include "scheduler/store/history.hpp"
#include "scheduler/store/migrate.hpp"

#include <fstream>

using namespace millrace;
using test::FreshDatabase;
using test::Life;
using test::plan_text;
namespace asio = boost::asio;

namespace {

constexpr Instant noon{std::chrono::days(20000) + std::chrono::hours(12)};

/// What a node has of run ids, over a store.
struct Numbers {
    explicit Numbers(const std::string& url) : database(url, 1, store_statements()) {}
    template <class T>
    T wait(asio::awaitable<T> work) {
        std::optional<T> result;
        asio::co_spawn(io, std::move(work), [&](std::exception_ptr failed, T value) {
            REQUIRE(!failed);
            result = std::move(value);
        });
        test::run_until(io, [&] { return result.has_value(); });
        return *result;
    }
    std::int64_t take() {
        std::int64_t id = 0;
        test::run_until(io, [&] { return id != 0 || (id = ids.take()) != 0; });
        return id;
    }
    void look() { ids.see_newest(wait(store.newest_run_ids())); }

    asio::io_context io;
    Database database;
    Store store{database};
    RunIdBlock ids{io, store};
};

} // namespace

TEST_CASE("a node gives up the run ids that it has when another has newer ones, a node that rests takes no others for that") {
    FreshDatabase database;
    migrate(database.url());
    Numbers one(database.url()), two(database.url());
    CHECK(one.take() == 1);
    one.look();
    CHECK(one.take() == 2); // nobody has newer ones
    CHECK(two.take() == 65);
    for (int i = 0; i < 3; ++i) one.look(), two.look();
    CHECK(two.take() == 66);
    CHECK(two.wait(two.store.newest_run_ids()) == 65);
    CHECK(one.take() == 129); // a block like any other, though none was left
    for (int i = 0; i < 3; ++i) one.look();
    CHECK(one.take() == 130);
    CHECK(two.wait(two.store.newest_run_ids()) == 129);
}

TEST_CASE("a flow that another node has just deployed, or brought back, is found by whoever asks for it here") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "old")}, noon);
    life.folders.plans.erase(life.folders.plans.begin());
    life.deploy(); // `old` is archived
    Life other(database.url(), {plan_text("a: run", "old")}, {}, "other");
    CHECK(life.ended(life.trigger_id("old")).at("state") == "completed"); // the clock stands: it looks at nothing by itself
    for (const auto* name : {"fresh1", "fresh2"}) {
        other.folders.plans.push_back(plan_text("a: run", name));
        other.deploy();
        if (name == std::string("fresh1"))
            CHECK(life.wait(life.engine->read_models().flow(name)).at("name") == name);
        else
            CHECK(life.ended(life.trigger_id(name)).at("state") == "completed");
    }
    const auto told = test::refusal([&] { (void)life.trigger("fresh3"); });
    CHECK_THAT(told, Catch::StartsWith("there is no flow fresh3 - did you mean fresh"));
}

TEST_CASE("a run that is taken over tells how many of its attempts begin again") {
    FreshDatabase database;
    const std::vector plans{plan_text("hang: run", "hangs"), plan_text("ask: approve", "asks")};
    auto life = std::make_unique<Life>(database.url(), plans);
    const auto hangs = life->trigger_id("hangs"), asks = life->trigger_id("asks");
    life->until([&] { return !life->hosts->hanging().empty() && life->run(asks).at("state_name") == "AwaitingApproval"; });
    life.reset();
    life = std::make_unique<Life>(database.url(), plans);
    const auto told = [&](std::int64_t id) {
        const Json events = life->wait(life->engine->read_models().events(id, {})).at("items");
        const auto found = std::find_if(events.begin(), events.end(), [](const Json& event) { return event.at("kind") == "resumed"; });
        return found == events.end() ? "" : found->at("message").get<std::string>();
    };
    life->until([&] { return !told(hangs).empty() && !told(asks).empty(); });
    CHECK(told(hangs) == "a daemon took the run over; 1 attempt begins again");
    CHECK(told(asks) == "a daemon took the run over");
}

TEST_CASE("a run is newer than those that other nodes began a few seconds before") {
    FreshDatabase database;
    std::vector plans{plan_text("a: run", "f"), plan_text("w: wait", "probe")};
    plans[0].overlap = "allow"; // only one node's loop runs at a time here
    Life life(database.url(), {plans[0]}, noon), other(database.url(), plans, {}, "other");
    const auto before = other.trigger_id("f");
    std::int64_t id = 0;
    for (int second = 0; second < 6 && id < before; ++second) {
        life.step(std::chrono::seconds(1));
        id = life.trigger_id("f");
    }
    CHECK(id > before);
    (void)life.ended(id);
    CHECK(life.runs("f").back().at("id") == id);
}

TEST_CASE("the chunks that a node begins of a run that it took over come after that run") {
    FreshDatabase database;
    auto plan = plan_text("hang: run", "chunked");
    plan.interval = test::chunked_plan().interval;
    Life other(database.url(), {plan}, {}, "other");
    auto life = std::make_unique<Life>(database.url(), std::vector{plan});
    const auto id = life->trigger_id("chunked");
    life->until([&] { return life->hosts->hanging().size() == 1; });
    life.reset();
    test::told(database.url(), "update millrace.node set lease_until = now() - interval '1 s' where id = 'test'");
    AttemptDone done;
    done.outcome = "completed";
    other.until([&] {
        if (!other.hosts->hanging().empty()) other.hosts->end(other.hosts->hanging().front().id, done);
        return !other.run(id).at("finished_at").is_null();
    });
    CHECK(other.run(id).at("chunks").size() == 3);
}

TEST_CASE("whether a staging folder is the one of the store is judged by its mark, and by who could have another") {
    const StagingMark known{"m", "n1", "/shared", noon};
    const auto verdict = [&](const StagingFolder& folder) { return judge(known, folder); };
    using enum StagingVerdict;
    CHECK(judge(std::nullopt, {"n1", "/shared", false, false, true}) == Make);
    CHECK(judge(std::nullopt, {"n1", "/shared", false, false, false}) == Make); // an upgrade of several nodes: the first makes it
    for (const bool alone : {false, true}) CHECK(verdict({"n1", "/elsewhere", false, true, alone}) == Ours); // moved with all in it
    for (const auto* node : {"n1", "n2"})
        for (const auto* path : {"/shared", "/elsewhere"})
            for (const bool own : {false, true}) CHECK(verdict({node, path, own, false, false}) == Refuse);
    CHECK(verdict({"n1", "/shared", false, false, true}) == Refuse); // it is not mounted
    CHECK(verdict({"n1", "/elsewhere", false, false, true}) == Move);
    CHECK(verdict({"n1", "/shared", true, false, true}) == Move); // below the state, whose lock is held: emptied by hand
}

TEST_CASE("a node whose staging folder is another than that of the others does not begin, and takes nothing over") {
    FreshDatabase database;
    auto life = std::make_unique<Life>(database.url(), std::vector{plan_text("hang: run", "f")});
    const auto id = life->trigger_id("f");
    life->until([&] { return !life->hosts->hanging().empty(); });
    life.reset();
    test::told(database.url(), "update millrace.node set lease_until = now() - interval '1 s'");
    const auto epoch = test::asked(database.url(), "select epoch from millrace.run");
    const auto elsewhere = std::filesystem::path(database.staging().string() + "-elsewhere");
    const auto begin = [&] { Life other(database.url(), {}, {}, "other", elsewhere); };
    std::string told;
    try {
        begin();
    } catch (const Error& error) {
        told = std::string(error.what()) + " - " + error.remedy;
    }
    const auto mark = mark_file("", test::asked(database.url(), "select mark from millrace.staging")).string();
    CHECK_THAT(told, Catch::StartsWith("the staging folder " + elsewhere.string() + " is not the one of this store: it lacks the file " +
                                       mark + ", which node test made in " + database.staging().string()));
    CHECK_THAT(told, Catch::EndsWith("touch " + (elsewhere / mark).string()));
    CHECK(test::asked(database.url(), "select string_agg(id, ',') from millrace.node") == "test");
    CHECK(test::asked(database.url(), "select epoch from millrace.run") == epoch);
    std::ofstream(elsewhere / mark).flush(); // as it says
    {
        Life other(database.url(), {plan_text("hang: run", "f")}, {}, "other", elsewhere);
        other.until([&] { return !other.hosts->hanging().empty(); });
        CHECK(other.hosts->hanging()[0].context.run_id == id);
    }
    std::filesystem::remove_all(elsewhere);
}

TEST_CASE("one node alone may be given another staging folder, the old one is its store's no more, and an event tells of it") {
    FreshDatabase database;
    const auto elsewhere = std::filesystem::path(database.staging().string() + "-elsewhere");
    const std::vector plans{plan_text("a: run", "f")};
    const auto marks = [&] { return test::asked(database.url(), "select mark from millrace.staging"); };
    { Life life(database.url(), plans); }
    const auto before = marks();
    { Life life(database.url(), plans); }
    CHECK(marks() == before);
    { Life life(database.url(), plans, {}, "test", elsewhere); }
    CHECK(marks() != before);
    CHECK(std::filesystem::exists(mark_file(elsewhere, marks())));
    CHECK_THAT(test::asked(database.url(), "select message from millrace.event where kind = 'staging_moved'"),
               Catch::StartsWith("the staging folder is " + elsewhere.string() + " now, and was " + database.staging().string()));
    CHECK_THROWS_WITH(Life(database.url(), plans, {}, "other"), Catch::Contains("is not the one of this store"));
    std::filesystem::remove_all(elsewhere);
}

TEST_CASE("task runs wait, and nothing is taken over, while the staging folder is not mounted") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")});
    const auto away = std::filesystem::path(database.staging().string() + "-away");
    std::filesystem::rename(database.staging(), away);
    std::filesystem::create_directory(database.staging()); // the mount point
    const auto lost = [&] { return life.wait(life.engine->read_models().doctor()).at("staging_lost").get<std::string>(); };
    life.until([&] { return !lost().empty(); });
    const auto id = life.trigger_id("f");
    life.until([&] { return life.run(id).at("tasks")[0].at("state_name") == "WaitingForDisk"; });
    CHECK(life.run(id).at("tasks")[0].at("message") == lost());
    std::filesystem::remove_all(database.staging());
    std::filesystem::rename(away, database.staging());
    life.until([&] { return lost().empty(); });
    CHECK(life.ended(id).at("state") == "completed");
    CHECK(test::asked(database.url(), "select string_agg(kind, ',' order by id) from millrace.event where kind like 'staging%'") ==
          "staging_lost,staging_found");
}

TEST_CASE("a node that starts leaves limits as the others have them, and says so, a deploy on it puts its own in force") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")});
    life.folders.limits = {{"one", 3}, {"extra", 1}};
    life.deploy();
    Life other(database.url(), {plan_text("a: run", "f")}, {}, "other"); // whose millrace.yaml says one: 1, two: 2
    const auto in_force = [&] {
        return test::asked(database.url(), "select string_agg(key || ' ' || n, ', ' order by key) from"
                                           " (select key, count(*) as n from millrace.slot where not retired group by key) s");
    };
    CHECK(in_force() == "extra 1, one 3, two 2");
    DeployRequest start;
    start.at_start = true;
    other.folders.limits = {{"one", 1}, {"two", 2}};
    (void)other.wait(other.engine->service().deploy(start));
    CHECK(in_force() == "extra 1, one 3, two 2");
    const auto differences = [&] { return other.wait(other.engine->read_models().doctor()).at("limits_of_others"); };
    CHECK(differences() == Json::parse(R"([{"key": "extra", "slots": 1, "written": null}, {"key": "one", "slots": 3, "written": 1}])"));
    CHECK(test::asked(database.url(), "select message from millrace.event where kind = 'limits_differ'") ==
          "node other started with other limits than those in force, which stay: extra 1 (here none), one 3 (here 1)");
    other.deploy();
    CHECK(in_force() == "one 1, two 2");
    CHECK(differences().empty());
    (void)life.wait(Life::flag(life.engine->stop()));
    other.folders.limits = {{"one", 2}};
    (void)other.wait(other.engine->service().deploy(start)); // nobody else lives
    CHECK(in_force() == "one 2");
}

TEST_CASE("what deployed flows demand is there though the others that live have fewer slots") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")});
    auto demanding = plan_text("a: run", "g");
    demanding.limits.push_back({"one", 4});
    Life other(database.url(), {plan_text("a: run", "f")}, {}, "other");
    DeployRequest start;
    start.at_start = true;
    other.folders.plans.push_back(demanding);
    other.folders.limits = {{"one", 4}, {"two", 2}};
    (void)other.wait(other.engine->service().deploy(start));
    CHECK(test::asked(database.url(), "select count(*) from millrace.slot where key = 'one' and not retired") == "4");
    CHECK(other.wait(other.engine->read_models().doctor()).at("limits_of_others").empty());
}

TEST_CASE("a node that is gone for a week is forgotten") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")});
    const auto nodes = [&] { return test::asked(database.url(), "select string_agg(id, ',' order by id) from millrace.node"); };
    test::told(database.url(), "insert into millrace.node (id, epoch, lease_until, journal_seq, started_at, version, pid) "
                               "select 'n' || days, gen_random_uuid(), now() - make_interval(days => days), 0, now(), 'v', 1"
                               "  from unnest('{1, 6, 8, 90}'::int[]) days");
    Database store(database.url(), 1, history_statements());
    life.until([&] { // not as long as the server has just started; the daemon's own look may come first
        (void)life.wait(forget_nodes(store));
        return nodes() == "n1,n6,test";
    });
    const Json listed = life.wait(life.engine->read_models().nodes()).at("items");
    CHECK(listed.at(0).at("id") == "test"); // those that live come first
    CHECK(listed.at(0).at("alive") == true);
}

TEST_CASE("each hour nodes that are gone for long are looked for, and what was asked of runs long ago") {
    FreshDatabase database;
    Life life(database.url(), {}, noon);
    test::told(database.url(), "insert into millrace.node (id, epoch, lease_until, journal_seq, started_at, version, pid) "
                               "values ('old', gen_random_uuid(), now() - interval '8 days', 0, now(), 'v', 1);"
                               "insert into millrace.request (run_id, what, task, comment, by, asked_at)"
                               "values (1, 'cancel', '', '', 'run 2, which takes its place', '2020-01-01')");
    life.until([&] {
        life.stepped.step_to(life.stepped.now() + std::chrono::hours(1));
        return test::asked(database.url(), "select count(*) || ' ' || (select count(*) from millrace.request) from millrace.node") == "1 0";
    });
}
