#include "daemon/cli/follow_runs.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/cli/run_view.hpp"
#include "daemon/exit_code.hpp"
#include "run_documents.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <sstream>

using namespace millrace;
using test::at, test::run, test::task, test::Zone;

TEST_CASE("a failure is told once: by the outcome, whole, lines of a run that is over need not") {
    const Json error = {{"class", "bad_data"}, {"message", "the reason"}, {"remedy", "the remedy"}};
    auto failed = run("failed", {task("fetch", "failed", {{"error", error}}), task("twice", "failed", {{"error", error}})});
    failed["message"] = "task fetch: the reason";
    for (const Terminal terminal : {Terminal{}, Terminal{true, false, 140}}) {
        std::ostringstream out;
        RunView view(out, terminal);
        view.show({failed}, at);
        CHECK(out.str().find("fetch") != std::string::npos);
        CHECK(out.str().find("the reason") == std::string::npos);
        write_outcome(out, terminal, {failed});
        CHECK(out.str().find("  fetch (bad_data): the reason\n  remedy: the remedy\n  twice (bad_data): the reason\n") !=
              std::string::npos);
        CHECK(out.str().find("task fetch: the reason") == std::string::npos);
    }
    auto under_way = run("running", {task("fetch", "failed", {{"error", error}}), task("other", "running")});
    std::ostringstream out;
    const Terminal terminal{true, false, 140};
    RunView view(out, terminal);
    view.show({under_way}, at);
    CHECK(out.str().find("the reason") != std::string::npos); // nothing is told below yet
    CHECK_FALSE(outcome_tells(under_way, under_way["tasks"][0]));
    CHECK(outcome_tells(failed, failed["tasks"][0]));
}

TEST_CASE("a run that completed although tasks of it failed or were skipped says so, and why they failed") {
    const auto failed =
        task("fetch", "failed",
             {{"error", {{"class", "timeout"}, {"message", "timed out after 2 s"}, {"remedy", ""}}}, {"on_failure", "continue"}});
    auto done = run("completed", {failed, task("load", "skipped")});
    done["counts"] = {{"completed", 3}, {"failed", 1}, {"skipped", 1}};
    CHECK(outcome_text(done) == "completed, 1 failed (continued), 1 skipped");
    CHECK(paint_of_run(done) == Paint::Yellow);
    CHECK_FALSE(outcome_tells(done, failed));
    CHECK(task_detail(done, failed) == "timed out after 2 s");
    std::ostringstream out;
    const Terminal terminal;
    RunView view(out, terminal);
    view.show({done}, at);
    CHECK(out.str() == "hours.fetch: failed: timed out after 2 s\nhours.load: skipped\n"
                       "hours run 7: completed in 4.0 s, 1 failed (continued), 1 skipped\n");
    done["counts"] = {{"completed", 3}};
    CHECK(outcome_text(done) == "completed");
    CHECK(paint_of_run(done) == Paint::Green);
}

TEST_CASE("a run that failed lists its reasons, and apart from them what may fail") {
    std::vector<Json> tasks;
    const auto failing = [&](const std::string& name, const Json& more = Json::object()) {
        tasks.push_back(task(name, "failed", {{"error", {{"class", "permanent"}, {"message", "of " + name}, {"remedy", ""}}}}));
        tasks.back().update(more);
    };
    failing("tell", {{"on_failure", "continue"}});
    tasks.push_back(task("each", "completed"));
    failing("each", {{"item", 1}});
    for (int i = 0; i < 6; ++i) failing(fmt::format("t{}", i));
    std::ostringstream out;
    write_outcome(out, Terminal{}, {run("failed", tasks)});
    CHECK(out.str().starts_with("\nhours run 7 failed\n  t0 (permanent): of t0\n"));
    CHECK(out.str().find(
              "  t5 (permanent): of t5\n  failed too, as it may:\n    tell (permanent): of tell\n    each[1] (permanent): of each\n") !=
          std::string::npos);
}

