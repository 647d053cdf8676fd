/// `wait: {sql: ..}`: what of it is in the plan. What is wrong with one is in broken/wait_for_a_query.yaml.
#include "compiled.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

const char* const closed = R"(
flow: closed
interval: {every: 1d}
params: {where: {type: connection, default: warehouse}}
tasks:
  projects: {extract: clockify.projects}
  closed:
    wait:
      sql: |
        select '{}'::jsonb ? 'a' or now() > $interval_end
        from projects
      in: ${where}
      every: 5m
    timeout: 7d
  plain: {wait: {sql: select true, in: warehouse}, retry: 9}
  pause: {wait: 1s}
)";

} // namespace

TEST_CASE("a wait for a query: its options, and the retry that spans a short outage") {
    const auto result = compiled(closed);
    CHECK(messages(result).empty()); // the server's clock and operators are its own
    REQUIRE(result.flows.size() == 1);
    const auto& tasks = result.flows[0].plan.tasks;
    REQUIRE(names(result.flows[0].plan) == std::vector<std::string>{"projects", "closed", "plain", "pause"});
    const auto options = tasks[1].options.get<WaitOptions>();
    CHECK_THAT(options.sql, Catch::StartsWith("select '{}'::jsonb"));
    CHECK(options.in == "${where}");
    CHECK(options.every_seconds == 300);
    CHECK(tasks[1].timeout == 7 * 86400);
    CHECK(tasks[1].retry.attempts == 3);
    CHECK(tasks[1].needs.empty()); // `projects` is a table of the server
    CHECK(tasks[2].options.get<WaitOptions>().every_seconds == 60);
    CHECK(tasks[2].retry.attempts == 9);
    CHECK(polls(tasks[1]));
    CHECK_FALSE(polls(tasks[3]));
    CHECK(tasks[3].retry.attempts == 1);
    CHECK(result.flows[0].plan.origins.tasks.at("closed").sql_line == 10);
}

TEST_CASE("a wait for a query counts where its connection, its tag or all task runs are limited") {
    auto limited = project();
    for (const char* key : {"all", "connection.warehouse"}) limited.limits[key] = 3;
    const auto result = compile({{"f.yaml", closed}}, limited, sources());
    REQUIRE(result.flows.size() == 1);
    const auto& tasks = result.flows[0].plan.tasks;
    const auto keys = [](const TaskPlan& task) {
        std::vector<std::string> out;
        for (const auto& demand : task.limits) out.push_back(demand.key + (demand.param.empty() ? "" : "?" + demand.param));
        return out;
    };
    CHECK(keys(tasks[1]) == std::vector<std::string>{"all", "connection.warehouse?where"});
    CHECK(keys(tasks[2]) == std::vector<std::string>{"all", "connection.warehouse"});
    CHECK(keys(tasks[3]).empty());
}
