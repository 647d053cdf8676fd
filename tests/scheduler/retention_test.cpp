// What retention removes, and when: decided by a table, done in real folders, on a clock that a test moves.
#include "../folder.hpp"
#include "flows/host_message.hpp"
#include "life.hpp"
#include "scheduler/retention.hpp"
#include "scheduler/staging_sweep.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using test::asked;
using test::Folder;
using test::FreshDatabase;
using test::Life;
using test::plan_text;
using test::told;
namespace fs = std::filesystem;
using std::chrono::days;
using std::chrono::hours;

namespace {

constexpr Instant start{days(20000)};
const std::set<Kept> everything{Kept::Raw, Kept::Quarantine, Kept::Datasets, Kept::Logs};

void put(const fs::path& file) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << "some bytes";
}

/// The files below, sorted: "logs/a.1.ndjson t/manifest.json".
std::string files_in(const fs::path& folder) {
    std::set<std::string> names;
    if (fs::exists(folder))
        for (const auto& entry : fs::recursive_directory_iterator(folder))
            if (!entry.is_directory()) names.insert(entry.path().lexically_relative(folder).string());
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "" : " ") + name;
    return out;
}

/// The pass that is due has ended.
void until_passed(Life& life) {
    life.until([&] {
        const Json history = life.wait(life.engine->read_models().doctor()).at("history");
        return history.at("last_ran_at") == to_rfc3339(life.stepped.now());
    });
}

void put_one_of_each(const fs::path& folder) {
    for (const char* file :
         {"logs/t.1.ndjson", "t/manifest.json", "t/raw/ab.ndjson.zst", "t/quarantine-1.json", "t/raw/rejected-1-0.ndjson"})
        put(folder / file);
}

} // namespace

TEST_CASE("what is not said of retention has a default, and history is kept a day at least") {
    const auto plain = retention_policy(Json());
    CHECK(plain.raw == days(7));
    CHECK(plain.datasets == days(7));
    CHECK(plain.logs == days(30));
    CHECK(plain.history == days(90));
    CHECK(plain.events == days(90));
    const auto said = retention_policy({{"logs", "36h"}, {"events", "7d"}});
    CHECK(said.logs == hours(36));
    CHECK(said.events == days(7));
    CHECK(said.history == days(90));
}

TEST_CASE("nothing is kept longer than the runs: what is not written follows what is") {
    const auto weeks = retention_policy({{"history", "14d"}});
    CHECK(weeks.history == days(14));
    CHECK(weeks.quarantine == days(14));
    CHECK(weeks.logs == days(14));
    CHECK(weeks.events == days(14));
    CHECK(weeks.raw == days(7));
    CHECK(weeks.datasets == days(7));
    const auto shortest = retention_policy({{"history", "1h"}, {"events", "7d"}});
    CHECK(shortest.history == days(1));
    CHECK(shortest.raw == days(1));
    CHECK(shortest.events == days(1));
    CHECK(retention_policy({{"quarantine", "120d"}}).history == days(120));
    CHECK(retention_policy({{"events", "120d"}}).history == days(120));
    CHECK(retention_policy({{"quarantine", "120d"}, {"history", "100d"}}).quarantine == days(100));
}

TEST_CASE("the kind of a file is told by its path") {
    CHECK(kind_of("logs/t.1.ndjson") == Kept::Logs);
    CHECK(kind_of("t/manifest.json") == Kept::Datasets);
    CHECK(kind_of("t/0123abcd/part-1.parquet") == Kept::Datasets);
    CHECK(kind_of("t/slices/a.json") == Kept::Datasets);
    CHECK(kind_of("t/raw/ab.ndjson.zst") == Kept::Raw);
    CHECK(kind_of("t/0123abcd/raw/ab.ndjson.zst") == Kept::Raw);
    CHECK(kind_of("t/raw/rejected-1-0.ndjson") == Kept::Quarantine);
    CHECK(kind_of("t/quarantine-1.parquet") == Kept::Quarantine);
    CHECK(kind_of("t/refused-deletes-1.json") == Kept::Quarantine);
}

TEST_CASE("what of a folder is due depends on its run and on how long ago that ended") {
    const RetentionPolicy policy;
    const auto of = [&](FolderOwner owner, std::chrono::microseconds changed_ago) {
        return due(policy, owner, start - changed_ago, start);
    };
    const auto ended = [](int days_ago) { return FolderOwner{true, false, start - days(days_ago)}; };
    CHECK(of(ended(7), days(7)).empty());
    CHECK(of(ended(8), days(9)) == std::set{Kept::Raw, Kept::Datasets});
    CHECK(of(ended(31), days(40)) == everything);
    CHECK(of({true, false, {}}, days(100)).empty());               // it is live
    CHECK(of({true, true, start - days(100)}, days(100)).empty()); // a live one goes on from it
    CHECK(of({}, hours(23)).empty());                              // perhaps its run is about to be
    CHECK(of({}, hours(25)) == everything);
}