TEST_CASE("of a run with more task runs than its document holds, what failed and every task is shown, and how many are not") {
    const Json error = {{"class", "permanent"}, {"message", "it is no time"}, {"remedy", ""}};
    const auto item = [&](int n, const char* state) { return task("each", state, {{"item", n}}); };
    std::vector<Json> first;
    for (int n = 0; n < 999; ++n) first.push_back(item(n, "completed"));
    auto failed = run("failed", {});
    failed["tasks"] = first;
    failed["counts"] = {{"completed", 2490}, {"failed", 30}, {"crashed", 1}};
    TasksReadApart apart;
    apart.tasks = {task("each", "failed"), task("last", "skipped")};
    apart.failed = {task("each", "failed"), item(2000, "failed")};
    apart.failed[1]["error"] = error;
    apart.at_work = {item(2001, "running")};
    const auto shown = with_tasks(failed, apart);
    CHECK(shown["tasks"].size() == 2 + 2 + 999);
    CHECK(task_run_name(shown["tasks"][1]) == "each[2000]");
    CHECK(task_run_name(shown["tasks"].back()) == "last");
    CHECK(left_out_text(shown) == "and 1,518 more task runs");
    CHECK(left_out_text(failed).empty());
    std::ostringstream out, drawn;
    write_outcome(out, Terminal{}, {shown});
    CHECK(out.str().starts_with("\nhours run 7 failed\n  each[2000] (permanent): it is no time\n  and 29 more, as the dashboard"));
    const Terminal terminal{true, false, 80};
    RunView(drawn, terminal).show({shown}, at);
    CHECK_THAT(drawn.str(), Catch::Contains("and 2,518 more")); // a block holds those that move
}

TEST_CASE("of a flow that runs its last run is that one, not those that wait behind it") {
    const auto last = [](const std::vector<std::string>& states) {
        Json runs = Json::array();
        for (const auto& state : states) runs.push_back({{"state", state}});
        return text_of(last_begun_run(runs), "state");
    };
    CHECK(last({"pending", "pending", "running", "completed"}) == "running");
    CHECK(last({"pending", "paused"}) == "paused");
    CHECK(last({"pending", "completed"}) == "pending"); // nothing is before it: it waits for something else
    CHECK(last({"pending", "pending"}) == "pending");
    CHECK(last({"failed", "running"}) == "failed");
}

TEST_CASE("in a list a cause is one line, cut") {
    auto failed = run("failed", {});
    failed["message"] = "one\n" + std::string(200, 'x');
    CHECK(cause_text(failed) == "one " + std::string(95, 'x') + "…");
}

TEST_CASE("an interval is told in the zone of its flow, in dates where its ends are midnights there") {
    Json run = {{"timezone", "America/Sao_Paulo"}, {"interval", {{"start", "2026-11-02T03:00:00Z"}, {"end", "2026-11-09T03:00:00Z"}}}};
    CHECK(interval_text(run) == "2026-11-02 to 2026-11-09");
    run["interval"]["end"] = "2026-11-02T15:30:00Z";
    CHECK(interval_text(run) == "2026-11-02 00:00 to 12:30 (America/Sao_Paulo)");
    run["timezone"] = "Nowhere/At_All";
    CHECK(interval_text(run) == "2026-11-02T03:00:00Z to 2026-11-02T15:30:00Z");
    run["interval"] = nullptr;
    CHECK(interval_text(run).empty());
}

TEST_CASE("rejected rows are a warning with the command that shows them, where they were kept") {
    auto done = run("completed", {});
    const Json kept = {{"task", "rows"}, {"kind", "quarantined"}, {"message", "2 of 9 rows"}, {"details", {{"file", "/s/q.json"}}}};
    Json dropped = kept;
    dropped["details"]["file"] = "";
    Json checked = kept;
    checked["kind"] = "warning", checked["message"] = "check few: 4 rows break it";
    done["warnings"] = Json::array({kept, dropped, checked});
    std::ostringstream out;
    write_outcome(out, Terminal{}, {done});
    CHECK(out.str() == "warning: hours run 7, rows: 2 of 9 rows\n  look at them: millrace data head 7.rows --rejected\n"
                       "warning: hours run 7, rows: 2 of 9 rows\nwarning: hours run 7, rows: check few: 4 rows break it\n"
                       "  look at them: millrace data head 7.rows --rejected\n");
}

