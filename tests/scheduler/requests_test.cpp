// What people ask of a run that another node drives, over a real PostgreSQL.
#include "life.hpp"

using namespace millrace;
using test::chunked_plan;
using test::FreshDatabase;
using test::Life;
using test::plan_text;
using test::refusal;

namespace {

/// Two nodes of one store: `life` drives, `other` is asked.
struct TwoNodes {
    explicit TwoNodes(FlowPlan plan) : life(database.url(), {plan}), other(database.url(), {plan}, {}, "other") {
        id = life.trigger_id(plan.name);
    }
    /// While `other` waits, `life` goes on.
    Json ask(boost::asio::awaitable<Json> work) {
        std::optional<Json> answer;
        std::exception_ptr failed;
        boost::asio::co_spawn(other.io, std::move(work), [&](std::exception_ptr e, Json run) {
            failed = e;
            answer = std::move(run);
        });
        for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
             !answer && std::chrono::steady_clock::now() < until;)
            turn();
        if (failed) std::rethrow_exception(failed);
        REQUIRE(answer);
        return *answer;
    }
    void turn() {
        for (auto* node : {&life, &other}) {
            node->io.restart();
            node->io.run_one_for(std::chrono::milliseconds(5));
        }
    }
    [[nodiscard]] Service& service() const { return other.engine->service(); }

    FreshDatabase database;
    Life life, other;
    std::int64_t id = 0;
};

} // namespace

TEST_CASE("a run is paused, resumed and cancelled by whichever node is asked") {
    TwoNodes nodes(plan_text("hang: run", "hanging"));
    nodes.life.until([&] { return nodes.life.hosts->hanging().size() == 1; });
    CHECK(nodes.ask(nodes.service().pause(nodes.id, "me")).at("state") == "paused");
    CHECK(nodes.ask(nodes.service().resume(nodes.id, "me")).at("state") == "running");
    (void)nodes.ask(nodes.service().cancel(nodes.id, "me"));
    CHECK(nodes.life.ended(nodes.id).at("message") == "cancelled by me");
}

TEST_CASE("an approval is given through whichever node is asked, and refused with the driving node's reason") {
    auto plan = plan_text("ask: approve\n z: extract <- ask", "asking");
    plan.tasks[0].options["by"] = {"key ops"};
    TwoNodes nodes(plan);
    nodes.life.until([&] { return nodes.life.run(nodes.id).at("state_name") == "AwaitingApproval"; });
    CHECK_THAT(refusal([&] { (void)nodes.ask(nodes.service().approve(nodes.id, "ask", "", "key dev")); }),
               Catch::Contains("key dev may not decide on ask") && Catch::Contains("key ops"));
    (void)nodes.ask(nodes.service().approve(nodes.id, "ask", "fine", "key ops"));
    CHECK(nodes.life.ended(nodes.id).at("state") == "completed");
}

TEST_CASE("a run that ended is refused without asking anybody") {
    TwoNodes nodes(plan_text("a: extract", "quick"));
    (void)nodes.life.ended(nodes.id);
    CHECK_THAT(refusal([&] { (void)nodes.ask(nodes.service().cancel(nodes.id, "me")); }),
               Catch::Contains("is completed: it cannot be cancelled"));
}

TEST_CASE("who decides on a run in chunks is told which of them wait, and what to type") {
    auto plan = plan_text("ask: approve\n z: extract <- ask", "asking");
    plan.interval = chunked_plan().interval;
    TwoNodes nodes(plan);
    const auto chunks = [&] { return nodes.life.run(nodes.id).at("chunks"); };
    nodes.life.until([&] {
        const Json begun = chunks();
        return !begun.empty() && begun[0].at("state_name") == "AwaitingApproval";
    });
    const auto chunk = chunks()[0].at("id").get<std::int64_t>();
    const auto told = [&](const std::string& task) {
        return refusal([&] { (void)nodes.ask(nodes.service().reject(nodes.id, task, "", "me")); });
    };
    const auto whole = std::to_string(nodes.id), part = std::to_string(chunk);
    CHECK(told("ask") == "run " + whole + " is in chunks, which are runs of their own: task ask waits for a decision in run " + part +
                             " - millrace runs reject " + part + " ask");
    CHECK_THAT(told("z"), Catch::Contains("does not wait for a decision"));
    (void)nodes.ask(nodes.service().reject(chunk, "ask", "", "me"));
    CHECK(nodes.life.ended(nodes.id).at("state") == "failed");
}

TEST_CASE("a chunk is not resumed alone while its whole is paused, whichever node is asked, paused alone it is") {
    auto plan = plan_text("hang: run", "hanging");
    plan.interval = chunked_plan().interval;
    TwoNodes nodes(plan);
    nodes.life.until([&] { return nodes.life.hosts->hanging().size() == 1; });
    const auto chunk = nodes.life.run(nodes.id).at("chunks")[0].at("id").get<std::int64_t>();
    const auto whole = std::to_string(nodes.id), part = std::to_string(chunk);
    CHECK(nodes.ask(nodes.service().pause(nodes.id, "me")).at("state") == "paused");
    const auto told =
        "run " + part + " is a chunk of run " + whole + ", which is paused - `millrace runs resume " + whole + "` lets all of it go on";
    CHECK(refusal([&] { (void)nodes.ask(nodes.service().resume(chunk, "me")); }) == told);
    CHECK(refusal([&] { (void)nodes.life.wait(nodes.life.engine->service().resume(chunk, "me")); }) == told);
    CHECK(nodes.life.run(chunk).at("state") == "paused");
    CHECK(nodes.ask(nodes.service().resume(nodes.id, "me")).at("state") == "running");
    CHECK(nodes.life.run(chunk).at("state") == "running");
    CHECK(nodes.ask(nodes.service().pause(chunk, "me")).at("state") == "paused");
    CHECK(nodes.ask(nodes.service().resume(chunk, "me")).at("state") == "running");
}

TEST_CASE("who pauses a run that has not begun is told what to do instead") {
    auto plan = plan_text("hang: run", "hanging");
    plan.overlap = "queue";
    TwoNodes nodes(plan);
    const auto queued = nodes.life.trigger_id("hanging");
    CHECK(refusal([&] { (void)nodes.ask(nodes.service().pause(queued, "me")); }) ==
          "run " + std::to_string(queued) + " is pending: it cannot be paused - `millrace runs cancel " + std::to_string(queued) +
              "` cancels it, `millrace schedules pause hanging` keeps the flow's schedules from starting more");
}

TEST_CASE("what was asked through a node that has gone since is done by who is alone with the run") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("hang: run", "hanging")});
    const auto id = life.trigger_id("hanging");
    life.until([&] { return life.hosts->hanging().size() == 1; });
    test::told(database.url(), "insert into millrace.request (run_id, what, task, comment, by, asked_at) values (" + std::to_string(id) +
                                   ", 'cancel', '', '', 'me', now())");
    CHECK(life.ended(id).at("message") == "cancelled by me");
}
