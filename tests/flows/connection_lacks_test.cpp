#include "flows/connection_lacks.hpp"

#include "tests/flows/compiled.hpp"

using namespace millrace;

TEST_CASE("what flows lack is told once for each connection, with the flows that name it and the first task that does") {
    const auto clients = test::plan_of("flow: clients\ntasks:\n  rows: {extract: clockify.clients}\n  more: {extract: clockify.projects}\n"
                                       "  there: {load: rows, into: warehouse.public.clients, mode: replace}\n");
    const auto users = test::plan_of("flow: users\ntasks:\n  people: {extract: clockify.users}\n");
    std::vector<std::string> asked;
    const auto lacks = lacks_of_flows({&clients, &users}, [&](const std::string& connection) {
        asked.push_back(connection);
        if (connection == "clockify") throw Error(ErrorClass::Permanent, "it lacks a key", "set the key");
    });
    CHECK(asked == std::vector<std::string>{"clockify", "warehouse"});
    REQUIRE(lacks.size() == 1);
    CHECK(lacks[0].connection == "clockify");
    CHECK(lacks[0].flows == std::set<std::string>{"clients", "users"});
    CHECK(lacks[0].task == "rows");
    CHECK(lacks[0].message == "it lacks a key");
    CHECK(lacks[0].remedy == "set the key");
}

TEST_CASE("a connection that a parameter chooses is known only in a run, and what is no lack is not told as one") {
    auto plan = test::plan_of("flow: clients\ntasks:\n  rows: {extract: clockify.clients}\n");
    plan.tasks[0].options["connection"] = "${agency}";
    CHECK(lacks_of_flows({&plan}, [](const std::string&) { throw Error(ErrorClass::Permanent, "asked"); }).empty());
    plan.tasks[0].options["connection"] = "clockify";
    CHECK_THROWS_AS(lacks_of_flows({&plan}, [](const std::string&) { throw std::bad_alloc(); }), std::bad_alloc);
}
