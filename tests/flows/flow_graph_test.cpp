// How flows start each other: `flow` tasks and `triggers`.
#include "compiled.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

const std::string daily =
    "flow: daily\nparams: {day: {type: date, required: true}, size: {type: int, default: 3}}\ntasks: {a: {wait: 1s}}\n";

std::string told(const std::string& yaml, const std::vector<FlowFile>& beside = {{"daily.yaml", daily}}) {
    return messages(compile({{"f.yaml", yaml}}, project(), sources(), nullptr, beside));
}

} // namespace

TEST_CASE("a flow task gives the other flow its parameters, row by row") {
    const auto result =
        compile({{"f.yaml", "flow: f\ntasks:\n  list: {transform: select 1 as n}\n"
                            "  each: {flow: daily, with: {day: 2026-11-20, size: \"${item.n}\"}, for_each: list, concurrency: 2,"
                            " allow_failed: 10%}\n"}},
                project(), sources(), nullptr, {{"daily.yaml", daily}});
    for (const auto& d : result.diagnostics) UNSCOPED_INFO(to_text(d));
    REQUIRE(result.flows.size() == 1);
    const auto& task = result.flows[0].plan.tasks.at(1);
    CHECK(task.verb == Verb::Flow);
    REQUIRE(task.map_over);
    CHECK(task.map_over->task == "list");
    const auto call = task.options.get<SubflowOptions>();
    CHECK(call.flow == "daily");
    CHECK(call.with.at("size") == "${item.n}");
    CHECK(call.concurrency == 2);
    CHECK(call.allow_failed->percent == 10);
}

TEST_CASE("a flow that is called and not there is named, with the nearest one") {
    CHECK(told("flow: f\ntasks: {a: {flow: dayly}}\n") == "2:19 no flow of the project is called 'dayly' = did you mean 'daily'?\n");
    CHECK(told("flow: f\ntriggers: [{flow: dayly}]\ntasks: {a: {wait: 1s}}\n") ==
          "2:19 no flow of the project is called 'dayly' = did you mean 'daily'?\n");
}

TEST_CASE("what a called flow needs and does not take is told where it is called") {
    CHECK(told("flow: f\ntasks: {a: {flow: daily}}\n") == "2:19 flow daily requires the parameter 'day' = with: {day: ...}\n");
    CHECK(told("flow: f\ntasks: {a: {flow: daily, with: {day: 2026-02-30, sise: 4}}}\n").find("flow daily has no parameter 'sise'") !=
          std::string::npos);
    CHECK(told("flow: f\ntasks: {a: {flow: daily, with: {day: 2026-02-30}}}\n").find("parameter 'day' of flow daily") != std::string::npos);
}

TEST_CASE("a flow whose parameters nobody gives cannot be triggered") {
    CHECK(told("flow: f\ntriggers: [{flow: daily}]\nparams: {x: {required: true}}\ntasks: {a: {wait: 1s}}\n") ==
          "3:10 a trigger gives no parameters, and 'x' is required = give it a `default`\n");
}

TEST_CASE("flows that start each other for ever are refused, by calls and triggers alike") {
    const auto calls = [](const std::string& name, const std::string& other) {
        return FlowFile{name + ".yaml", "flow: " + name + "\ntasks: {t: {flow: " + other + "}}\n"};
    };
    CHECK(messages(compile({calls("a", "a")}, project(), sources())) ==
          "2:19 these flows start each other for ever: a, then a = take one of these out\n");
    CHECK(messages(compile({calls("a", "b")}, project(), sources(), nullptr, {calls("b", "c"), calls("c", "a")})) ==
          "2:19 these flows start each other for ever: a, then b, then c, then a = take one of these out\n");
    CHECK(told("flow: f\ntriggers: [{flow: g}]\ntasks: {t: {flow: g}}\n", {{"g.yaml", "flow: g\ntasks: {a: {wait: 1s}}\n"}})
              .find("these flows start each other for ever: f, then g, then f") != std::string::npos);
}

TEST_CASE("a flow that may be in a file that cannot be read is not told to be missing") {
    CHECK(told("flow: f\ntasks: {a: {flow: other}}\n", {{"broken.yaml", "flow: [\n"}}).empty());
}

TEST_CASE("runs that could wait for each other's slots for ever are refused where they ask for them") {
    auto p = project();
    p.limits = {{"one", 1}, {"two", 2}};
    const auto told = [&](const std::string& yaml, const std::vector<FlowFile>& beside = {}) {
        return messages(compile({{"f.yaml", yaml}}, p, sources(), nullptr, beside));
    };
    const FlowFile kid{"kid.yaml", "flow: kid\nlimits: {one: 1}\ntasks: {a: {wait: 1s}}\n"};
    CHECK(told("flow: f\nlimits: {two: 1}\ntasks: {a: {wait: 1s, limits: {two: 1}}}\n") ==
          "3:9 runs of f hold 'two' while they wait for a task of theirs, which needs it too: they would wait for each other for ever = "
          "leave it to the flow or to the task\n");
    CHECK(told("flow: f\nlimits: {one: 1}\ntasks: {a: {flow: kid}}\n", {kid}) ==
          "3:9 runs of f hold 'one' while they wait for flow kid, which needs it too: they would wait for each other for ever = "
          "take 'one' out of one of them, or `detach` the call\n");
    CHECK(told("flow: f\ntasks: {a: {flow: kid, limits: {one: 1}}}\n", {kid}).find("hold 'one'") != std::string::npos);
    CHECK(told("flow: f\nlimits: {one: 1}\ntasks: {a: {flow: kid, detach: true}}\n", {kid}).empty());
    CHECK(told("flow: f\ntasks: {a: {flow: kid}, b: {wait: 1s, limits: {one: 1}}}\n", {kid}).empty());
    const FlowFile other{"other.yaml", "flow: other\nlimits: {two: 1}\ntasks: {a: {flow: kid}}\n"};
    CHECK(told("flow: f\nlimits: {one: 1}\ntasks: {a: {wait: 1s, limits: {two: 1}}}\n", {kid, other}) ==
          "3:9 runs of f hold 'one' while they wait for a task of theirs, which needs 'two', and runs of other hold 'two' while they wait "
          "for what leads back to 'one': they could wait for each other for ever = let runs ask for both at once: limits: {one: 1, two: 1} "
          "of the flow\n");
}