TEST_CASE("more warnings than the document holds are counted, with the command that shows them") {
    auto done = run("completed", {});
    done["warnings"] = Json::array({{{"task", nullptr}, {"kind", "warning"}, {"message", "it is odd"}}});
    done["warnings_left"] = 7;
    std::ostringstream out;
    write_outcome(out, Terminal{}, {done});
    CHECK(out.str() == "warning: hours run 7: it is odd\nand 7 more warnings: millrace runs show 7 --json\n");
}

TEST_CASE("a warning of a whole run names no task") {
    auto done = run("skipped", {});
    done["warnings"] = Json::array({{{"task", nullptr}, {"kind", "warning"}, {"message", "the interval cuts a step"}}});
    std::ostringstream out;
    write_outcome(out, Terminal{}, {done});
    CHECK(out.str() == "warning: hours run 7: the interval cuts a step\n");
}

TEST_CASE("after a failure the outcome names the task, the reason, the remedy and the next command") {
    std::ostringstream out;
    const Json error = {{"class", "auth"}, {"message", "GET /user was answered 401"}, {"remedy", "check the key"}};
    write_outcome(out, Terminal{}, {run("failed", {task("fetch", "failed", {{"error", error}})})});
    CHECK(out.str().find("fetch (auth): GET /user was answered 401\n  remedy: check the key\n") != std::string::npos);
    CHECK(out.str().find("millrace runs logs 7") != std::string::npos);
}

TEST_CASE("a run that ended early says which of its chunks were not begun") {
    const auto told = [](int last, int all) {
        auto whole = run("failed", {});
        for (int number = 1; number <= last; ++number) {
            whole["chunks"].push_back(run(number == last ? "failed" : "completed", {}));
            whole["chunks"].back()["chunk"] = {{"number", number}, {"of", all}};
        }
        std::ostringstream out;
        write_outcome(out, Terminal{}, {whole});
        return out.str().substr(0, out.str().find("  log:"));
    };
    CHECK(told(3, 4) == "\nhours run 7 failed\n  chunk 4 of 4 was not begun\n");
    CHECK(told(3, 9) == "\nhours run 7 failed\n  chunks 4 to 9 of 9 were not begun\n");
    CHECK(told(4, 4) == "\nhours run 7 failed\n");
}

TEST_CASE("of a batch that is too old the rest is not offered again, but all of the run") {
    const auto offered = [](const char* remedy) {
        std::ostringstream out;
        const Json error = {{"class", "permanent"}, {"message", "loading it would bring back old values"}, {"remedy", remedy}};
        write_outcome(out, Terminal{}, {run("failed", {task("load", "failed", {{"error", error}})})});
        return out.str().substr(out.str().find("logs 7") + 9);
    };
    CHECK(offered("start a new run, or let `newest_by` decide") == "from the start: millrace runs rerun 7\n");
    CHECK(offered("check the key") == "again from there: millrace runs rerun 7 --failed\n");
}

TEST_CASE("a run that a task made fail says the reason once") {
    std::ostringstream out;
    const Json error = {{"class", "permanent"}, {"message", "the command ended with exit code 3"}, {"remedy", ""}};
    auto failed = run("failed", {task("boom", "failed", {{"error", error}})});
    failed["message"] = "task boom: the command ended with exit code 3";
    write_outcome(out, Terminal{}, {failed});
    CHECK(out.str().starts_with("\nhours run 7 failed\n  boom (permanent): the command ended with exit code 3\n"));
    failed["tasks"] = Json::array();
    out.str("");
    write_outcome(out, Terminal{}, {failed});
    CHECK(out.str().starts_with("\nhours run 7 failed: task boom: the command ended with exit code 3\n"));
}

