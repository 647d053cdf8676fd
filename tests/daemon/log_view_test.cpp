#include "daemon/cli/format.hpp"
#include "daemon/cli/log_view.hpp"
#include "run_documents.hpp"

#include <catch2/catch.hpp>

#include <sstream>

using namespace millrace;
using test::at, test::run, test::task, test::Zone;

namespace {

Json log_line(const char* task, int attempt, const char* at, const char* level, const char* text) {
    return {{"task", task}, {"item", nullptr}, {"attempt", attempt}, {"at", at}, {"level", level}, {"text", text}};
}

} // namespace

TEST_CASE("a log says its day and zone where they change, which attempt begins, and the remedy below its error") {
    const Zone zone("Europe/Berlin");
    std::ostringstream out;
    const Terminal terminal;
    LogView view(out, terminal, LogView::Tasks::Shown);
    view.of(run("failed", {task("fetch", "failed", {{"attempts", 2}}), task("other", "completed")}));
    view.show(log_line("fetch", 1, "2026-11-27T22:59:58Z", "error", "answered 503"));
    view.show(log_line("fetch", 1, "2026-11-27T22:59:58Z", "error", "remedy: wait"));
    view.show(log_line("other", 1, "2026-11-27T22:59:59Z", "info", "a line"));
    view.show(log_line("fetch", 2, "2026-11-27T23:00:01Z", "warning", "again"));
    view.show(log_line("fetch", 3, "2026-11-27T23:00:02Z", "info", "began while it was followed"));
    CHECK(out.str() == "2026-11-27 (+01:00)\n"
                       "fetch: attempt 1 of 2, began 23:59:58\n"
                       "23:59:58 fetch error: answered 503\n"
                       "  remedy: wait\n"
                       "23:59:59 other a line\n"
                       "2026-11-28 (+01:00)\n"
                       "fetch: attempt 2 of 2, began 00:00:01\n"
                       "00:00:01 fetch warning: again\n"
                       "fetch: attempt 3, began 00:00:02\n"
                       "00:00:02 fetch began while it was followed\n");
}

TEST_CASE("what somebody did to a run stands in its log, of no task") {
    const Zone zone("UTC");
    std::ostringstream out;
    const Terminal terminal;
    LogView view(out, terminal, LogView::Tasks::Shown);
    view.of(run("cancelled", {task("fetch", "cancelled")}));
    view.show(log_line("fetch", 1, "2026-11-27T23:00:01Z", "info", "page 1"));
    auto act = log_line("", 0, "2026-11-27T23:00:02Z", "info", "cancelled by uid 7");
    act["task"] = nullptr;
    view.show(act);
    CHECK(out.str() == "2026-11-27 (+00:00)\n23:00:01 fetch page 1\n23:00:02 cancelled by uid 7\n");
}

TEST_CASE("the log of a chunk of a run is headed by which chunk it is") {
    const Zone zone("UTC");
    std::ostringstream out;
    const Terminal terminal;
    LogView view(out, terminal, LogView::Tasks::Hidden);
    auto part = run("completed", {task("fetch", "completed")});
    part["chunk"] = {{"number", 2}, {"of", 3}};
    view.of(part);
    view.show(log_line("fetch", 1, "2026-11-27T23:00:01Z", "info", "done"));
    CHECK(out.str() == "chunk 2 of 3, run 7\n2026-11-27 (+00:00)\n23:00:01 done\n");
}

TEST_CASE("the zone of local times is told by its name, and where it has none as the clock does") {
    for (const auto& [set, told] : {std::pair{"Europe/Berlin", "Europe/Berlin"}, {"UTC", "UTC"}, {"Etc/UTC", "UTC"}, {"XYZ-3", "XYZ"}}) {
        const Zone zone(set);
        CHECK(local_zone_text() == told);
    }
    const Zone zone("UTC");
    CHECK(local_title("created") == "created (UTC)");
}

TEST_CASE("a line of a mapped task says its item, also where only that task is shown") {
    const Zone zone("UTC");
    std::ostringstream out;
    const Terminal terminal;
    LogView view(out, terminal, LogView::Tasks::Hidden);
    auto line = log_line("fetch", 1, "2026-11-27T23:00:01Z", "info", "3 rows");
    line["item"] = {{"id", "p1"}};
    view.show(line);
    CHECK(out.str() == "2026-11-27 (+00:00)\n23:00:01 fetch[{\"id\":\"p1\"}] 3 rows\n");
}
