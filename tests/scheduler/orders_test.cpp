#include "scheduler/orders.hpp"

#include "drive.hpp"
#include "flows/error.hpp"

using namespace millrace;
using test::Drive;
using test::plan_text;

TEST_CASE("a wait until a date ends at midnight of the flow's zone") {
    const auto end_of = [](const std::string& until) {
        FlowPlan flow = plan_text("w: wait");
        flow.timezone = "America/Sao_Paulo";
        flow.tasks[0].options = {{"until", until}};
        const Drive d(flow);
        return to_rfc3339(wait_end(RunRow{}, *d.plan, d.key("w"), d.now));
    };
    CHECK(end_of("2026-11-28") == "2026-11-28T03:00:00Z");
    CHECK(end_of("2026-11-28T06:00:00+01:00") == "2026-11-28T05:00:00Z");
    CHECK_THROWS_WITH(end_of("soon"), Catch::StartsWith("`until`: ") && Catch::Contains("soon"));
}
