// What a run is promised: retries, time limits, overlap, idempotency, over a real PostgreSQL and a clock that steps.
#include "given_promises.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>
#include <thread>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

const Instant noon = *parse_rfc3339("2026-11-20T12:00:00Z");

} // namespace

TEST_CASE("a failed attempt is tried again when its delay has passed, which doubles up to its maximum") {
    FreshDatabase database;
    auto plan = plan_text("a: extract retry=5", "f");
    plan.tasks[0].retry.delay = 10, plan.tasks[0].retry.max_delay = 25;
    Life life(database.url(), {plan}, noon);
    life.hosts->script = [](const AttemptOrder& o) -> std::optional<AttemptDone> {
        if (o.task == "a" && o.attempt < 5) return failed_attempt("transient");
        return std::nullopt;
    };
    const auto id = life.trigger_id("f");
    std::size_t attempts = 1;
    for (const auto delay : {10s, 20s, 25s, 25s}) {
        life.until([&] { return life.started.size() == attempts; });
        life.settle();
        CHECK(life.run(id).at("tasks")[0].at("state") == "retrying");
        life.step(delay - 1s);
        CHECK(life.started.size() == attempts);
        life.step(1s);
        ++attempts;
    }
    CHECK(life.ended(id).at("state") == "completed");
    CHECK(life.run(id).at("tasks")[0].at("attempts") == 5);
}

TEST_CASE("an attempt that takes too long is really stopped, and its run fails with class timeout") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("hang: run timeout=60", "f")}, noon);
    const auto id = life.trigger_id("f");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    const auto order = life.hosts->hanging()[0].id;
    life.step(59s);
    CHECK(life.hosts->cancelled.empty());
    life.step(1s);
    CHECK(life.hosts->cancelled == std::vector<OrderId>{order});
    const Json run = life.ended(id);
    CHECK(run.at("state") == "failed");
    CHECK(run.at("tasks")[0].at("state_name") == "TimedOut");
    CHECK(run.at("tasks")[0].at("error").at("class") == "timeout");
    const Json log = life.wait(life.engine->read_models().logs(id, {}));
    REQUIRE(log.at("items").size() == 1);
    CHECK(log.at("items")[0].at("text") == "timed out after 60 s");
    CHECK(log.at("items")[0].at("attempt") == 1);
}

TEST_CASE("a clock that is set forth or back neither ends an attempt before its timeout nor lets it go on after that") {
    const auto by = GENERATE(1h, -1h);
    FreshDatabase database;
    Life life(database.url(), {plan_text("hang: run timeout=60", "f")}, noon);
    const auto id = life.trigger_id("f");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    life.step(10s);
    life.stepped.jump_to(noon + 10s + by);
    life.step_to(noon + 59s + by);
    CHECK(life.hosts->cancelled.empty());
    life.step(1s);
    CHECK(life.hosts->cancelled.size() == 1);
    CHECK(life.ended(id).at("state") == "failed");
}

TEST_CASE("the daemon's log has a line for each run that fails") {
    FreshDatabase database;
    auto plan = plan_text("a: run", "f");
    plan.interval = IntervalSpec{};
    plan.interval->every.days = plan.interval->chunk.days = 1;
    plan.interval->lookback.days = 2;
    Life life(database.url(), {plan, plan_text("a: run", "well")});
    life.hosts->script = [](const AttemptOrder& o) {
        return o.context.flow == "f" ? std::optional(failed_attempt("permanent")) : std::nullopt;
    };
    std::ostringstream said;
    const auto before = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_mt>(said)));
    const auto id = life.trigger_id("f");
    (void)life.ended(id);
    (void)life.ended(life.trigger_id("well"));
    spdlog::set_default_logger(before);
    const auto lines = said.str();
    const auto line = lines.find(fmt::format("run={} flow=f state=failed message=\"chunk 1 of 3: task a: it broke\"", id));
    CHECK(line != std::string::npos);
    CHECK(lines.find("run=", line + 1) == std::string::npos); // neither its chunk nor a run that completed
}

TEST_CASE("a run that takes longer than its flow's timeout is stopped and fails, over a restart too") {
    FreshDatabase database;
    auto plan = plan_text("hang: run\n z: load <- hang", "f");
    plan.timeout = 120;
    std::int64_t id = 0;
    {
        Life life(database.url(), {plan}, noon);
        id = life.trigger_id("f");
        life.until([&] { return life.hosts->hanging().size() == 1; });
    }
    Life life(database.url(), {plan}, noon + 100s);
    life.until([&] { return life.hosts->hanging().size() == 1; });
    life.step(19s);
    CHECK(life.hosts->hanging().size() == 1);
    life.step(1s);
    CHECK(life.hosts->hanging().empty());
    const Json run = life.ended(id);
    CHECK(run.at("state") == "failed");
    CHECK(run.at("state_name") == "TimedOut");
}

