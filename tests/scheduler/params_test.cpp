#include "scheduler/params.hpp"
#include "scheduler/service.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

/// Of a parameter `p` of that type: what it is taken as, or why it is refused.
std::string told_of(const std::string& type, const Json& value) {
    FlowPlan flow;
    flow.name = "f";
    ParamSpec param;
    param.name = "p", param.type = type;
    flow.params = {param};
    try {
        const Json taken = checked_params(flow, {{"p", value}}).at("p");
        return "taken as " + (taken.is_string() ? taken.get<std::string>() : taken.dump());
    } catch (const Refusal& e) {
        return e.what();
    }
}

} // namespace

TEST_CASE("a decimal is one that every run can bind, and stays as it was given") {
    const auto told = [](const Json& value) { return told_of("decimal", value); };
    for (const char* fine : {"1.50", "-.5", "+7", "0000000000000000000000000000000012", "12345678901234567890123456789.123456789"})
        CHECK(told(fine) == std::string("taken as ") + fine);
    CHECK(told(12.5) == "taken as 12.5");
    CHECK(told(123456.123456789) == "taken as 123456.123456789");
    CHECK(told(Json::parse("123456789012.123456789")) ==
          "parameter p is of type decimal, which 123456789012.12346 is not: a number in JSON "
          "keeps 15 digits, send more of them as text");
    CHECK(told("0.1234567891") == "parameter p is of type decimal, and \"0.1234567891\" has more than 9 digits behind the point");
    CHECK(told("123456789012345678901234567890") ==
          "parameter p is of type decimal, and \"123456789012345678901234567890\" has more than 29 digits before the point");
    for (const char* none : {"", ".", "1,5", "1e5", "--1", "1.2.3", "x"})
        CHECK_THAT(told(none), Catch::EndsWith("is no number such as 12.50"));
}

TEST_CASE("a date that there is not is told as that, and how one is written") {
    const auto told = [](const Json& value) { return told_of("date", value); };
    CHECK(told("2026-02-28") == "taken as 2026-02-28");
    CHECK_THAT(told("2026-02-30"), Catch::EndsWith("there is no 2026-02-30: February 2026 has 28 days"));
    CHECK_THAT(told("30.11.2026"), Catch::Contains("2026-11-20"));
    CHECK_THAT(told("2026-02-28T06:00:00Z"), Catch::EndsWith("a date has no time of day"));
    CHECK_THAT(told(7), Catch::EndsWith("is of type date, which 7 is not"));
}

TEST_CASE("a list may be a text that is one in JSON") {
    const auto told = [](const Json& value) { return told_of("list", value); };
    CHECK(told(Json::parse(R"(["a", 1])")) == R"(taken as ["a",1])");
    CHECK(told(R"(["a, b", 1])") == R"(taken as ["a, b",1])");
    CHECK(told(" []\n") == "taken as []");
    for (const char* none : {"a,b", "", "[a]", R"({"a": 1})", R"("a")", "7"})
        CHECK_THAT(told(none), Catch::EndsWith(R"(is not: send a JSON list, or a text that is one, such as ["a", "b"])"));
    CHECK_THAT(told(std::string(100'000, '[') + std::string(100'000, ']')), Catch::Contains("is not: send a JSON list"));
    CHECK(told(7) == "parameter p is of type list, which 7 is not");
    CHECK_THAT(told(R"(["a\u0000"])"), Catch::Contains("NUL character"));
}
