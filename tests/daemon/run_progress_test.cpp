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

TEST_CASE("away from a terminal progress is a line for every change, once") {
    std::ostringstream out;
    const Terminal terminal;
    RunView view(out, terminal);
    const auto fetching = task("fetch", "running", {{"progress", {{"step", "requesting"}, {"requests", 2}}}});
    view.show({run("running", {fetching})}, at);
    view.show({run("running", {fetching})}, at);
    const Json counts = {{{"table", "t"}, {"inserted", 3}, {"unchanged", 1200}}};
    const auto loaded = task("fetch", "completed", {{"loads", counts}});
    view.show({run("completed", {loaded})}, at);
    CHECK(out.str() == "hours run 7: running\nhours.fetch: running: requesting, 2 requests\n"
                       "hours.fetch: completed: 3 inserted, 1,200 unchanged\nhours run 7: completed in 4.0 s\n");
}

TEST_CASE("away from a terminal a task that goes on for long tells how far it is, every ten seconds") {
    std::ostringstream out;
    const Terminal terminal;
    RunView view(out, terminal);
    for (int second = 0; second <= 25; ++second) {
        const Json progress = {{"step", "copying"}, {"records", 1000 * std::min(second, 21)}, {"records_total", 21000}};
        view.show({run("running", {task("load", "running", {{"progress", progress}})})}, at + std::chrono::seconds(second));
    }
    CHECK(out.str() == "hours run 7: running\nhours.load: running: copying, 0 of 21,000 records\n"
                       "hours.load: running: copying, 10,000 of 21,000 records\nhours.load: running: copying, 20,000 of 21,000 records\n");
    view.show({run("running", {task("load", "running")})}, at + std::chrono::minutes(1));
    const auto text = out.str();
    CHECK(std::count(text.begin(), text.end(), '\n') == 4);
}

TEST_CASE("a run that begins says which interval it is about") {
    std::ostringstream out;
    const Terminal terminal;
    RunView view(out, terminal);
    auto begun = run("running", {});
    begun["interval"] = {{"start", "2026-11-02T00:00:00Z"}, {"end", "2026-11-09T00:00:00Z"}};
    view.show({begun}, at);
    CHECK(out.str() == "hours run 7: running: 2026-11-02 to 2026-11-09\n");
}

TEST_CASE("away from a terminal a task that waits for a lock says so once, whatever comes before and after") {
    std::ostringstream out;
    const Terminal terminal;
    RunView view(out, terminal);
    const auto show = [&](const Json& progress) { view.show({run("running", {task("load", "running", {{"progress", progress}})})}, at); };
    show({{"step", "staging"}});
    for (int i = 0; i < 2; ++i) show({{"step", "waiting for a lock on demo.tags (held by pid 5, psql)"}});
    show({{"step", "merging"}});
    CHECK(out.str() == "hours run 7: running\nhours.load: running: staging\nhours.load: running: waiting for a lock on demo.tags (held by "
                       "pid 5, psql)\n");
}

TEST_CASE("away from a terminal a queued run says what it waits for, again when that changes") {
    std::ostringstream out;
    const Terminal terminal;
    RunView view(out, terminal);
    auto queued = run("pending", {});
    queued["state_name"] = "Queued";
    for (const char* message : {"waits for run 6", "waits for run 6", "waits for run 6, which waits for approval"}) {
        queued["message"] = message;
        view.show({queued}, at);
    }
    CHECK(out.str() == "hours run 7: pending (queued): waits for run 6\n"
                       "hours run 7: pending (queued): waits for run 6, which waits for approval\n");
}

TEST_CASE(
    "away from a terminal what waits for a limit, the disk or an answer says so, and who has the limit no oftener than every ten seconds") {
    std::ostringstream out;
    const Terminal terminal;
    RunView view(out, terminal);
    const auto show = [&](const char* message, int second) {
        auto waiting = run("pending", {task("load", "pending", {{"state_name", "WaitingForSlot"}, {"message", message}})});
        waiting["state_name"] = "WaitingForSlot", waiting["message"] = message;
        view.show({waiting}, at + std::chrono::seconds(second));
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
    CHECK(out.str() == lines);
}

TEST_CASE("away from a terminal each retry is told, with the number of its attempt, also where nobody saw it run") {
    std::ostringstream out;
    const Terminal terminal;
    RunView view(out, terminal);
    const Json error = {{"class", "transient"}, {"message", "away"}, {"remedy", nullptr}};
    const auto show = [&](const char* state, int attempts) {
        view.show({run("running", {task("fetch", state, {{"attempts", attempts}, {"error", error}, {"state_name", nullptr}})})}, at);
    };
    show("retrying", 1), show("retrying", 2), show("retrying", 2), show("running", 3), show("running", 3), show("running", 4);
    CHECK(out.str() ==
          "hours run 7: running\nhours.fetch: retrying: away; attempt 2 begins\nhours.fetch: retrying: away; attempt 3 begins\n"
          "hours.fetch: running, attempt 3\nhours.fetch: running, attempt 4\n");
}

TEST_CASE("on a terminal progress is redrawn in place") {
    std::ostringstream out;
    const Terminal terminal{true, false, 80};
    RunView view(out, terminal);
    view.show({run("running", {task("fetch", "running")})}, at);
    const auto first = out.str();
    CHECK(first.find("\x1b[2A") == std::string::npos);
    view.show({run("running", {task("fetch", "running")})}, at);
    CHECK(out.str().substr(first.size()).starts_with("\x1b[2A"));
}

TEST_CASE("on a narrow terminal no line of the progress is wider than it, whatever the names") {
    std::ostringstream out;
    const Terminal terminal{true, false, 50};
    RunView view(out, terminal);
    const Json progress = {{"step", "requesting"}};
    view.show({run("running", {task("a_task_with_a_very_long_name_indeed", "running", {{"progress", progress}})})}, at);
    std::istringstream lines(out.str());
    for (std::string line; std::getline(lines, line);) {
        if (const auto start = line.rfind("\x1b[2K"); start != std::string::npos) line.erase(0, start + 4);
        if (!line.starts_with("\x1b")) CHECK(display_width(line) <= 50);
    }
    CHECK_THAT(out.str(), Catch::Contains("requestin"));
}