TEST_CASE("a sweep takes what is due a little at a time, and nothing beside it") {
    Folder staging;
    const auto run = staging.path / "00000000-0000-4000-8000-000000000001";
    put_one_of_each(run);
    put(staging.path / "elsewhere/manifest.json");
    fs::create_directory_symlink(staging.path / "elsewhere", run / "t/link");
    const auto changed = fs::last_write_time(run) - hours(100);
    fs::last_write_time(run, changed);
    Swept swept;
    CHECK(run_folders(staging.path) == std::vector{run.filename().string()});
    CHECK_FALSE(sweep(run, everything, std::chrono::milliseconds(-1), swept)); // no time at all
    CHECK(swept.files == 0);
    CHECK(sweep(run, {Kept::Raw, Kept::Datasets}, hours(1), swept));
    CHECK(files_in(run) == "logs/t.1.ndjson t/quarantine-1.json t/raw/rejected-1-0.ndjson");
    CHECK(swept.files == 3); // the link too
    CHECK(swept.bytes > 0);
    CHECK(swept.folders == 0);
    CHECK(fs::last_write_time(run) == changed); // it is looked at by that
    CHECK(sweep(run, everything, hours(1), swept));
    CHECK_FALSE(fs::exists(run));
    CHECK(swept.folders == 1);
    CHECK(sweep(run, everything, hours(1), swept)); // another node was faster
    CHECK(swept.failed == 0);
    CHECK(files_in(staging.path) == "elsewhere/manifest.json");
}

TEST_CASE("each hour what has become old goes from the folders of runs, not from those of live ones") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run"), plan_text("hang: run", "long")}, start);
    const auto folder_of = [&](std::int64_t run) {
        return database.staging() / asked(database.url(), "select staging_id from millrace.run where id = " + std::to_string(run));
    };
    const auto aged = [](const fs::path& folder) {
        put_one_of_each(folder);
        fs::last_write_time(folder, fs::file_time_type::clock::now() - days(20000)); // the fake clock is behind the machine's
    };
    until_passed(life);
    const auto ended = life.trigger_id("flow"), live = life.trigger_id("long");
    (void)life.ended(ended);
    life.settle();
    const auto old = folder_of(ended), kept = folder_of(live), stray = database.staging() / "00000000-0000-4000-8000-000000000001";
    for (const auto& folder : {old, kept, stray}) aged(folder);
    const auto all = files_in(kept);
    const auto step = [&](std::chrono::microseconds by) {
        life.step(by);
        until_passed(life);
    };
    step(hours(2));
    CHECK_FALSE(fs::exists(stray));
    CHECK(files_in(old) == all);
    step(days(8));
    CHECK(files_in(old) == "logs/t.1.ndjson t/quarantine-1.json t/raw/rejected-1-0.ndjson");
    step(days(23));
    CHECK_FALSE(fs::exists(old));
    CHECK(files_in(kept) == all);
    const Json history = life.wait(life.engine->read_models().doctor()).at("history");
    CHECK(history.at("failure") == "");
    CHECK(history.at("policy").at("logs") == 30 * 86400);
    CHECK(history.at("disks").at(0).at("free_bytes") > 0);
    life.until([&] { return asked(database.url(), "select count(*) from millrace.event where kind = 'retention'") == "3"; });
    SECTION("settings that come into force count from the next hour on") {
        life.folders.kept = {{"datasets", "100d"}};
        const auto next = life.trigger_id("flow");
        (void)life.ended(next);
        aged(folder_of(next));
        step(days(40));
        CHECK(files_in(folder_of(next)) == "t/manifest.json");
    }
}

