#include "daemon/cli/format.hpp"
#include "daemon/cli/nodes_table.hpp"

#include <catch2/catch.hpp>

#include <sstream>

using namespace millrace;

TEST_CASE("nodes says which daemons live, and since when the others are gone") {
    const auto node = [](const char* id, bool alive, const char* lease, int runs) {
        return Json{{"id", id},         {"alive", alive}, {"lease_until", lease}, {"started_at", "2026-05-01T10:00:00Z"},
                    {"version", "1.2"}, {"pid", 77},      {"runs", runs}};
    };
    std::ostringstream out;
    nodes_table(Json{node("etl1", true, "2026-05-02T10:00:10Z", 3), node("etl2", false, "2026-05-01T11:30:00Z", 0)}).write(out, Terminal());
    const auto title = [](const char* name) { return local_title(name); };
    std::istringstream lines(out.str());
    std::string head, living, gone;
    std::getline(lines, head), std::getline(lines, living), std::getline(lines, gone);
    CHECK_THAT(head, Catch::StartsWith("node  state  runs  " + title("started") + "  ") && Catch::Contains(title("gone since")));
    CHECK_THAT(living, Catch::StartsWith("etl1  alive     3  ") && Catch::EndsWith("77"));
    CHECK(living.find(local_time_text("2026-05-02T10:00:10Z")) == std::string::npos); // a lease is of no interest
    CHECK_THAT(gone, Catch::StartsWith("etl2  gone      0  ") && Catch::Contains(local_time_text("2026-05-01T11:30:00Z")) &&
                         !Catch::Contains("77"));
}
