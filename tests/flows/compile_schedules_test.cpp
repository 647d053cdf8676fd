// Schedules that are likely mistakes: warnings, and none of what is well.
#include "compiled.hpp"

using namespace millrace;
using test::compiled;
using test::messages;

namespace {

std::string told(const std::string& schedule) {
    const auto result = compiled("flow: f\nschedule: " + schedule + "\ntasks: {a: {wait: 1s}}\n");
    for (const auto& d : result.diagnostics) CHECK(d.severity == Severity::Warning);
    return messages(result);
}

} // namespace

TEST_CASE("`dst` where the clocks make no difference is a warning") {
    CHECK(told("{cron: '0 2 * * *', timezone: Europe/Berlin, dst: {gap: skip}}").empty());
    CHECK(told("{cron: '@daily', timezone: Europe/Berlin, dst: {gap: skip}}").empty());
    CHECK(told("{every: 1d, timezone: Europe/Berlin, dst: {gap: skip}}") ==
          "2:48 `dst` has no effect with `every`: it is for a `cron` at fixed hours = leave it out\n");
    CHECK_THAT(told("{cron: '0 */2 * * *', timezone: Europe/Berlin, dst: {gap: skip}}"), Catch::Contains("follows elapsed time"));
    CHECK_THAT(told("{cron: '0 2 * * *', dst: {gap: skip}}"), Catch::Contains("the clocks of UTC do not change"));
}

TEST_CASE("a step that is longer than its range is a warning, with the span that may be meant") {
    CHECK(told("{cron: '*/90 * * * *'}") == "2:18 '*/90' fires at minute 0 only: the step is longer than the range = "
                                            "write `every: 90m` instead of `cron`, or 0 if that is meant\n");
    CHECK_THAT(told("{cron: '0 */36 * * *'}"), Catch::Contains("fires at hour 0 only") && Catch::Contains("`every: 36h`"));
    CHECK_THAT(told("{cron: '0 0 1 */18 *'}"), Catch::Contains("fires at month 1 only") && Catch::Contains("`every: 18mo`"));
    CHECK_THAT(told("{cron: '5-10/20 * * * *'}"), Catch::Contains("fires at minute 5 only") && Catch::Contains("= write 5, if"));
    for (const char* well : {"*/60 * * * *", "5/60 * * * *", "0 */24 * * *", "0 0 1 */12 *", "*/45 * * * *", "0 6 * * mon-fri/2"})
        CHECK(told("{cron: '" + std::string(well) + "'}").empty());
}

TEST_CASE("a jitter as long as the time between two firings is a warning") {
    CHECK(told("{every: 1h, jitter: 59m}").empty());
    CHECK(told("{cron: '0 6 * * 1', jitter: 2d}").empty());
    CHECK_THAT(told("{every: 1h, jitter: 1h}"), Catch::StartsWith("2:23 `jitter` is not shorter than the 1h between two firings"));
    CHECK_THAT(told("{cron: '0 6,7 * * *', jitter: 2h}"), Catch::Contains("than the 1h between"));
    CHECK_THAT(told("{cron: '0 6 * * *', timezone: Europe/Berlin, jitter: 30h}"), Catch::Contains("than the 1d between"));
}

TEST_CASE("the same schedule twice is a warning, and not where zone, bounds or parameters differ") {
    CHECK(told("\n  - {cron: '0 6 * * *'}\n  - {every: 1d}\n  - {cron: '0 6 * * *', jitter: 5m}") ==
          "5:5 this schedule has the times and the parameters of the one in line 3 = leave one of the two out\n");
    CHECK(told("\n  - {cron: '0 6 * * *', end: 2027-01-01}\n  - {cron: '0 6 * * *', start: 2027-06-01}").empty());
    CHECK_THAT(told("\n  - {every: 1d}\n  - {every: 1d, timezone: Europe/Berlin}"), !Catch::Contains("this schedule has"));
    const auto given = compiled("flow: f\nparams: {p: {type: int, default: 1}}\nschedule: [{every: 1d}, {every: 1d, params: {p: 2}}]\n"
                                "tasks: {a: {wait: 1s}}\n");
    CHECK_THAT(messages(given), !Catch::Contains("this schedule has"));
}
