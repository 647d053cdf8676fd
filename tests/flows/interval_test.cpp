#include "flows/interval.hpp"

#include <catch2/catch.hpp>

using namespace millrace;

namespace {

Instant at(const std::string& text) { return *parse_rfc3339(text); }

std::string text(const Interval& i) { return to_rfc3339(i.start) + " " + to_rfc3339(i.end); }

IntervalSpec every(const std::string& span, const std::string& lookback = "0d") {
    IntervalSpec s;
    s.every = parse_span(span);
    s.lookback = parse_span(lookback);
    return s;
}

} // namespace

TEST_CASE("spans: every unit, and a sentence for what is none") {
    CHECK(parse_span("90s").seconds == 90);
    CHECK(parse_span("5m").seconds == 300);
    CHECK(parse_span("2h").seconds == 7200);
    CHECK(parse_span("7d").days == 7);
    CHECK(parse_span("1mo").months == 1);
    CHECK(parse_span("1y").months == 12);
    for (const char* wrong : {"", "d", "5", "5 d", "-1d", "1.5h", "99999999999999999999s", "5000y"}) {
        CAPTURE(wrong);
        CHECK_THROWS_AS(parse_span(wrong), std::invalid_argument);
    }
    CHECK_THROWS_WITH(parse_span("2x"), Catch::Contains("'x' is no unit") && Catch::Contains("mo"));
    CHECK_THROWS_WITH(parse_span("5"), Catch::Contains("has no unit"));
    const std::vector<std::pair<const char*, const char*>> others{{"2w", "14d"},    {"1 month", "1mo"}, {"90min", "90m"},
                                                                  {"1h30m", "90m"}, {"1h 60m", "2h"},   {"36H", "36h"}};
    for (const auto& [theirs, ours] : others) CHECK_THROWS_WITH(parse_span(theirs), Catch::EndsWith(std::string("is written ") + ours));
}

TEST_CASE("adding months stays on the last day of a shorter month") {
    CHECK(to_rfc3339(add(at("2026-01-31T10:00:00Z"), parse_span("1mo"), 1, "UTC")) == "2026-02-28T10:00:00Z");
    CHECK(to_rfc3339(add(at("2024-02-29T00:00:00Z"), parse_span("1y"), 1, "UTC")) == "2025-02-28T00:00:00Z");
    CHECK(to_rfc3339(add(at("2026-03-31T00:00:00Z"), parse_span("1mo"), -1, "UTC")) == "2026-02-28T00:00:00Z");
}

TEST_CASE("adding days keeps the local time, adding hours the elapsed time") {
    const auto before = at("2026-03-28T11:00:00Z"); // 12:00 in Berlin, the day before summer time
    CHECK(to_rfc3339(add(before, parse_span("1d"), 1, "Europe/Berlin")) == "2026-03-29T10:00:00Z");
    CHECK(to_rfc3339(add(before, parse_span("24h"), 1, "Europe/Berlin")) == "2026-03-29T11:00:00Z");
    CHECK(to_rfc3339(add(at("2026-03-28T01:30:00Z"), parse_span("1d"), 1, "Europe/Berlin")) == "2026-03-29T01:00:00Z");
}

TEST_CASE("the interval of a run is the last whole span before it, with lookback in front") {
    CHECK(text(interval_at(every("1d"), at("2026-11-20T06:00:00Z"), "UTC")) == "2026-11-19T00:00:00Z 2026-11-20T00:00:00Z");
    CHECK(text(interval_at(every("1d"), at("2026-11-20T00:00:00Z"), "UTC")) == "2026-11-19T00:00:00Z 2026-11-20T00:00:00Z");
    CHECK(text(interval_at(every("1d", "83d"), at("2026-11-20T06:00:00Z"), "America/Sao_Paulo")) ==
          "2026-08-28T03:00:00Z 2026-11-20T03:00:00Z");
    CHECK(text(interval_at(every("1mo"), at("2026-11-20T06:00:00Z"), "UTC")) == "2026-10-01T00:00:00Z 2026-11-01T00:00:00Z");
    CHECK(text(interval_at(every("7d"), at("2026-11-20T06:00:00Z"), "UTC")) == "2026-11-09T00:00:00Z 2026-11-16T00:00:00Z");
    CHECK(text(interval_at(every("15m", "1h"), at("2026-11-20T06:07:00Z"), "UTC")) == "2026-11-20T04:45:00Z 2026-11-20T06:00:00Z");
}

TEST_CASE("an interval that is a day long follows the zone through the change of its clocks") {
    CHECK(text(interval_at(every("1d"), at("2026-03-30T06:00:00Z"), "Europe/Berlin")) == "2026-03-28T23:00:00Z 2026-03-29T22:00:00Z");
}

TEST_CASE("an interval from a date begins there") {
    auto s = every("1d");
    s.from = "2019-01-01";
    CHECK(text(interval_at(s, at("2026-11-20T06:00:00Z"), "UTC")) == "2019-01-01T00:00:00Z 2026-11-20T00:00:00Z");
}