TEST_CASE("overlap decides alike for a person, the API and a schedule") {
    const auto [overlap, expected] = GENERATE(table<std::string, Texts>({
        {"queue", {"running", "pending"}},
        {"skip", {"running", "skipped"}},
        {"cancel_previous", {"cancelled", "running"}},
        {"allow", {"running", "running"}},
    }));
    const std::string trigger = GENERATE("api", "cli", "schedule");
    CAPTURE(overlap, trigger);
    FreshDatabase database;
    auto plan = plan_text("hang: run", "f");
    plan.overlap = overlap;
    plan.schedules.emplace_back();
    plan.schedules[0].every.seconds = 3600;
    Life life(database.url(), {plan}, noon);
    (void)life.trigger_id("f");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    if (trigger == "schedule") {
        life.step(1h);
    } else {
        auto request = Life::request("f");
        request.trigger = trigger;
        const auto result = life.wait(life.engine->service().trigger(request));
        CHECK((result.outcome == TriggerResult::Outcome::Skipped) == (overlap == "skip"));
    }
    life.settle();
    CHECK(states(life) == expected);
    CHECK(life.runs("f")[1].at("trigger") == trigger);
}

TEST_CASE("a run that takes the place of another does so although the daemon was killed before it could say so") {
    FreshDatabase database;
    auto plan = plan_text("hang: run", "f");
    plan.overlap = "cancel_previous";
    {
        Life life(database.url(), {plan}, noon);
        (void)life.trigger_id("f");
        life.until([&] { return life.hosts->hanging().size() == 1; });
        life.settle();
        pqxx::connection connection(database.url());
        std::optional<pqxx::work> jam(connection);
        jam->exec("lock table millrace.run in share row exclusive mode"); // it can be read
        asio::co_spawn(life.io, life.engine->service().trigger(Life::request("f")), [](std::exception_ptr, const TriggerResult&) {});
        life.until([&] { return asked(database.url(), "select count(*) from pg_locks where not granted") == "1"; });
        jam.reset();
        const auto is_stored = [&] { return asked(database.url(), "select count(*) from millrace.run where flow = 'f'") == "2"; };
        for (int i = 0; i < 1000 && !is_stored(); ++i) std::this_thread::sleep_for(5ms);
        REQUIRE(is_stored()); // and the loop, which would have cancelled the first, stands still
    }
    Life life(database.url(), {plan}, noon + 1min);
    life.until([&] { return life.hosts->hanging().size() == 1; });
    life.settle();
    CHECK(states(life) == Texts{"cancelled", "running"});
}

TEST_CASE("the same idempotency key at the same moment is one run, and cancels nothing") {
    FreshDatabase database;
    auto plan = plan_text("hang: run", "f");
    plan.overlap = "cancel_previous";
    Life life(database.url(), {plan}, noon);
    std::vector<Json> answers;
    for (int i = 0; i < 2; ++i)
        asio::co_spawn(life.io, life.engine->service().trigger(Life::request("f", "key")),
                       [&](std::exception_ptr failed, TriggerResult result) {
                           CHECK(!failed);
                           answers.push_back(result.run);
                       });
    life.until([&] { return answers.size() == 2; });
    life.settle();
    CHECK(answers[0].at("id") == answers[1].at("id"));
    CHECK(states(life) == Texts{"running"});
}

TEST_CASE("an idempotency key belongs to its flow, and other values with it are a conflict") {
    FreshDatabase database;
    auto f = plan_text("a: run", "f"), g = plan_text("a: run", "g");
    ParamSpec n, at;
    n.name = "n", n.type = "int", n.default_value = 3;
    at.name = "at", at.default_value = "${run.at}"; // another one each second
    f.params = {n, at};
    Life life(database.url(), {f, g}, noon);
    const auto id = life.trigger("f", "key", {{"n", 5}}).at("id");
    life.step(10s);
    CHECK(life.trigger("f", "key", {{"n", "5"}}).at("id") == id); // the same value, from a command line
    CHECK(life.outcome == TriggerResult::Outcome::Existing);
    CHECK(life.trigger("g", "key").at("id") != id);
    try {
        (void)life.trigger("f", "key", {{"n", 6}});
        FAIL("it was taken");
    } catch (const Refusal& refusal) {
        CHECK(refusal.kind == Refusal::Kind::Conflict);
    }
}

TEST_CASE("a node renews its lease though the wall clock is set back") {
    FreshDatabase database;
    Life life(database.url(), {}, noon);
    const auto lease = [&] { return asked(database.url(), "select extract(epoch from lease_until) from millrace.node"); };
    for (int i = 0; i < 3; ++i) life.step(1s);
    life.stepped.step_to(noon - 1h);
    const auto before = lease();
    for (int i = 0; i < 3; ++i) life.stepped.step_to(life.stepped.now() + 1s);
    life.until([&] { return lease() != before; });
}
