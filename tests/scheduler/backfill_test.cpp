// Backfills, over a real PostgreSQL.
#include "../zone_folder.hpp"
#include "given_backfills.hpp"
#include "scheduler/new_run.hpp"

using namespace millrace;
using test::backfill;
using test::begun;
using test::daily;
using test::daily_of_a_region;
using test::days_of;
using test::finish_one;
using test::finished;
using test::FreshDatabase;
using test::Life;
using test::number_of;
using test::plan_text;
using test::refusal;
using test::run_by_hand;

TEST_CASE("a backfill runs a span of the past in chunks, as many at once as it may") {
    FreshDatabase database;
    Life life(database.url(), {daily("hang: run")});
    const auto id = number_of(begun(life, backfill("days", "2026-01-01", "2026-01-06", 3)));
    life.until([&] { return life.hosts->hanging().size() == 3; });
    CHECK(life.run(id).at("chunks").size() == 3);
    CHECK(life.run(id).at("trigger") == "backfill");
    CHECK(life.run(id).at("message") == "0 of 5 chunks done");
    finish_one(life);
    life.until([&] { return life.run(id).at("chunks").size() == 4; });
    CHECK(life.hosts->hanging().size() == 3);
    life.until([&] { return life.run(id).at("message") == "1 of 5 chunks done"; });
    const Json run = finished(life, id);
    CHECK(run.at("state") == "completed");
    CHECK(days_of(run) == test::Texts{"01", "02", "03", "04", "05"});
}

TEST_CASE("a run of more chunks than its document holds says where the older ones are") {
    FreshDatabase database;
    Life life(database.url(), {daily()});
    const auto id = number_of(begun(life, backfill("days", "2024-01-01", "2025-06-01", 16)));
    life.until([&] { return !life.run(id).at("finished_at").is_null(); });
    const Json run = life.run(id);
    CHECK(run.at("chunks").size() == 500);
    CHECK(run.at("chunks").back().at("interval").at("start") == "2025-05-31T00:00:00Z");
    RunFilter older;
    older.parent = id;
    older.after = run.at("chunks_next").get<std::string>();
    const Json rest = life.wait(life.engine->read_models().runs(older));
    CHECK(rest.at("items").size() == 17);
    CHECK(rest.at("items").back().at("interval").at("start") == "2024-01-01T00:00:00Z");
}

TEST_CASE("a second backfill of the same time is refused while the first one runs, one of another time and a trial are not") {
    FreshDatabase database;
    Life life(database.url(), {daily("hang: run")});
    const auto id = number_of(begun(life, backfill("days", "2026-01-01", "2026-01-03")));
    CHECK(test::refusal([&] { begun(life, backfill("days", "2026-01-02", "2026-01-09")); }).find("run 1 is a backfill of days") !=
          std::string::npos);
    const auto other = number_of(begun(life, backfill("days", "2026-01-03", "2026-01-04")));
    auto trial = backfill("days", "2026-01-01", "2026-01-02");
    trial.limit_rows = 3;
    const auto third = number_of(begun(life, trial));
    trial.interval_start = "2026-03-01", trial.interval_end = "2026-03-03";
    const auto fourth = number_of(begun(life, trial));
    const auto beside_it = number_of(begun(life, backfill("days", "2026-03-02", "2026-03-04")));
    for (const auto run : {id, other, third, fourth, beside_it}) CHECK(finished(life, run).at("state") == "completed");
    CHECK(finished(life, number_of(begun(life, backfill("days", "2026-01-02", "2026-01-09")))).at("state") == "completed");
}