TEST_CASE("the whole steps around an interval") {
    const auto around = [](const char* start, const char* end, const char* every, const char* zone) {
        return text(whole_steps({parse_date_or_instant(start, zone), parse_date_or_instant(end, zone)}, parse_span(every), zone));
    };
    CHECK(around("2026-11-16", "2026-11-30", "7d", "UTC") == "2026-11-16T00:00:00Z 2026-11-30T00:00:00Z");
    CHECK(around("2026-11-18", "2026-11-25", "7d", "UTC") == "2026-11-16T00:00:00Z 2026-11-30T00:00:00Z");
    CHECK(around("2026-03-29", "2026-03-30", "1d", "Europe/Berlin") == "2026-03-28T23:00:00Z 2026-03-29T22:00:00Z");
    CHECK(around("2026-03-29T00:00:00Z", "2026-03-30", "1d", "Europe/Berlin") == "2026-03-28T23:00:00Z 2026-03-29T22:00:00Z");
    CHECK(around("2026-02-01", "2026-02-15", "1mo", "UTC") == "2026-02-01T00:00:00Z 2026-03-01T00:00:00Z");
}

TEST_CASE("chunks cover the interval without a gap, the last one may be shorter") {
    const Interval whole{at("2026-08-28T03:00:00Z"), at("2026-11-20T03:00:00Z")};
    const auto parts = chunks(whole, parse_span("28d"), "America/Sao_Paulo");
    REQUIRE(parts.size() == 3);
    CHECK(parts.front().start == whole.start);
    CHECK(parts.back().end == whole.end);
    CHECK(parts[0].end == parts[1].start);
    const auto months = chunks({at("2026-01-31T00:00:00Z"), at("2026-04-15T00:00:00Z")}, parse_span("1mo"), "UTC");
    REQUIRE(months.size() == 3);
    CHECK(to_rfc3339(months[1].start) == "2026-02-28T00:00:00Z");
    CHECK(to_rfc3339(months[2].start) == "2026-03-31T00:00:00Z");
    CHECK(chunks(whole, Span{}, "UTC") == std::vector{whole});
}

TEST_CASE("a date is midnight of the zone, or the first instant of a day without one") {
    CHECK(to_rfc3339(parse_date_or_instant("2026-11-20", "Europe/Berlin")) == "2026-11-19T23:00:00Z");
    CHECK(to_rfc3339(parse_date_or_instant("2018-11-04", "America/Sao_Paulo")) == "2018-11-04T03:00:00Z");
    CHECK(to_rfc3339(parse_date_or_instant("2026-11-20T06:00:00+02:00", "UTC")) == "2026-11-20T04:00:00Z");
    for (const char* text : {"2026-02-30", "2026-02-30T06:00:00Z"})
        CHECK_THROWS_WITH(parse_date_or_instant(text, "UTC"), "there is no 2026-02-30: February 2026 has 28 days");
    CHECK(missing_day("2026-04-31") == "there is no 2026-04-31: April 2026 has 30 days");
    CHECK(missing_day("2028-02-30") == "there is no 2028-02-30: February 2028 has 29 days");
    CHECK(missing_day("2026-13-01") == "there is no 2026-13-01: months go from 01 to 12");
    CHECK(missing_day("2026-01-00") == "there is no 2026-01-00: days go from 01");
    for (const char* text : {"2028-02-29", "2026-2-30", "yesterday", ""}) CHECK(missing_day(text).empty());
    for (const char* text : {"2026-2-30", "2026-02-28 at six"})
        CHECK_THROWS_WITH(parse_date_or_instant(text, "UTC"), Catch::Contains("is neither a date"));
    CHECK_THROWS_AS(parse_date_or_instant("20 Nov", "UTC"), std::invalid_argument);
}

TEST_CASE("a span is at most 100 years, and who writes a longer one is told the longest") {
    for (const auto& [longest, longer] : {std::pair{"3153600000s", "3153600001s"},
                                          {"52560000m", "52560001m"},
                                          {"876000h", "1000000000h"},
                                          {"36500d", "36501d"},
                                          {"1200mo", "999999999999mo"},
                                          {"100y", "99999999999999999999999y"}}) {
        CAPTURE(longer);
        CHECK_NOTHROW(parse_span(longest));
        CHECK_THROWS_WITH(parse_span(longer),
                          "'" + std::string(longer) + "' is longer than 100 years; the longest is " + std::string(longest));
        const auto in_a_century = add(at("2026-11-20T00:00:00Z"), parse_span(longest), 1, "Europe/Berlin");
        CHECK(in_a_century > at("2126-10-01T00:00:00Z"));
        CHECK(in_a_century < at("2126-12-01T00:00:00Z"));
    }
}

TEST_CASE("of chunks that are too many no more are made than show it") {
    const Interval whole{at("1000-01-01T00:00:00Z"), at("9000-01-01T00:00:00Z")};
    CHECK(chunks(whole, parse_span("1s"), "UTC", 100).size() == 101);
    CHECK(chunks(whole, parse_span("100y"), "UTC", 100).size() == 80);
    CHECK(chunks(whole, parse_span("100y"), "UTC", 80).size() == 80);
}
