#include "flows/compile.hpp"
#include "flows/project_files.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

CompileResult compiled(const std::string& yaml) {
    std::vector<Diagnostic> ignored;
    const auto sources = read_sources(std::string(MILLRACE_SOURCE_DIR) + "/connectors/sources", ignored);
    return compile({{"f.yaml", yaml}}, default_project(), sources);
}

} // namespace

TEST_CASE("a plan says where each task and its SQL are written") {
    const auto result =
        compiled("flow: f\ntasks:\n  a:\n    transform: |\n      select 1 as x,\n        2 as y\n  b:\n    transform: select * from a\n"
                 "  c:\n    transform: >\n      select x\n\n      from a\n  d: {extract: clockify.tags}\n");
    REQUIRE(result.flows.size() == 1);
    const FlowPlan& plan = result.flows[0].plan;
    const auto at = [&](const std::string& task, int line) { return place_of_sql(plan.origins.tasks.at(task), line); };
    CHECK(at("a", 2) == "f.yaml:6");
    CHECK(at("b", 1) == "f.yaml:8");
    CHECK(at("c", 2) == "f.yaml:10"); // folded: where it begins
    CHECK(to_text(plan.origins.tasks.at("d")) == "f.yaml:14");
    CHECK(plan.origins.sources.at("clockify").ends_with("/connectors/sources/clockify.yaml"));
}

TEST_CASE("a plan says where the columns of a contract are written") {
    const auto result =
        compiled("flow: f\ntasks:\n  a:\n    transform: select 1 as x, 2 as y\n    columns:\n      x: bigint\n      y: int\n");
    REQUIRE(result.flows.size() == 1);
    const TaskOrigin& origin = result.flows[0].plan.origins.tasks.at("a");
    CHECK(place_of_column(origin, "y") == "f.yaml:7");
    CHECK(place_of_column(origin, "z").empty());
}

TEST_CASE("a spec of the installation is corrected in a copy of the project's") {
    SourceSpec spec;
    spec.file = "/opt/crm.yaml";
    CHECK(place_in_spec(spec, "tags", "columns") == "`columns` of tags in /opt/crm.yaml");
    CHECK(place_of(spec) == "/opt/crm.yaml");
    spec.own_file = "/srv/p/sources/crm.yaml";
    CHECK(place_of(spec) == "a copy of /opt/crm.yaml at /srv/p/sources/crm.yaml");
}

TEST_CASE("where a flow is written is no part of what it is") {
    const std::string yaml = "flow: f\ntasks: {a: {wait: 1s}}\n";
    const auto one = compiled(yaml), moved = compiled("# remark\n" + yaml);
    CHECK(one.flows.at(0).plan.origins.tasks.at("a").line == 2);
    CHECK(moved.flows.at(0).plan.origins.tasks.at("a").line == 3);
    CHECK(one.flows[0].hash == moved.flows[0].hash);
    CHECK(plan_hash(Json(one.flows[0].plan).get<FlowPlan>()) == one.flows[0].hash);
    CHECK(Json(moved.flows[0].plan).get<FlowPlan>().origins.tasks.at("a").line == 3);
}