TEST_CASE("why a run timed out or was cancelled is told whatever its tasks say") {
    const Json error = {{"class", "timeout"}, {"message", "timed out after 2 s"}, {"remedy", ""}};
    const auto told = [](const Json& run) {
        std::ostringstream out;
        write_outcome(out, Terminal{}, {run});
        return out.str().substr(0, out.str().find("  log:"));
    };
    auto late = run("failed", {task("a", "failed", {{"error", error}, {"on_failure", "continue"}}), task("b", "cancelled")});
    late["state_name"] = "TimedOut";
    late["message"] = "the run took longer than 20 s, its flow's `timeout`";
    CHECK(told(late) == "\nhours run 7 failed (timed out): the run took longer than 20 s, its flow's `timeout`\n"
                        "  failed too, as it may:\n    a (timeout): timed out after 2 s\n");
    auto cancelled = run("cancelled", {task("a", "cancelled", {{"error", error}})});
    cancelled["message"] = "cancelled by ana";
    CHECK(told(cancelled).starts_with("\nhours run 7 cancelled: cancelled by ana\n"));

    auto whole = run("failed", {}), failed = run("failed", {task("a", "failed", {{"error", error}})}); // a backfill goes on
    whole["message"] = "2 of 2 chunks did not complete; chunk 1 of 2: the run took longer than 20 s, its flow's `timeout`";
    late["chunk"] = {{"number", 1}, {"of", 2}};
    failed["chunk"] = {{"number", 2}, {"of", 2}};
    whole["chunks"] = {late, failed};
    CHECK_THAT(told(whole), Catch::Contains("\n  chunk 1 of 2, run 7: the run took longer than 20 s, its flow's `timeout`\n"));
}

TEST_CASE("a name of a state is told in words, and not where it says no more than the state") {
    const auto told = [](const char* state, const char* name) { return state_text({{"state", state}, {"state_name", name}}); };
    CHECK(told("pending", "WaitingForSlot") == "pending (waiting for slot)");
    CHECK(told("skipped", "UpstreamSkipped") == "skipped (upstream skipped)");
    CHECK(told("completed", "Completed") == "completed");
    CHECK(told("retrying", "AwaitingRetry") == "retrying");
    CHECK(told("retrying", "Crashed") == "retrying (crashed)");
}

TEST_CASE("what is tried again says once why, with the next attempt and its time") {
    const auto again = task("fetch", "retrying",
                            {{"state_name", "AwaitingRetry"},
                             {"error", {{"class", "transient"}, {"message", "GET /user was answered 503"}, {"remedy", nullptr}}},
                             {"due_at", "2026-11-21T06:00:09Z"}});
    const auto time = local_time_text("2026-11-21T06:00:09Z").substr(11);
    std::ostringstream out;
    const Terminal terminal;
    RunView view(out, terminal);
    view.show({run("running", {again})}, at);
    CHECK(out.str() == "hours run 7: running\nhours.fetch: retrying: GET /user was answered 503; attempt 2 begins at " + time + "\n");
}

TEST_CASE("a message that only repeats the state is not shown, an approval says how it is given") {
    CHECK(message_text({{"state", "running"}, {"state_name", "Running"}, {"message", "Running"}}).empty());
    CHECK(message_text({{"state", "pending"}, {"state_name", "Queued"}, {"message", "waits for run 6"}}) == "waits for run 6");
    const auto asked = task("ask", "paused", {{"state_name", "AwaitingApproval"}, {"message", "AwaitingApproval"}});
    CHECK(task_detail(run("running", {asked}), asked) == "millrace runs approve 7 ask, or reject");
    const auto decided =
        task("ask", "completed", {{"verb", "approve"}, {"state_name", "Approved"}, {"message", "approved by uid 7: fine by me"}});
    CHECK(task_detail(run("completed", {decided}), decided) == "approved by uid 7: fine by me");
}

