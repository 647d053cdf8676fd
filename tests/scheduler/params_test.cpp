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
