// What of ended runs stands for a re-run. Pure.
#include "plan_text.hpp"
#include "scheduler/rerun.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using test::plan_text;

namespace {

struct Row {
    std::string task;
    State state;
    Json result = nullptr;
    int item = -1; ///< of a mapped task: its place, and its value
};

RunBefore past(const FlowPlan& plan, const std::vector<Row>& rows, const std::string& from = "") {
    RunBefore run{std::make_shared<const FlowPlan>(plan), {}, from};
    for (const auto& row : rows) {
        StoredTaskRun stored;
        for (std::size_t i = 0; i < plan.tasks.size(); ++i)
            if (plan.tasks[i].name == row.task) stored.key = {static_cast<int>(i), row.item};
        stored.run.state = row.state;
        stored.run.detail().result = row.result;
        if (row.item >= 0) stored.run.detail().value = row.item;
        run.task_runs.push_back(std::move(stored));
    }
    return run;
}

/// "a=1 m[2]": what stands, and the results of it.
std::string standing(const FlowPlan& now, std::vector<RunBefore> before) {
    const auto reused = reusable(before, now);
    std::string out;
    for (std::size_t i = 0; i < now.tasks.size(); ++i) {
        const auto add = [&](const std::string& what) { out += (out.empty() ? "" : " ") + now.tasks[i].name + what; };
        if (const auto done = reused.tasks.find(static_cast<int>(i)); done != reused.tasks.end()) add("=" + done->second.dump());
        if (const auto items = reused.items.find(static_cast<int>(i)); items != reused.items.end())
            for (const auto& [item, result] : items->second) add("[" + item + "]");
    }
    return out;
}

std::vector<RunBefore> runs(RunBefore newest, RunBefore older) {
    std::vector<RunBefore> out;
    out.push_back(std::move(newest)), out.push_back(std::move(older));
    return out;
}

std::vector<RunBefore> runs(RunBefore only) {
    std::vector<RunBefore> out;
    out.push_back(std::move(only));
    return out;
}

constexpr auto Completed = State::Completed, Failed = State::Failed, Pending = State::Pending;

} // namespace

TEST_CASE("a re-run of a run that never began takes from the run before it") {
    const auto flow = plan_text("a: extract\n b: transform <- a\n c: load <- b");
    const std::vector<Row> first{{"a", Completed, 1}, {"b", Completed, 2}, {"c", Failed}};
    CHECK(standing(flow, runs(past(flow, {}), past(flow, first))) == "a=1 b=2");
    CHECK(standing(flow, runs(past(flow, {}, "b"), past(flow, first))) == "a=1");
    CHECK(standing(flow, runs(past(flow, {}), past(flow, first, "b"))) == "a=1");
    CHECK(standing(flow, runs(past(flow, {}, "gone"), past(flow, first))).empty());
}

TEST_CASE("what a later run did again takes the place of what an earlier one did") {
    const auto flow = plan_text("a: extract\n b: transform <- a\n c: load <- b");
    const auto first = [&] { return past(flow, {{"a", Completed, 1}, {"b", Completed, 2}, {"c", Completed, 3}}); };
    CHECK(standing(flow, runs(past(flow, {{"a", Completed, 7}, {"b", Failed}, {"c", Pending}}), first())) == "a=7");
    // b of the run before worked on another a
    CHECK(standing(flow, runs(past(flow, {{"a", Completed, 7}}), first())) == "a=7");
    CHECK(standing(flow, runs(past(flow, {{"a", Completed, 1}}), first())) == "a=1 b=2 c=3");
}

TEST_CASE("items that completed two runs ago stand where the run between did not come to them, or took them whole") {
    const auto flow = plan_text("a: extract\n m: run <- a each=a");
    const std::vector<Row> first{{"a", Completed, 1}, {"m", Failed}, {"m", Completed, 5, 0}, {"m", Failed, nullptr, 1}};
    CHECK(standing(flow, runs(past(flow, {{"a", Failed}, {"m", State::Skipped}}), past(flow, first))) == "m[0]");
    auto changed = flow;
    changed.tasks[0].options["resource"] = "another";
    const std::vector<Row> whole{{"a", Completed, 1}, {"m", Completed, 6}, {"m", Completed, 5, 0}};
    CHECK(standing(changed, runs(past(flow, {{"a", Completed, 1}, {"m", Completed, 6}}), past(flow, whole))) == "m[0]");
    CHECK(standing(flow, runs(past(flow, {{"a", Completed, 1}, {"m", Failed}, {"m", Failed, nullptr, 0}}), past(flow, first))) == "a=1");
}

TEST_CASE("what sees a parameter with another value does not stand, nor does what comes after it") {
    auto flow = plan_text("a: extract\n b: transform <- a\n c: load <- b\n d: extract\n e: run <- d");
    flow.tasks[1].options["sql"] = "select * from a where region = $region";
    flow.tasks[3].options["resource"] = "regions"; // not the parameter
    const auto first = [&](std::set<std::string> others) {
        auto run = past(flow, {{"a", Completed, 1}, {"b", Completed, 2}, {"c", Completed, 3}, {"d", Completed, 4}, {"e", Completed, 5}});
        run.other_params = std::move(others);
        return runs(std::move(run));
    };
    CHECK(standing(flow, first({})) == "a=1 b=2 c=3 d=4 e=5");
    CHECK(standing(flow, first({"region"})) == "a=1 d=4"); // a command has all of them in its environment
    CHECK(standing(flow, first({"resource"})) == "a=1 b=2 c=3");
}

TEST_CASE("an extract does not stand when its source's spec or the zone of the flow is another") {
    auto then = plan_text("a: extract\n b: transform <- a"), now = then;
    const std::vector<Row> rows{{"a", Completed, 1}, {"b", Completed, 2}};
    then.sources["crm"]["rate"] = 1;
    now.sources["crm"]["rate"] = 2;
    CHECK(standing(now, runs(past(then, rows))).empty());
    CHECK_FALSE(do_the_same(then, now));
    now = then;
    CHECK(standing(now, runs(past(then, rows))) == "a=1 b=2");
    now.timezone = "Europe/Oslo";
    CHECK(standing(now, runs(past(then, rows))).empty());
}

TEST_CASE("plans that differ in when and how often do the same, those that differ in what they do or read do not") {
    const auto then = plan_text("a: extract\n b: transform <- a\n c: load <- b");
    CHECK(do_the_same(then, plan_text("a: extract retry=3\n b: transform <- a timeout=60\n c: load <- b continue")));
    CHECK_FALSE(do_the_same(then, plan_text("a: extract\n b: transform <- a\n c: load <- a")));
    CHECK_FALSE(do_the_same(then, plan_text("a: extract\n b: transform <- a")));
    auto other = then;
    other.tasks[1].options["sql"] = "select 2";
    CHECK_FALSE(do_the_same(then, other));
}