TEST_CASE("of backfills of one time that are asked for at the same moment one begins, and the others are told which") {
    FreshDatabase database;
    const bool on_two_nodes = GENERATE(false, true);
    Life life(database.url(), {daily("hang: run")});
    std::optional<Life> other;
    if (on_two_nodes) other.emplace(database.url(), std::vector{daily("hang: run")}, std::nullopt, "other");
    std::optional<pqxx::connection> connection(std::in_place, database.url());
    std::optional<pqxx::work> held(std::in_place, *connection); // until each has looked, and none is committed
    held->exec("select from millrace.node for update");
    std::vector<std::string> told;
    std::vector<std::int64_t> ran;
    const auto ask = [&](Life& of, const char* from, const char* to) {
        boost::asio::co_spawn(of.io, of.engine->service().trigger(backfill("days", from, to)), [&](std::exception_ptr e, TriggerResult r) {
            if (!e) return ran.push_back(number_of(r.run));
            told.push_back(refusal([&] { std::rethrow_exception(e); }));
        });
    };
    ask(life, "2026-01-01", "2026-01-04");
    ask(other ? *other : life, "2026-01-03", "2026-01-06");
    const auto turn = [&] {
        for (auto* node : {&life, other ? &*other : nullptr}) {
            if (!node) continue;
            node->io.restart();
            node->io.run_for(std::chrono::milliseconds(2));
        }
    };
    const auto is_admitted = [&] { // with what has begun of its chunks
        const auto of = [](Life& node) { return node.engine->read_models().figures().at("live_runs").get<int>(); };
        return other ? of(life) >= 1 && of(*other) >= 1 : of(life) >= 3;
    };
    const auto until = [&](auto condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition() && std::chrono::steady_clock::now() < deadline) turn();
        CAPTURE(told, ran);
        REQUIRE(condition());
    };
    until(is_admitted);
    held.reset();
    connection.reset();
    until([&] { return ran.size() + told.size() == 2; });
    REQUIRE(ran.size() == 1);
    CHECK(told.front().starts_with("run " + std::to_string(ran.front()) + " is a backfill of days"));
    CHECK(test::asked(database.url(), "select count(*) from millrace.run where parent_id is null") == "1");
    CHECK(life.engine->read_models().figures().at("journal_refused_total") == 0);
}

TEST_CASE("runs of the flow and its backfill do not wait for each other") {
    FreshDatabase database;
    auto plan = daily("hang: run");
    plan.overlap = GENERATE("queue", "skip", "cancel_previous");
    Life life(database.url(), {plan});
    const auto past = number_of(begun(life, backfill("days", "2026-01-01", "2026-01-03")));
    const auto now = life.trigger_id("days");
    life.until([&] { return life.hosts->hanging().size() == 2; });
    CHECK(life.run(past).at("state") == "running");
    CHECK(life.run(now).at("state") == "running");
}

TEST_CASE("a backfill goes on where a chunk fails, ends failed, and a re-run of what failed runs only that") {
    FreshDatabase database;
    Life life(database.url(), {daily()});
    life.hosts->script = [](const AttemptOrder& order) {
        return order.context.chunk_number == 2 ? std::optional(test::failed_attempt("permanent")) : std::nullopt;
    };
    const Json failed = life.ended(number_of(begun(life, backfill("days", "2026-01-01", "2026-01-05", 2))));
    CHECK(failed.at("state") == "failed");
    CHECK(failed.at("chunks").size() == 4);
    CHECK_THAT(failed.at("message").get<std::string>(), Catch::StartsWith("1 of 4 chunks did not complete; chunk 2 of 4: "));
    life.hosts->script = nullptr;
    life.started.clear();
    RerunRequest request;
    request.run_id = number_of(failed);
    request.from = RerunRequest::From::Failed;
    const Json again = life.ended(number_of(life.wait(life.engine->service().rerun(request))));
    CHECK(again.at("state") == "completed");
    CHECK(days_of(again) == test::Texts{"02"});
    CHECK(life.started == test::Texts{"a"});
}

