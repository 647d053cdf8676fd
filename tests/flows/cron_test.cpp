#include "flows/cron.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

ScheduleSpec cron(const std::string& text, const std::string& zone = "UTC") {
    ScheduleSpec s;
    s.cron = text;
    s.timezone = zone;
    return s;
}

std::vector<std::string> firings(const ScheduleSpec& s, const std::string& after, int n) {
    std::vector<std::string> times;
    for (const auto& f : next_firings(s, *parse_rfc3339(after), n)) times.push_back(to_rfc3339(f.at));
    return times;
}

using Times = std::vector<std::string>;

} // namespace

TEST_CASE("cron: five fields, lists, ranges, steps and names") {
    CHECK(firings(cron("0 6 * * 1-5"), "2026-11-20T06:00:00Z", 2) == Times{"2026-11-23T06:00:00Z", "2026-11-24T06:00:00Z"});
    CHECK(firings(cron("*/20 8,9 * * MON"), "2026-11-23T08:30:00Z", 3) ==
          Times{"2026-11-23T08:40:00Z", "2026-11-23T09:00:00Z", "2026-11-23T09:20:00Z"});
    CHECK(firings(cron("0 0 1 jan,JUL *"), "2026-01-01T00:00:00Z", 2) == Times{"2026-07-01T00:00:00Z", "2027-01-01T00:00:00Z"});
    CHECK(firings(cron("0 0 * * FRI-SUN"), "2026-11-19T00:00:00Z", 4) ==
          Times{"2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z", "2026-11-27T00:00:00Z"});
    CHECK(firings(cron("0 0 * * 7"), "2026-11-20T00:00:00Z", 1) == Times{"2026-11-22T00:00:00Z"});
    CHECK(firings(cron("0 0 * * SUN-SUN"), "2026-11-20T00:00:00Z", 2) == Times{"2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"});
    CHECK(firings(cron("0 0 * * 2/3"), "2026-11-20T00:00:00Z", 3) ==
          Times{"2026-11-24T00:00:00Z", "2026-11-27T00:00:00Z", "2026-12-01T00:00:00Z"});
}

TEST_CASE("cron: six fields begin with seconds") {
    CHECK(firings(cron("*/30 * * * * *"), "2026-11-20T06:00:00Z", 3) ==
          Times{"2026-11-20T06:00:30Z", "2026-11-20T06:01:00Z", "2026-11-20T06:01:30Z"});
}

TEST_CASE("cron: day of month and day of week, both restricted, match when either does") {
    CHECK(firings(cron("0 0 13 * 5"), "2026-11-01T00:00:00Z", 3) ==
          Times{"2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"});
    CHECK(firings(cron("0 0 13 * 3"), "2026-11-11T00:00:00Z", 2) == Times{"2026-11-13T00:00:00Z", "2026-11-18T00:00:00Z"});
}

