/// Limits of millrace.yaml that count by themselves: what of a flow they count, and what they cannot name.
#include "compiled.hpp"

#include "flows/limit_key.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

CompileResult with_limits(const std::string& yaml, const std::map<std::string, int>& limits) {
    auto p = project();
    for (const auto& limit : limits) p.limits.insert(limit);
    return compile({{"f.yaml", yaml}}, p, sources());
}

/// "key" of each, "key?param" where a parameter decides.
std::vector<std::string> demands(const std::vector<SlotDemand>& all) {
    std::vector<std::string> out;
    for (const auto& d : all) {
        CHECK(d.slots == 1);
        out.push_back(d.key + (d.param.empty() ? "" : "?" + d.param));
    }
    return out;
}
using Keys = std::vector<std::string>;

const char* const hours = R"(
flow: hours
tags: [nightly]
tasks:
  projects: {extract: clockify.projects}
  pause: {wait: 1s, needs: projects, tags: [heavy]}
  rows: {transform: select id from projects, tags: [heavy, nightly]}
  stored: {load: rows, into: warehouse.projects, mode: replace, limits: {warehouse_writers: 1}}
)";

} // namespace

TEST_CASE("limits: each key counts what it says, once, and nothing that only waits") {
    const auto result = with_limits(hours, {{"all", 20},
                                            {"connection.clockify", 1},
                                            {"connection.warehouse", 3},
                                            {"connection.postgres", 1},
                                            {"flow.hours", 2},
                                            {"flow.other", 1},
                                            {"tag.heavy", 1},
                                            {"tag.nightly", 4},
                                            {"tag.none", 1}});
    UNSCOPED_INFO(messages(result));
    REQUIRE(result.flows.size() == 1);
    const auto& plan = result.flows[0].plan;
    CHECK(demands(plan.limits) == Keys{"flow.hours"});
    CHECK(names(plan) == Keys{"projects", "pause", "rows", "stored"});
    CHECK(demands(plan.tasks[0].limits) == Keys{"all", "connection.clockify", "tag.nightly"});
    CHECK(plan.tasks[1].limits.empty());
    CHECK(demands(plan.tasks[2].limits) == Keys{"all", "tag.heavy", "tag.nightly"});
    CHECK(demands(plan.tasks[3].limits) == Keys{"warehouse_writers", "all", "connection.warehouse", "tag.nightly"});
}

TEST_CASE("limits: where a parameter names the connection, it decides which limit counts") {
    const std::map<std::string, int> limits{{"connection.clockify", 1}, {"connection.hubspot", 1}};
    const auto yaml = [](const std::string& param) {
        return "flow: f\nparams: {workspace: " + param + "}\ntasks:\n  a: {extract: \"${workspace}.projects\"}\n";
    };
    const auto open = with_limits(yaml("{type: connection, default: clockify}"), limits);
    REQUIRE(open.flows.size() == 1);
    CHECK(demands(open.flows[0].plan.tasks[0].limits) == Keys{"connection.clockify?workspace", "connection.hubspot?workspace"});
    const auto listed = with_limits(yaml("{type: connection, enum: [clockify]}"), limits);
    REQUIRE(listed.flows.size() == 1);
    CHECK(demands(listed.flows[0].plan.tasks[0].limits) == Keys{"connection.clockify?workspace"});
    const Json stored(listed.flows[0].plan);
    CHECK(demands(stored.get<FlowPlan>().tasks[0].limits) == Keys{"connection.clockify?workspace"});
}

TEST_CASE("limits: a new limit makes another plan of the flows that it counts, another number of slots does not") {
    const auto hash = [](const std::map<std::string, int>& limits) { return with_limits(hours, limits).flows.at(0).hash; };
    CHECK(hash({{"all", 5}}) != hash({}));
    CHECK(hash({{"all", 5}}) == hash({{"all", 6}}));
    CHECK(hash({{"flow.other", 5}}) == hash({}));
}

TEST_CASE("limits: a flow asks for none that counts by itself") {
    const auto said = messages(with_limits("flow: f\nlimits: {all: 1}\ntasks: {a: {wait: 1s}}\n", {{"all", 5}}));
    CHECK_THAT(said, Catch::Contains("the limit 'all' counts by itself, no flow asks for it"));
}

TEST_CASE("limits: those of flows and tags that are not there are told with the nearest name") {
    const auto flow = with_limits(hours, {}).flows.at(0).plan;
    const auto unmet =
        unmet_limits({{"flow.hourz", 1}, {"flow.hours", 1}, {"tag.nightli", 1}, {"tag.heavy", 1}, {"all", 1}, {"x", 1}}, {&flow});
    REQUIRE(unmet.size() == 2);
    CHECK(unmet[0].key == "flow.hourz");
    CHECK(unmet[0].message == "no flow is called 'hourz'");
    CHECK(unmet[0].hint == "did you mean 'hours'?");
    CHECK(unmet[1].message == "no flow or task has the tag 'nightli'");
    CHECK(unmet[1].hint == "did you mean 'nightly'?");
}