TEST_CASE("what an earlier run completed is left out of a backfill, unless it was asked for again or had other parameters") {
    FreshDatabase database;
    Life life(database.url(), {daily_of_a_region()});
    const auto third = number_of(run_by_hand(life, "2026-01-03", "2026-01-04"));
    (void)run_by_hand(life, "2026-01-02", "2026-01-03", {{"region", "us"}});
    (void)run_by_hand(life, "2026-01-01", "2026-01-02", Json::object(), 5); // a trial
    auto request = backfill("days", "2026-01-01", "2026-01-05");
    const Json planned = life.wait(life.engine->service().plan_backfill(request));
    CHECK(planned.at("left") == 3);
    CHECK(planned.at("chunks")[2] ==
          Json{{"number", 3}, {"start", "2026-01-03T00:00:00Z"}, {"end", "2026-01-04T00:00:00Z"}, {"completed_by", third}});
    CHECK(planned.at("chunks")[0].at("completed_by").is_null());
    const Json run = life.ended(number_of(begun(life, request)));
    CHECK(days_of(run) == test::Texts{"01", "02", "04"});
    CHECK(run.at("chunks_done_before") == 1);
    CHECK(life.ended(third).at("chunks_done_before").is_null()); // no backfill
    const Json nothing = life.ended(number_of(begun(life, request)));
    CHECK(nothing.at("state") == "completed");
    CHECK(nothing.at("chunks").empty());
    CHECK(nothing.at("message") == "4 of 4 chunks were done before");
    CHECK(nothing.at("chunks_done_before") == 4);
    request.backfill->again = true;
    CHECK(life.ended(number_of(begun(life, request))).at("chunks").size() == 4);
}

TEST_CASE("a backfill goes on after the daemon was killed, paused or not, and runs no chunk twice") {
    FreshDatabase database;
    const std::vector plans{daily("hang: run"), plan_text("w: wait", "probe")};
    std::optional<Life> life(std::in_place, database.url(), plans);
    const auto id = number_of(begun(*life, backfill("days", "2026-01-01", "2026-01-06", 2)));
    life->until([&] { return life->hosts->hanging().size() == 2; });
    finish_one(*life);
    life->until([&] { return life->run(id).at("chunks").size() == 3; });
    const bool paused = GENERATE(false, true);
    if (paused) {
        (void)life->wait(life->engine->service().pause(id, "me"));
        CHECK(life->run(id).at("state") == "paused");
    }
    life.reset();
    life.emplace(database.url(), plans);
    if (paused) {
        life->settle();
        CHECK(life->run(id).at("state") == "paused");
        CHECK(life->run(id).at("chunks").size() == 3);
        (void)life->wait(life->engine->service().resume(id, "me"));
    }
    life->until([&] { return life->hosts->hanging().size() == 2; });
    const Json run = finished(*life, id);
    CHECK(run.at("state") == "completed");
    CHECK(days_of(run) == test::Texts{"01", "02", "03", "04", "05"});
}

TEST_CASE("who pauses a run in chunks pauses those under way, and no other begins, cancel ends them all") {
    FreshDatabase database;
    Life life(database.url(), {daily("hang: run\n after: extract <- hang"), plan_text("w: wait", "probe")});
    const auto id = number_of(begun(life, backfill("days", "2026-01-01", "2026-01-06", 2)));
    life.until([&] { return life.hosts->hanging().size() == 2; });
    CHECK(life.wait(life.engine->service().pause(id, "me")).at("state") == "paused");
    finish_one(life);
    life.settle();
    CHECK(life.run(id).at("chunks").size() == 2);
    CHECK(std::count(life.started.begin(), life.started.end(), "after") == 0);
    if (GENERATE(false, true)) {
        CHECK(life.wait(life.engine->service().resume(id, "me")).at("state") == "running");
        life.until([&] { return life.run(id).at("chunks").size() == 3; });
    }
    life.cancel(id);
    const Json run = life.ended(id);
    CHECK(run.at("state") == "cancelled");
    for (const auto& chunk : run.at("chunks")) CHECK_FALSE(chunk.at("finished_at").is_null());
}