TEST_CASE("each hour logs that no host compressed become smaller, of runs that ended an hour ago") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run"), plan_text("hang: run", "long")}, start);
    until_passed(life);
    const auto ended = life.trigger_id("flow"), live = life.trigger_id("long");
    (void)life.ended(ended);
    life.settle();
    const auto log_of = [&](std::int64_t run) {
        const auto id = asked(database.url(), "select staging_id from millrace.run where id = " + std::to_string(run));
        const auto file = database.staging() / id / "logs/t.1.ndjson";
        put(file);
        std::ofstream out(file, std::ios::trunc);
        for (int i = 0; i < 1000; ++i) out << Json(LogLine{to_rfc3339(start), "out", "a line", i == 999}).dump() << "\n";
        out.close();
        fs::last_write_time(file, fs::file_time_type::clock::now() - days(20000)); // the fake clock is behind the machine's
        return file.string();
    };
    const auto of_ended = log_of(ended), of_live = log_of(live);
    life.step(hours(2));
    until_passed(life);
    CHECK_FALSE(fs::exists(of_ended));
    CHECK(fs::exists(of_ended + ".zst"));
    CHECK(fs::exists(of_live));
}

TEST_CASE("runs that ended long ago go with their period, and their numbers do not come again") {
    FreshDatabase database;
    std::optional<Life> life;
    life.emplace(database.url(), std::vector{plan_text("a: run"), plan_text("b: run", "other")}, start);
    const auto first = life->trigger_id("other");
    (void)life->ended(first);
    told(database.url(), "select millrace.add_period(1025, 1089); select setval('millrace.run_id', 1025, false)");
    until_passed(*life);
    std::int64_t last = first;
    while (last < 1025) last = life->trigger_id("flow");
    (void)life->ended(last);
    life->step(days(89));
    until_passed(*life);
    CHECK(life->runs("other").size() == 1);
    life->step(days(2));
    until_passed(*life);
    CHECK(life->runs("other").empty());
    CHECK(asked(database.url(), "select min(id) >= 1025 from millrace.run") == "t");
    CHECK_THROWS_AS(life->run(first), Refusal);
    const auto after = life->trigger_id("other");
    CHECK(after > last);
    (void)life->ended(after);
    const Instant then = life->stepped.now();
    life.reset(); // killed
    life.emplace(database.url(), std::vector{plan_text("a: run"), plan_text("b: run", "other")}, then);
    CHECK(life->trigger_id("other") > after);
}

TEST_CASE("a daemon starts on a store with many periods, and serves from it") {
    FreshDatabase database;
    std::optional<Life> life;
    life.emplace(database.url(), std::vector{plan_text("a: run")});
    const auto first = life->trigger_id("flow");
    (void)life->ended(first);
    life.reset();
    told(database.url(),
         "select millrace.add_period(1025 + 64 * n, 1089 + 64 * n) from generate_series(0, 58) n;"
         "insert into millrace.run select (r).* from (select jsonb_populate_record(r, jsonb_build_object('id', 1025 + 64 * n,"
         " 'staging_id', gen_random_uuid())) as r from millrace.run r, generate_series(0, 58) n where id = 1) made");
    life.emplace(database.url(), std::vector{plan_text("a: run")});
    const auto next = life->trigger_id("flow");
    CHECK(next == 1025 + 64 * 58 + 1);
    CHECK(life->ended(next).at("state") == "completed");
    CHECK(life->runs("flow").size() == 61);
}

TEST_CASE("a re-run makes again what it needs of datasets that retention removed") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: extract\nb: transform <- a\nc: load <- b\nd: transform\ne: load <- d")});
    const auto path_of = [&](const std::string& task) { return life.folder / (task + ".json"); };
    bool fails = true;
    life.hosts->script = [&](const AttemptOrder& order) -> std::optional<AttemptDone> {
        if (order.task == "c" && fails) return test::failed_attempt("permanent");
        AttemptDone done;
        done.outcome = "completed";
        if (order.verb != "load") put(path_of(order.task)), done.manifest = path_of(order.task);
        return done;
    };
    const auto first = life.trigger_id("flow");
    CHECK(life.ended(first).at("state") == "failed");
    fails = false;
    life.started.clear();
    const auto again = [&] {
        RerunRequest request;
        request.run_id = first;
        request.from = RerunRequest::From::Failed;
        const auto id = life.wait(life.engine->service().rerun(request)).at("id").get<std::int64_t>();
        CHECK(life.ended(id).at("state") == "completed");
        return std::exchange(life.started, {});
    };
    SECTION("all are there") { CHECK(again() == test::Texts{"c"}); }
    SECTION("that of a task before the last one is of no use any more") {
        fs::remove(path_of("a")), fs::remove(path_of("d"));
        CHECK(again() == test::Texts{"c"});
    }
    SECTION("what is needed is gone, and what that is made of") {
        for (const char* task : {"a", "b", "d"}) fs::remove(path_of(task));
        CHECK(again() == test::Texts{"a", "b", "c"});
    }
}
