#include "daemon/cli/format.hpp"
#include "daemon/cli/told_lately.hpp"

#include <catch2/catch.hpp>

#include <sstream>

using namespace millrace;

namespace {

std::string written(const Json& events, const std::string& of_flow = {}) {
    std::ostringstream out;
    write_told_lately(out, Terminal{}, events, of_flow);
    return out.str();
}

const Json missed = {{"id", 2}, {"at", "2026-05-02T10:00:00Z"}, {"flow", "f"}, {"kind", "missed"}, {"message", "2 firings\x1b[31m"}};
const Json jumped = {{"id", 1}, {"at", "2026-05-01T10:00:00Z"}, {"flow", nullptr}, {"kind", "clock_jumped"}, {"message", "it was set"}};

} // namespace

TEST_CASE("what was told lately is written with its time, kind and flow, and nothing where there is none") {
    CHECK(written(Json::array()).empty());
    const auto heading = "\n" + local_title("told lately") + "\n";
    const auto time = [](const Json& event) { return local_time_text(event.at("at").get<std::string>()); };
    CHECK(written(Json::array({missed, jumped})) ==
          heading + time(missed) + "  missed         f: 2 firings [31m\n" + time(jumped) + "  clock_jumped   it was set\n");
    CHECK(written(Json::array({missed}), "f") == heading + time(missed) + "  missed         2 firings [31m\n");
}

TEST_CASE("of much that was told lately the newest is written, and where the rest is") {
    Json events = Json::array();
    for (int i = 0; i < 12; ++i) events.push_back(missed);
    CHECK_THAT(written(events), Catch::EndsWith("and 2 more: millrace doctor --json\n"));
    CHECK_THAT(written(events, "f"), Catch::EndsWith("and 2 more: millrace flows show f --json\n"));
}