TEST_CASE("a backfill that cannot be is refused: of no interval, of too many chunks, or that cuts steps of loads that replace rows") {
    FreshDatabase database;
    auto sums = daily("a: extract\n l: load <- a", "sums");
    LoadOptions load;
    load.tables.emplace_back();
    load.tables.front().mode = "upsert";
    sums.tasks[1].options = load;
    Life life(database.url(), {daily(), sums, plan_text("a: extract", "no_interval")});
    const auto refused = [&](TriggerRequest request, const std::string& every = {}, int at_once = 1) {
        request.backfill->every = every;
        request.backfill->at_once = at_once;
        return refusal([&] { (void)life.wait(life.engine->service().trigger(request)); });
    };
    CHECK_THAT(refused(backfill("no_interval", "2026-01-01", "2026-01-02")), Catch::Contains("has no `interval`"));
    CHECK_THAT(refused(backfill("days", "2026-01-01", "2026-01-02"), "1x"), Catch::Contains("every: "));
    CHECK_THAT(refused(backfill("days", "2026-01-01", "2026-01-02"), "1s"), Catch::Contains("more than 10000"));
    CHECK_THAT(refused(backfill("days", "2026-01-01", "2026-01-02"), "", 0), Catch::Contains("1 to 100"));
    CHECK_THAT(refused(backfill("sums", "2026-01-01", "2026-01-02"), "12h"), Catch::Contains("cuts a step"));
    CHECK(life.runs("days").empty());
}

TEST_CASE("a run is cut into at most 10,000 chunks, and told which option to change") {
    FreshDatabase database;
    auto plan = daily();
    plan.interval->every = {0, 0, 3600};
    plan.interval->chunk = {0, 0, 3600};
    ScheduleSpec yearly;
    yearly.cron = "0 0 1 1 *";
    plan.schedules = {yearly};
    auto since_2000 = plan;
    since_2000.name = "since_2000";
    since_2000.interval->from = "2000-01-01";
    auto after_it = plan;
    after_it.name = "after_it";
    after_it.schedules.clear();
    after_it.triggers = {{"wide", "completed"}};
    Life life(database.url(), {plan, since_2000, after_it, daily("a: extract", "wide")}, *parse_rfc3339("2026-12-31T12:00:00Z"));
    auto request = Life::request("days");
    request.interval_start = "2000-01-01", request.interval_end = "2026-01-01";
    const auto told = [&] { return refusal([&] { (void)begun(life, request); }); };
    CHECK(told() == "chunks of 1h are more than 10000 from 2000-01-01T00:00:00Z to 2026-01-01T00:00:00Z - give `chunk` of the flow's "
                    "`interval` a longer span, or take a part of the time with --from and --to; `millrace backfill --every` has chunks of "
                    "its own");
    SECTION("a backfill has chunks of its own") {
        request.backfill = BackfillOptions{};
        request.backfill->every = "1s";
        CHECK_THAT(told(), Catch::Contains("take longer ones with --every"));
        request.backfill->every = "0d";
        CHECK_THAT(told(), Catch::StartsWith("every: chunks of no length"));
        request.backfill->every = "100y";
        CHECK(told() == "it was not refused");
    }
    SECTION("one that a schedule starts, or the end of another run, is told by an event") {
        life.step_to(*parse_rfc3339("2027-01-01T00:00:00Z"));
        CHECK(life.runs("since_2000").empty());
        CHECK_THAT(test::asked(database.url(), "select message from millrace.event where flow = 'since_2000' and kind = 'not_fired'"),
                   Catch::Contains("chunks of 1h are more than 10000"));
        request.flow = "wide";
        (void)life.ended(number_of(begun(life, request)));
        CHECK(life.runs("after_it").empty());
        CHECK_THAT(test::asked(database.url(), "select message from millrace.event where flow = 'wide' and kind = 'warning'"),
                   Catch::Contains("chunks of 1h are more than 10000"));
    }
}

