#include "scheduler/params.hpp"
#include "scheduler/service.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

TEST_CASE("a decimal is one that every run can bind, and stays as it was given") {
    FlowPlan flow;
    flow.name = "f";
    ParamSpec amount;
    amount.name = "amount", amount.type = "decimal";
    flow.params = {amount};
    const auto refused = [&](const Json& value) {
        try {
            return "taken as " + checked_params(flow, {{"amount", value}}).at("amount").get<std::string>();
        } catch (const Refusal& e) {
            return std::string(e.what());
        }
    };
    for (const char* fine : {"1.50", "-.5", "+7", "0000000000000000000000000000000012", "12345678901234567890123456789.123456789"})
        CHECK(refused(fine) == std::string("taken as ") + fine);
    CHECK(refused(12.5) == "taken as 12.5");
    CHECK(refused("0.1234567891") == "parameter amount is of type decimal, and \"0.1234567891\" has more than 9 digits behind the point");
    CHECK(refused("123456789012345678901234567890") ==
          "parameter amount is of type decimal, and \"123456789012345678901234567890\" has more than 29 digits before the point");
    for (const char* none : {"", ".", "1,5", "1e5", "--1", "1.2.3", "x"})
        CHECK_THAT(refused(none), Catch::EndsWith("is no number such as 12.50"));
}

TEST_CASE("a date that there is not is told as that, and how one is written") {
    FlowPlan flow;
    flow.name = "f";
    ParamSpec day;
    day.name = "day", day.type = "date";
    flow.params = {day};
    const auto refused = [&](const Json& value) {
        try {
            return "taken as " + checked_params(flow, {{"day", value}}).at("day").get<std::string>();
        } catch (const Refusal& e) {
            return std::string(e.what());
        }
    };
    CHECK(refused("2026-02-28") == "taken as 2026-02-28");
    CHECK_THAT(refused("2026-02-30"), Catch::EndsWith("there is no 2026-02-30: February 2026 has 28 days"));
    CHECK_THAT(refused("30.11.2026"), Catch::Contains("2026-11-20"));
    CHECK_THAT(refused("2026-02-28T06:00:00Z"), Catch::EndsWith("a date has no time of day"));
    CHECK_THAT(refused(7), Catch::EndsWith("is of type date, which 7 is not"));
}