TEST_CASE("a backfill that left chunks out says so at its end, and how they run again") {
    auto done = run("completed", {});
    std::ostringstream out;
    write_outcome(out, Terminal{}, {done});
    CHECK(out.str().empty());
    done["message"] = "5 of 5 chunks were done before";
    done["chunks_done_before"] = 5;
    write_outcome(out, Terminal{}, {done});
    CHECK(out.str() == "hours run 7: 5 of 5 chunks were done before; `millrace backfill` with --again runs them again\n");
}

TEST_CASE("how left-out chunks run again is said by what the run's document counts, not by its words") {
    auto done = run("completed", {});
    std::ostringstream out;
    done["message"] = "all of its chunks were done before";
    done["chunks_done_before"] = nullptr;
    write_outcome(out, Terminal{}, {done});
    CHECK(out.str() == "hours run 7: all of its chunks were done before\n");
    out.str("");
    done["message"] = "an earlier run did 2 of 5 chunks";
    done["chunks_done_before"] = 2;
    write_outcome(out, Terminal{}, {done});
    CHECK(out.str() == "hours run 7: an earlier run did 2 of 5 chunks; `millrace backfill` with --again runs them again\n");
}

TEST_CASE("the parameters of a run are one line, of a long value its beginning and its length") {
    CHECK(params_text({{"n", 5}, {"who", "ann"}, {"list", {1, 2}}}) == R"({"list":[1,2],"n":5,"who":"ann"})");
    CHECK(params_text({{"t", std::string(250, 'x')}}) == "{\"t\":\"" + std::string(250, 'x') + "\"}");
    CHECK(params_text({{"n", 1}, {"t", std::string(900'000, 'x')}}) == "{\"n\":1,\"t\":\"" + std::string(199, 'x') + "... (900 kB)}");
    std::string text;
    while (text.size() < 1200) text += "ü"; // the cut would fall within one
    CHECK(params_text({{"t", "x" + text}}) == "{\"t\":\"x" + text.substr(0, 198) + "... (1,203 bytes)}");
    CHECK(params_text({{"t", text}}) == "{\"t\":\"" + text.substr(0, 198) + "... (1,202 bytes)}");
}

TEST_CASE("loads of several chunks into one table are one line") {
    const Json part = {{"table", "dl.hours"}, {"inserted", 10}, {"updated", 1},   {"unchanged", 5},
                       {"deleted", 0},        {"rejected", 0},  {"seconds", 0.25}};
    std::ostringstream out;
    loads_table({part, part}).write(out, Terminal{});
    CHECK(out.str().find("dl.hours        20        2         10        0         0     0.50") != std::string::npos);
}

TEST_CASE("the exit code of runs: completed 0, failed 1, cancelled or timed out 4") {
    auto timed_out = run("failed", Json::array());
    timed_out["state_name"] = "TimedOut";
    CHECK(code_of_runs({run("completed", {}), run("skipped", {})}) == exit_done);
    CHECK(code_of_runs({run("cancelled", {}), run("failed", {})}) == exit_failed);
    CHECK(code_of_runs({run("completed", {}), run("cancelled", {})}) == exit_cancelled);
    CHECK(code_of_runs({timed_out}) == exit_cancelled);
}

TEST_CASE("a run that its schedule started late says which time it is of") {
    const Zone zone("Europe/Berlin");
    auto late = run("running", {});
    late.update({{"trigger", "schedule"}, {"scheduled_for", "2026-11-21T06:00:00Z"}, {"created_at", "2026-11-21T06:00:40Z"}});
    CHECK(trigger_of(late) == "schedule");
    late["created_at"] = "2026-11-21T08:12:00Z";
    CHECK(trigger_of(late) == "schedule of 11-21 07:00");
    late.update({{"trigger", "api"}, {"scheduled_for", nullptr}});
    CHECK(trigger_of(late) == "api");
}