TEST_CASE("a backfill that was paused is so in all its chunks, though the daemon was killed before these were told") {
    FreshDatabase database;
    const std::vector plans{daily("hang: run\n after: extract <- hang"), plan_text("w: wait", "probe")};
    std::optional<Life> life(std::in_place, database.url(), plans);
    const auto id = number_of(begun(*life, backfill("days", "2026-01-01", "2026-01-06", 2)));
    life->until([&] { return life->hosts->hanging().size() == 2; });
    (void)life->wait(life->engine->service().pause(id, "me"));
    life->settle();
    life.reset();
    test::told(database.url(),
               "update millrace.run set state = 'running', state_name = 'Running' where parent_id is not null and finished_at is null");
    life.emplace(database.url(), plans);
    life->settle();
    const Json whole = life->run(id);
    CHECK(whole.at("chunks").size() == 2);
    for (const auto& chunk : whole.at("chunks")) CHECK(chunk.at("state") == "paused");
    CHECK(life->hosts->hanging().empty());
    (void)life->wait(life->engine->service().resume(id, "me"));
    CHECK(finished(*life, id).at("state") == "completed");
}

TEST_CASE("chunks wait for the run that they are of, where a daemon cannot take that over") {
    const test::ZoneFolder zones;
    FreshDatabase database;
    const std::vector plans{daily("hang: run")};
    std::optional<Life> life(std::in_place, database.url(), plans, parse_rfc3339("2026-02-01T00:00:00Z"));
    const auto id = number_of(begun(*life, backfill("days", "2026-01-01", "2026-01-06", 2)));
    life->until([&] { return life->hosts->hanging().size() == 2; });
    life.reset();
    test::told(database.url(), "update millrace.plan set plan = jsonb_set(plan, '{timezone}', '\"Mars/Base\"') where flow = 'days'");
    life.emplace(database.url(), plans, parse_rfc3339("2026-02-01T00:00:00Z"));
    life->settle();
    CHECK(life->hosts->hanging().empty());
    zones.becomes("Mars/Base", "UTC");
    (void)refresh_zones();
    for (int beat = 0; beat < 3; ++beat) life->step(std::chrono::seconds(1));
    life->until([&] { return life->hosts->hanging().size() == 2; });
    CHECK(days_of(finished(*life, id)).size() == 5);
}

TEST_CASE("a chunk that waits for a slot begins nothing while the whole is paused") {
    FreshDatabase database;
    auto plan = daily("hang: run");
    plan.limits = {{"one", 1}};
    Life life(database.url(), {plan, plan_text("w: wait", "probe")});
    const auto id = number_of(begun(life, backfill("days", "2026-01-01", "2026-01-04", 2)));
    life.until([&] { return life.hosts->hanging().size() == 1; });
    (void)life.wait(life.engine->service().pause(id, "me"));
    finish_one(life);
    life.until([&] { // whichever had the slot
        const Json chunks = life.run(id).at("chunks");
        return std::any_of(chunks.begin(), chunks.end(), [](const Json& chunk) { return chunk.at("state") == "completed"; });
    });
    life.settle();
    CHECK(life.hosts->hanging().empty());
    (void)life.wait(life.engine->service().resume(id, "me"));
    CHECK(finished(life, id).at("state") == "completed");
}

TEST_CASE("the rerun of a chunk is not cut again, whatever its flow's chunks are") {
    auto plan = daily();
    plan.interval->chunk.days = 1;
    RunRow row;
    row.interval_start = *parse_rfc3339("2026-01-01T00:00:00Z");
    row.interval_end = *parse_rfc3339("2026-01-04T00:00:00Z");
    CHECK(parts_of(plan, row).size() == 3);
    row.options["chunk_number"] = 2;
    CHECK(parts_of(plan, row).empty());
}