TEST_CASE("cron: the 29th of February and a day that never comes") {
    CHECK(firings(cron("0 0 29 2 *"), "2025-01-01T00:00:00Z", 1) == Times{"2028-02-29T00:00:00Z"});
    CHECK(firings(cron("0 0 29 2 *"), "2090-01-01T00:00:00Z", 3) ==
          Times{"2092-02-29T00:00:00Z", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"});
    CHECK(firings(cron("0 0 30 2 *"), "2025-01-01T00:00:00Z", 1).empty());
}

TEST_CASE("cron: a fixed hour that the clock skips runs after the gap, or not at all") {
    auto s = cron("30 2 * * *", "Europe/Berlin"); // 2026-03-29: 02:00 becomes 03:00
    const auto found = next_firings(s, *parse_rfc3339("2026-03-28T12:00:00Z"), 2);
    CHECK(to_rfc3339(found[0].at) == "2026-03-29T01:00:00Z");
    CHECK(found[0].local == "2026-03-29T02:30:00");
    CHECK(found[0].note == "02:30 does not exist on this day: runs at 03:00");
    CHECK(to_rfc3339(found[1].at) == "2026-03-30T00:30:00Z");
    s.dst.gap = "skip";
    CHECK(firings(s, "2026-03-28T12:00:00Z", 1) == Times{"2026-03-30T00:30:00Z"});
}

TEST_CASE("what is missing or other than usual because of the clocks is noted") {
    const auto noted = [](const ScheduleSpec& s, const std::string& after, int n) {
        std::string notes;
        for (const auto& firing : next_firings(s, *parse_rfc3339(after), n)) notes += firing.local.substr(5, 11) + " " + firing.note + "\n";
        return notes;
    };
    auto s = cron("30 2 * * *", "Europe/Berlin");
    s.dst.gap = "skip";
    CHECK(noted(s, "2026-03-27T12:00:00Z", 3) == "03-28T02:30 \n03-30T02:30 02:30 does not exist on 2026-03-29: left out\n03-31T02:30 \n");
    CHECK(noted(s, "2026-03-29T12:00:00Z", 1) == "03-30T02:30 \n"); // the gap is over
    CHECK(noted(cron("*/20 * * * *", "Europe/Berlin"), "2026-03-29T00:30:00Z", 3) ==
          "03-29T01:40 \n03-29T03:00 02:00 to 02:40 do not exist on 2026-03-29: left out\n03-29T03:20 \n");
    CHECK(noted(cron("0 2,3 * * *", "Europe/Berlin"), "2026-03-28T12:00:00Z", 1) ==
          "03-29T03:00 02:00 does not exist on 2026-03-29: this one is for that too\n");
    CHECK(noted(cron("*/30 2 * * *", "Europe/Berlin"), "2027-03-27T12:00:00Z", 2) ==
          "03-28T02:00 02:00 to 02:30 do not exist on this day: runs once for them, at 03:00\n03-29T02:00 \n");
    CHECK(noted(cron("*/30 2,3 * * *", "Europe/Berlin"), "2027-03-27T12:00:00Z", 2) ==
          "03-28T03:00 02:00 to 02:30 do not exist on 2027-03-28: this one is for that too\n03-28T03:30 \n");
    ScheduleSpec every;
    every.timezone = "Europe/Berlin";
    every.every = Span{0, 0, 24 * 3600};
    every.start = "2026-10-20T08:00:00+02:00";
    CHECK(noted(every, "2026-10-23T12:00:00Z", 3) == "10-24T08:00 \n10-25T07:00 the clocks went back by 1 h before it\n10-26T07:00 \n");
    every.every = Span{1, 0, 0};
    every.start = "2026-01-31T06:00:00+01:00";
    CHECK(noted(every, "2026-02-01T00:00:00Z", 3) == "02-28T06:00 there is no 31 in this month: runs on the 28\n03-31T06:00 \n04-30T06:00 "
                                                     "there is no 31 in this month: runs on the 30\n");
}

TEST_CASE("cron: several skipped times are one firing") {
    CHECK(firings(cron("0,15,30,45 2,3 * * *", "Europe/Berlin"), "2026-03-28T23:00:00Z", 4) ==
          Times{"2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z", "2026-03-29T01:30:00Z", "2026-03-29T01:45:00Z"});
}

TEST_CASE("cron: a fixed hour that comes twice runs the first time, the second or both") {
    auto s = cron("30 2 * * *", "Europe/Berlin"); // 2026-10-25: 03:00 becomes 02:00
    CHECK(firings(s, "2026-10-24T12:00:00Z", 2) == Times{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"});
    s.dst.overlap = "second";
    CHECK(firings(s, "2026-10-24T12:00:00Z", 2) == Times{"2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"});
    s.dst.overlap = "both";
    CHECK(firings(s, "2026-10-24T12:00:00Z", 2) == Times{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"});
    CHECK(next_firing(s, *parse_rfc3339("2026-10-25T00:30:00Z"))->note == "02:30 happens twice on this day: this is the second");
}

TEST_CASE("cron: without a fixed hour the schedule follows elapsed time") {
    CHECK(firings(cron("30 * * * *", "Europe/Berlin"), "2026-10-24T23:30:00Z", 3) ==
          Times{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"});
    CHECK(firings(cron("30 * * * *", "Europe/Berlin"), "2026-03-29T00:00:00Z", 2) == Times{"2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"});
}

TEST_CASE("cron: a day that a zone lacked altogether") {
    CHECK(firings(cron("0 2 * * *", "Pacific/Apia"), "2011-12-29T12:00:00Z", 2) == Times{"2011-12-30T10:00:00Z", "2011-12-30T12:00:00Z"});
}

TEST_CASE("every: anchored at start, else at the first Monday") {
    ScheduleSpec s;
    s.every = Span{0, 7, 0};
    CHECK(firings(s, "2026-11-20T00:00:00Z", 2) == Times{"2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"});
    s.every = Span{0, 0, 900};
    CHECK(firings(s, "2026-11-20T00:01:00Z", 2) == Times{"2026-11-20T00:15:00Z", "2026-11-20T00:30:00Z"});
    s.every = Span{1, 0, 0};
    CHECK(firings(s, "2026-11-20T00:00:00Z", 2) == Times{"2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"});
    s.start = "2026-01-31T06:00:00Z";
    CHECK(firings(s, "2025-01-01T00:00:00Z", 3) == Times{"2026-01-31T06:00:00Z", "2026-02-28T06:00:00Z", "2026-03-31T06:00:00Z"});
    s.end = "2026-03-31T06:00:00Z";
    CHECK(firings(s, "2025-01-01T00:00:00Z", 3).size() == 2);
}

TEST_CASE("every: days are days of the zone, whatever their length") {
    ScheduleSpec s;
    s.every = Span{0, 1, 0};
    s.timezone = "America/Sao_Paulo";
    CHECK(firings(s, "2018-11-03T02:00:00Z", 3) == Times{"2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"});
    const auto found = next_firings(s, *parse_rfc3339("2018-11-03T04:00:00Z"), 2);
    CHECK(found[0].local == "2018-11-04T00:00:00");
    CHECK(found[0].note == "00:00 does not exist on this day: runs at 01:00");
    CHECK(found[1].note.empty());
}

TEST_CASE("cron: a mistake names its field and what it may hold") {
    CHECK_THROWS_WITH(CronExpression::parse("0 25 * * *"), Catch::Contains("hour") && Catch::Contains("0 to 23"));
    CHECK_THROWS_WITH(CronExpression::parse("0 6 * * funday"), Catch::Contains("day-of-week") && Catch::Contains("sun to sat"));
    CHECK_THROWS_WITH(CronExpression::parse("0 6 * *"), Catch::Contains("has 4 fields"));
    CHECK_THROWS_WITH(CronExpression::parse("*/0 6 * * *"), Catch::Contains("step"));
    CHECK_THROWS_WITH(CronExpression::parse("0 6 5-1 * *"), Catch::Contains("ends before it begins"));
    CHECK_THROWS_WITH(CronExpression::parse("@dayly"), Catch::Contains("@daily"));
    CHECK_THROWS_WITH(next_firing(cron("@daily", "America/Sao_Paolo"), Instant{}), Catch::Contains("America/Sao_Paulo"));
}

TEST_CASE("cron: what other programs take, and slips, are told how they are written here") {
    const auto told = [](const std::string& text) -> std::string {
        try {
            (void)CronExpression::parse(text);
        } catch (const std::invalid_argument& e) {
            return e.what();
        }
        return "";
    };
    for (const char* last : {"0 6 L * *", "0 6 l * *", "0 6 LW * *", "0 6 L-3 * *"})
        CHECK_THAT(told(last), Catch::EndsWith("for the last day of a month: `every: 1mo` with `start: 2027-01-31`"));
    CHECK_THAT(told("0 6 15W * *"), Catch::Contains("has a 'W', which is not supported here"));
    CHECK_THAT(told("0 6 * * 1#2"), Catch::Contains("has a '#', which is not supported here"));
    CHECK_THAT(told("0 6 * * 5L"), Catch::Contains("the day-of-week field '5L' has an 'L', which is not supported here"));
    CHECK_THAT(told("0 6 * * friL"), Catch::Contains("has an 'L'"));
    CHECK_THAT(told("0 6 ? * 1"), Catch::EndsWith("has a '?', which is not supported here; write *"));
    CHECK_THAT(told("0 6 * * funday"), Catch::Contains("has 'funday' in it"));
    CHECK_THAT(told("0 6 * * fri-mon"), Catch::EndsWith("has a range that ends before it begins; write fri-sun,mon"));
    CHECK_THAT(told("0 6 * * 6-2"), Catch::EndsWith("write 6-7,1-2"));
    CHECK_THAT(told("0 6 * * 7-2"), Catch::EndsWith("write 0-2"));
    CHECK_THAT(told("0 22-5 * * *"), Catch::EndsWith("write 22-23,0-5"));
    CHECK_THAT(told("0 6 * NOV-feb *"), Catch::EndsWith("write NOV-dec,jan-feb"));
    CHECK_THAT(told("0 6 * dec-jan *"), Catch::EndsWith("write dec,jan"));
    for (const char* meant : {"0 6 * * fri-sun,mon", "0 6 * * 6-7,1-2", "0 22-23,0-5 * * *", "0 6 * NOV-dec,jan-feb *"})
        CHECK(told(meant).empty());
    CHECK(told("TZ=Europe/Berlin 0 6 * * 1") ==
          "'TZ=Europe/Berlin' is not written in a cron expression here; write `timezone: Europe/Berlin` beside `cron`");
    CHECK_THAT(told("CRON_TZ=UTC 0 6 * * 1"), Catch::Contains("`timezone: UTC`"));
    CHECK(told("0 6 * * 1, 2") == "'0 6 * * 1, 2' has a space in a list; write '0 6 * * 1,2'");
    CHECK_THAT(told("0 6 1 ,2 * *"), Catch::EndsWith("write '0 6 1,2 * *'"));
    CHECK_THAT(told("5"), Catch::StartsWith("'5' has 1 field; "));
    CHECK_THAT(told("@reboot"), Catch::Contains("@midnight") && Catch::Contains("@annually"));
    ScheduleSpec last_days;
    last_days.every = Span{1, 0, 0};
    last_days.start = "2027-01-31T00:00:00Z";
    CHECK(firings(last_days, "2027-01-31T00:00:00Z", 3) == Times{"2027-02-28T00:00:00Z", "2027-03-31T00:00:00Z", "2027-04-30T00:00:00Z"});
}
