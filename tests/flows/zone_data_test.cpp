#include "../zone_folder.hpp"
#include "flows/cron.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using millrace::test::ZoneFolder;

namespace {

const Instant noon = *parse_rfc3339("2026-11-20T12:00:00Z");

std::string local_noon(const date::time_zone& zone) { return to_text(to_local(noon, zone)); }

ScheduleSpec spec(const std::string& cron, std::int64_t seconds = 0, int days = 0) {
    ScheduleSpec s;
    s.cron = cron;
    s.every = {0, days, seconds};
    s.timezone = "Europe/Berlin";
    return s;
}

/// What comes next once the zone's clocks are those of Helsinki, an hour ahead of what they were.
Firing moved(const ScheduleSpec& s, Instant now) {
    const ZoneFolder zones;
    const auto next = next_firing(s, now).value();
    zones.becomes("Europe/Berlin", "Europe/Helsinki");
    (void)refresh_zones();
    return next_by_new_rules(s, next, now).value();
}

} // namespace

TEST_CASE("a zone whose file has changed is read anew, and who holds it keeps what it was") {
    const ZoneFolder zones;
    const auto& berlin = find_zone("Europe/Berlin");
    (void)find_zone("America/Sao_Paulo");
    CHECK(local_noon(berlin) == "2026-11-20T13:00:00");
    CHECK(refresh_zones().empty());
    zones.becomes("Europe/Berlin", "Europe/Helsinki");
    CHECK(local_noon(find_zone("Europe/Berlin")) == "2026-11-20T13:00:00"); // all at once, when somebody looks
    CHECK(refresh_zones() == std::vector<std::string>{"Europe/Berlin"});
    CHECK(local_noon(find_zone("Europe/Berlin")) == "2026-11-20T14:00:00");
    CHECK(local_noon(berlin) == "2026-11-20T13:00:00");
    CHECK(refresh_zones().empty());
}

TEST_CASE("a zone that came with an update is found, a file that is none is not") {
    const ZoneFolder zones;
    CHECK_THROWS_AS(find_zone("Europe/Helsinki"), std::invalid_argument);
    zones.becomes("Europe/Helsinki", "Europe/Helsinki");
    CHECK(find_zone("Europe/Helsinki").name().ends_with("Europe/Helsinki"));
    zones.becomes("Europe/Nowhere", "zone.tab");
    for (const char* name : {"Europe/Nowhere", "Europe", "../Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin", "europe/berlin", ""})
        CHECK_THROWS_AS(find_zone(name), std::invalid_argument);
}

TEST_CASE("what comes next keeps its local time by the new rules of its zone") {
    const Instant now = *parse_rfc3339("2026-11-20T04:30:00Z"); // 05:30
    for (const auto& s : {spec("0 7 * * *"), spec("", 0, 1)}) {
        auto daily = s;
        if (s.cron.empty()) daily.start = "2026-11-01T06:00:00Z"; // 07:00, which was told as an instant
        const auto next = moved(daily, now);
        CHECK(next.at == *parse_rfc3339(s.cron.empty() ? "2026-11-20T06:00:00Z" : "2026-11-20T05:00:00Z"));
    }
}

TEST_CASE("a local time that has passed by the new rules is not left out, one that fired does not come again") {
    const auto next = moved(spec("0 7 * * *"), *parse_rfc3339("2026-11-20T05:30:00Z")); // 06:30, then 07:30
    CHECK(next.at == *parse_rfc3339("2026-11-20T05:00:00Z"));
    CHECK(next.local == "2026-11-20T07:00:00");
    const ZoneFolder zones;
    zones.becomes("Europe/Berlin", "Europe/Helsinki");
    (void)refresh_zones();
    const Instant now = *parse_rfc3339("2026-11-20T05:10:00Z"); // 07:10: today's has fired
    const auto tomorrow = next_firing(spec("0 7 * * *"), now).value();
    zones.becomes("Europe/Berlin", "Europe/Berlin"); // 06:10 again
    (void)refresh_zones();
    CHECK(next_by_new_rules(spec("0 7 * * *"), tomorrow, now)->local == "2026-11-21T07:00:00");
    auto since = spec("", 0, 1);
    since.start = "2026-11-01T06:00:00Z"; // an instant stays one
    const auto next_day = next_firing(since, now).value();
    zones.becomes("Europe/Berlin", "America/Sao_Paulo");
    (void)refresh_zones();
    CHECK(next_by_new_rules(since, next_day, now)->at == next_day.at);
}

TEST_CASE("what follows elapsed time goes on, whatever the clock on the wall says") {
    const Instant now = *parse_rfc3339("2026-11-20T04:31:00Z");
    CHECK(moved(spec("*/15 * * * *"), now).at == *parse_rfc3339("2026-11-20T04:45:00Z"));
    CHECK(moved(spec("", 900), now).at == *parse_rfc3339("2026-11-20T04:45:00Z"));
    CHECK(moved(spec("0 */2 * * *"), now).at == *parse_rfc3339("2026-11-20T06:00:00Z")); // 08:00, where 07:00 was odd
}

TEST_CASE("what is due already stays what it is") {
    const ZoneFolder zones;
    const auto next = next_firing(spec("0 7 * * *"), noon - std::chrono::hours(12)).value();
    zones.becomes("Europe/Berlin", "Europe/Helsinki");
    (void)refresh_zones();
    CHECK(next_by_new_rules(spec("0 7 * * *"), next, noon)->at == next.at);
}
