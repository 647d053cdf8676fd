// What is told of runs while they go on, at a terminal and away from one.
#include "daemon/cli/format.hpp"
#include "daemon/cli/run_view.hpp"
#include "run_documents.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <sstream>

using namespace millrace;
using test::at, test::run, test::task;

namespace {

/// What is told, away from a terminal unless one is given.
struct Told {
    explicit Told(const Terminal& given = Terminal()) : terminal(given) {}
    void show(const Json& document, std::chrono::seconds later = {}) { view.show({document}, at + later); }

    std::ostringstream out;
    const Terminal terminal;
    RunView view{out, terminal};
};

/// A run whose one task is under way, so far.
Json running(const std::string& name, const Json& progress) { return run("running", {task(name, "running", {{"progress", progress}})}); }

} // namespace

TEST_CASE("away from a terminal progress is a line for every change, once") {
    Told told;
    for (int i = 0; i < 2; ++i) told.show(running("fetch", {{"step", "requesting"}, {"requests", 2}}));
    const Json counts = {{{"table", "t"}, {"inserted", 3}, {"unchanged", 1200}}};
    const auto loaded = task("fetch", "completed", {{"loads", counts}});
    told.show(run("completed", {loaded}));
    CHECK(told.out.str() == "hours run 7: running\nhours.fetch: running: requesting, 2 requests\n"
                            "hours.fetch: completed: 3 inserted, 1,200 unchanged\nhours run 7: completed in 4.0 s\n");
}

TEST_CASE("away from a terminal a task that goes on for long tells how far it is, every ten seconds") {
    Told told;
    for (int second = 0; second <= 25; ++second) {
        const Json progress = {{"step", "copying"}, {"records", 1000 * std::min(second, 21)}, {"records_total", 21000}};
        told.show(running("load", progress), std::chrono::seconds(second));
    }
    CHECK(told.out.str() ==
          "hours run 7: running\nhours.load: running: copying, 0 of 21,000 records\n"
          "hours.load: running: copying, 10,000 of 21,000 records\nhours.load: running: copying, 20,000 of 21,000 records\n");
    told.show(run("running", {task("load", "running")}), std::chrono::minutes(1));
    const auto text = told.out.str();
    CHECK(std::count(text.begin(), text.end(), '\n') == 4);
}

TEST_CASE("a run that begins says which interval it is about") {
    Told told;
    auto begun = run("running", {});
    begun["interval"] = {{"start", "2026-11-02T00:00:00Z"}, {"end", "2026-11-09T00:00:00Z"}};
    told.show(begun);
    CHECK(told.out.str() == "hours run 7: running: 2026-11-02 to 2026-11-09\n");
}

TEST_CASE("away from a terminal a task that waits for a lock says so once, whatever comes before and after") {
    Told told;
    const auto show = [&](const Json& progress) { told.show(running("load", progress)); };
    show({{"step", "staging"}});
    for (int i = 0; i < 2; ++i) show({{"step", "waiting for a lock on demo.tags (held by pid 5, psql)"}});
    show({{"step", "merging"}});
    CHECK(told.out.str() ==
          "hours run 7: running\nhours.load: running: staging\nhours.load: running: waiting for a lock on demo.tags (held by "
          "pid 5, psql)\n");
}

TEST_CASE("away from a terminal a queued run says what it waits for, again when that changes") {
    Told told;
    auto queued = run("pending", {});
    queued["state_name"] = "Queued";
    for (const char* message : {"waits for run 6", "waits for run 6", "waits for run 6, which waits for approval"}) {
        queued["message"] = message;
        told.show(queued);
    }
    CHECK(told.out.str() == "hours run 7: pending (queued): waits for run 6\n"
                            "hours run 7: pending (queued): waits for run 6, which waits for approval\n");
}

TEST_CASE(
    "away from a terminal what waits for a limit, the disk or an answer says so, and who has the limit no oftener than every ten seconds") {
    Told told;
    const auto show = [&](const char* message, int second) {
        auto waiting = run("pending", {task("load", "pending", {{"state_name", "WaitingForSlot"}, {"message", message}})});
        waiting["state_name"] = "WaitingForSlot", waiting["message"] = message;
        told.show(waiting, std::chrono::seconds(second));
    };
    show("", 0); // the answer to its claim is not there yet
    show("waits for the limit 'one': run 5 has it", 1);
    show("waits for the limit 'one': run 6 has it", 4);
    show("waits for the limit 'one': run 8 has it", 11);
    show("waits for the limit 'one': run 8 has it", 31);
    std::string lines;
    for (const char* run : {"5", "8"})
        for (const char* who : {"hours run 7", "hours.load"})
            lines += fmt::format("{}: pending (waiting for slot): waits for the limit 'one': run {} has it\n", who, run);
    CHECK(told.out.str() == lines);
}

TEST_CASE("away from a terminal each retry is told, with the number of its attempt, also where nobody saw it run") {
    Told told;
    const Json error = {{"class", "transient"}, {"message", "away"}, {"remedy", nullptr}};
    const auto show = [&](const char* state, int attempts) {
        told.show(run("running", {task("fetch", state, {{"attempts", attempts}, {"error", error}, {"state_name", nullptr}})}));
    };
    show("retrying", 1), show("retrying", 2), show("retrying", 2), show("running", 3), show("running", 3), show("running", 4);
    CHECK(told.out.str() ==
          "hours run 7: running\nhours.fetch: retrying: away; attempt 2 begins\nhours.fetch: retrying: away; attempt 3 begins\n"
          "hours.fetch: running, attempt 3\nhours.fetch: running, attempt 4\n");
}

TEST_CASE("on a terminal progress is redrawn in place") {
    Told told(Terminal{true, false, 80});
    told.show(run("running", {task("fetch", "running")}));
    const auto first = told.out.str();
    CHECK(first.find("\x1b[2A") == std::string::npos);
    told.show(run("running", {task("fetch", "running")}));
    CHECK(told.out.str().substr(first.size()).starts_with("\x1b[2A"));
}

TEST_CASE("on a narrow terminal no line of the progress is wider than it, whatever the names") {
    Told told(Terminal{true, false, 50});
    const Json progress = {{"step", "requesting"}};
    told.show(running("a_task_with_a_very_long_name_indeed", progress));
    std::istringstream lines(told.out.str());
    for (std::string line; std::getline(lines, line);) {
        if (const auto start = line.rfind("\x1b[2K"); start != std::string::npos) line.erase(0, start + 4);
        if (!line.starts_with("\x1b")) CHECK(display_width(line) <= 50);
    }
    CHECK_THAT(told.out.str(), Catch::Contains("requestin"));
}
