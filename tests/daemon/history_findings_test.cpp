#include "daemon/cli/history_findings.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

constexpr Instant now{std::chrono::days(20000)};

Json healthy() {
    const auto disk = [](const char* folder) {
        return Json{{"folder", folder}, {"path", std::string("/srv/") + folder}, {"free_bytes", 50e9}, {"size_bytes", 100e9}};
    };
    return {{"periods", 12},      {"rows", 1234567},
            {"bytes", 345678901}, {"oldest_at", "2024-08-01T06:00:00Z"},
            {"kept_by", nullptr}, {"last_ran_at", to_rfc3339(now - std::chrono::minutes(12))},
            {"failure", ""},      {"disks", {disk("staging"), disk("state")}}};
}

} // namespace

TEST_CASE("doctor tells how much history there is and when retention looked at it") {
    const auto findings = history_findings(healthy(), now);
    REQUIRE(findings.size() == 2);
    CHECK_THAT(findings[0].message, Catch::StartsWith("about 1,234,567 rows in 12 periods, 0.3 GB, the oldest run of 2024-08-01"));
    CHECK_THAT(findings[1].message, Catch::Contains("12 min"));
    for (const auto& finding : findings) CHECK((finding.ok && finding.remedy.empty()));
}

TEST_CASE("doctor tells what of history will hurt soon, and what to do") {
    Json history = healthy();
    history["kept_by"] = 7;
    history["failure"] = "the store cannot be reached";
    history["disks"][0]["free_bytes"] = 9e9;
    const auto findings = history_findings(history, now);
    REQUIRE(findings.size() == 3);
    CHECK_THAT(findings[0].remedy, Catch::Contains("millrace runs show 7"));
    CHECK_FALSE(findings[1].ok);
    CHECK(findings[1].message == "the store cannot be reached");
    CHECK(findings[2].name == "staging");
    CHECK(findings[2].ok); // it works yet
    CHECK_THAT(findings[2].message, Catch::Contains("9.0 of 100.0 GB"));
    CHECK_THAT(findings[2].remedy, Catch::Contains("`retention:`"));
}
