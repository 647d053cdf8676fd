#include "daemon/check_connection.hpp"
#include "daemon/cli/absence.hpp"
#include "daemon/cli/api_client.hpp"
#include "daemon/cli/asked_installation.hpp"
#include "daemon/cli/cli.hpp"
#include "daemon/cli/follow_runs.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/cli/log_view.hpp"
#include "daemon/cli/rejected_rows.hpp"
#include "daemon/cli/run_view.hpp"
#include "daemon/cli/taken_address.hpp"
#include "daemon/listeners.hpp"
#include "daemon/managed_postgres.hpp"
#include "flows/column_type.hpp"
#include "tests/folder.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <iostream>
#include <sstream>
#include <thread>
#include <tuple>
#include <vector>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace millrace;

namespace {

Json task(const std::string& name, const std::string& state, const Json& more = Json::object()) {
    Json document = {{"task", name},       {"item", nullptr},  {"verb", "extract"}, {"state", state},         {"state_name", nullptr},
                     {"message", nullptr}, {"error", nullptr}, {"attempts", 1},     {"loads", Json::array()}, {"progress", nullptr}};
    document.update(more);
    return document;
}

Json run(const std::string& state, const std::vector<Json>& tasks) {
    return {{"id", 7},
            {"flow", "hours"},
            {"state", state},
            {"state_name", nullptr},
            {"message", nullptr},
            {"started_at", "2026-11-21T06:00:00Z"},
            {"finished_at", nullptr},
            {"loads", Json::array()},
            {"tasks", tasks},
            {"chunks", Json::array()}};
}

const Instant at = *parse_rfc3339("2026-11-21T06:00:04Z");

} // namespace

TEST_CASE("a table aligns its columns, and on a terminal cuts the last one to the width") {
    Table table({{"name"}, {"rows", Table::Align::Right}, {"message"}});
    table.add({"clients", "5", "a long message that does not fit"});
    table.add({"é", "12,345", ""});
    std::ostringstream plain, narrow;
    table.write(plain, Terminal{});
    CHECK(plain.str() == "name       rows  message\nclients       5  a long message that does not fit\né        12,345  \n");
    table.write(narrow, Terminal{true, false, 30});
    CHECK(narrow.str() == "name       rows  message\nclients       5  a long messa…\né        12,345  \n");
    Table tabs({{"a"}, {"b"}});
    tabs.add({"x\ty", "z"});
    std::ostringstream out;
    tabs.write(out, Terminal{});
    CHECK(out.str() == "a    b\nx y  z\n");
}

TEST_CASE("text from outside cannot command the terminal") {
    CHECK(printable("a\x1b[31mb\nc\td") == "a [31mb c\td");
    CHECK(printable("a\xC2\x9B"
                    "31mb\x7F"
                    "é") == "a 31mb é"); // U+009B is the eight-bit form of ESC [
    CHECK(Terminal{}.painted("x", Paint::Red) == "x");
    CHECK(Terminal{true, true, 80}.painted("x", Paint::Red) == "\x1b[31mx\x1b[0m");
}

TEST_CASE("widths are those of a terminal: two columns for CJK and emoji, none for what combines") {
    CHECK(display_width("naïve ☃") == 7);
    CHECK(display_width("日本語") == 6);
    CHECK(display_width("e\xCC\x81") == 1);
    CHECK(display_width("\x1b[31mred\x1b[0m") == 3);
    CHECK(shortened("日本語", 6) == "日本語");
    CHECK(shortened("日本語", 4) == "日…");
    CHECK(shortened("abcdef", 4) == "abc…");
}

TEST_CASE("durations and counts as people read them") {
    CHECK(duration_text(0.42) == "0.4 s");
    CHECK(duration_text(252) == "4 min 12 s");
    CHECK(duration_text(11100) == "3 h 05 min");
    CHECK(count_text(0) == "0");
    CHECK(count_text(999) == "999");
    CHECK(count_text(12345678) == "12,345,678");
    CHECK(count_text(-1234) == "-1,234");
    CHECK(counted(1, "row") == "1 row");
    CHECK(counted(1029, "record") == "1,029 records");
}

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

TEST_CASE("a failure is told once: by the outcome, whole; lines of a run that is over need not") {
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

TEST_CASE("in a list a cause is one line, cut") {
    auto failed = run("failed", {});
    failed["message"] = "one\n" + std::string(200, 'x');
    CHECK(cause_text(failed) == "one " + std::string(95, 'x') + "…");
}

TEST_CASE("names and values of a rejected row reach the terminal without control characters") {
    const Json row = {{"item", nullptr},  {"column", "n"},   {"rule", "is null"},
                      {"value", nullptr}, {"position", "2"}, {"fields", {{"a\x1b[2Jb", "x\x1b[2Jy"}, {"n", nullptr}}}};
    const Json columns = Json::array({"a\x1b[2Jb", "n"});
    std::ostringstream out;
    write_rejected(out, Terminal{}, {{"rows", Json::array({row})}, {"columns", columns}});
    CHECK(out.str().find('\x1b') == std::string::npos);
    CHECK(out.str() == "row 2  n is null\n   " + printable("a\x1b[2Jb") + "=" + printable("x\x1b[2Jy") + "  n=NULL\n");
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
    done["warnings"] = Json::array({kept, dropped});
    std::ostringstream out;
    write_outcome(out, Terminal{}, {done});
    CHECK(out.str() == "warning: hours run 7, rows: 2 of 9 rows\n  look at them: millrace data head 7.rows --rejected\n"
                       "warning: hours run 7, rows: 2 of 9 rows\n");
}

TEST_CASE("a warning of a whole run names no task") {
    auto done = run("skipped", {});
    done["warnings"] = Json::array({{{"task", nullptr}, {"kind", "warning"}, {"message", "the interval cuts a step"}}});
    std::ostringstream out;
    write_outcome(out, Terminal{}, {done});
    CHECK(out.str() == "warning: hours run 7: the interval cuts a step\n");
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

TEST_CASE("types are told in the words of contracts, which take them") {
    for (const char* word :
         {"text", "int", "bigint", "bool", "double", "date", "timestamptz", "timestamp", "decimal(9,4)", "json", "float"})
        CHECK(contract_type_text(canonical_type(word)) == word);
    for (const char* nested : {"VARCHAR[]", "STRUCT(a BIGINT)", "MAP(VARCHAR, INTEGER)"}) CHECK(contract_type_text(nested) == nested);
    CHECK(heading_text("clockify.tags", "") == "clockify.tags");
}

TEST_CASE("the private PostgreSQL is started, any other has a url to look at") {
    const test::Folder folder;
    Configuration configuration;
    configuration.state = folder.path;
    const auto remedy = [&](const std::string& url) {
        const auto check = check_connection(configuration, "warehouse", {{"type", "postgres"}, {"url", url}});
        CHECK_FALSE(check.ok);
        return check.remedy;
    };
    const auto url = ManagedPostgres::url_of(folder.path, "warehouse");
    CHECK_THAT(remedy(url), Catch::Contains("start it with `millrace up`"));
    configuration.database = "postgresql://elsewhere/millrace";
    CHECK_THAT(remedy(url), Catch::Contains("check the connection's `url`"));
}

TEST_CASE("of a batch that is too old no rerun is offered, but a new run") {
    const auto offered = [](const char* remedy) {
        std::ostringstream out;
        const Json error = {{"class", "permanent"}, {"message", "loading it would bring back old values"}, {"remedy", remedy}};
        write_outcome(out, Terminal{}, {run("failed", {task("load", "failed", {{"error", error}})})});
        return out.str().substr(out.str().find("logs 7") + 9);
    };
    CHECK(offered("start a new run, or let `newest_by` decide") == "from the start: millrace run hours\n");
    CHECK(offered("check the key") == "again from there: millrace runs rerun 7 --failed\n");
}

TEST_CASE("what a trigger made is told, and where it made nothing") {
    const auto told = [](const char* outcome, const char* state) {
        return trigger_text({{"flow", "hours"}, {"id", 7}, {"outcome", outcome}, {"state", state}, {"state_name", ""}});
    };
    CHECK(told("created", "pending") == "hours run 7 pending");
    CHECK(told("skipped", "skipped") == "hours run 7 skipped: another run is active");
    CHECK(told("existing", "running") == "hours run 7 was started with this key before: running");
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

TEST_CASE("a time in a zone") {
    CHECK(time_text_in("America/Sao_Paulo", "2026-11-21T06:00:09Z") == "2026-11-21 03:00:09");
    CHECK(time_text_in("Nowhere/At_All", "2026-11-21T06:00:09Z") == "2026-11-21T06:00:09Z");
    CHECK(time_text_in("UTC", "").empty());
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

TEST_CASE("a command line that is not understood names the nearest command and where to read on") {
    const auto said = [](std::vector<std::string> words) {
        std::vector<char*> argv;
        for (auto& word : words) argv.push_back(word.data());
        std::ostringstream text;
        auto* const before = std::cerr.rdbuf(text.rdbuf());
        const int code = run_cli(static_cast<int>(argv.size()), argv.data());
        std::cerr.rdbuf(before);
        CHECK(code == exit_usage);
        return text.str();
    };
    CHECK(said({"millrace", "flow"}) == "millrace: there is no command 'millrace flow'\n  did you mean 'flows'? see: millrace --help\n");
    CHECK(said({"millrace", "runs", "shwo", "7"}) ==
          "millrace: there is no command 'millrace runs shwo'\n  did you mean 'show'? see: millrace runs --help\n");
    CHECK(said({"millrace", "runs", "show"}) == "millrace: RUN is required\n  see: millrace runs show --help\n");
    CHECK(said({"millrace", "flows", "list", "-n", "2", "more"}) ==
          "millrace: not expected: -n 2 more\n  see: millrace flows list --help\n");
    CHECK(said({"millrace", "run", "tags", "--limit-rows", "0"}) ==
          "millrace: --limit-rows: '0' is no whole number from 1 on\n  see: millrace run --help\n");
}

TEST_CASE("a flow with several schedules starts next when the first of them is due") {
    const auto schedule = [](const char* next, const char* zone) { return Json{{"next", next}, {"timezone", zone}}; };
    const Json late = schedule("2026-11-28T06:00:00Z", "UTC"), early = schedule("2026-11-27T21:00:00Z", "America/Sao_Paulo");
    CHECK(next_start_text({{"schedules", {late, early}}}) == "2026-11-27 18:00:00 America/Sao_Paulo");
    CHECK(next_start_text({{"schedules", {early, late}}}) == "2026-11-27 18:00:00 America/Sao_Paulo");
    CHECK(next_start_text({{"schedules", {Json{{"next", nullptr}}, late}}}) == "2026-11-28 06:00:00 UTC");
    CHECK(next_start_text({{"schedules", Json::array()}}) == "-");
    CHECK(next_start_text({{"schedules", {late}}, {"paused", true}}) == "paused");
}

namespace {

/// Local time of the process, while it lives.
struct Zone {
    explicit Zone(const char* name) {
        setenv("TZ", name, 1);
        tzset();
    }
    ~Zone() {
        unsetenv("TZ");
        tzset();
    }
};

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

TEST_CASE("a daemon that is away is told once it was for a second, once that it is back, and given up after five minutes") {
    using namespace std::chrono_literals;
    const Zone zone("UTC");
    std::vector<std::string> told;
    Absence absence(
        {"7"}, [&](const std::string& line) { told.push_back(line); }, at);
    absence.missed("no daemon answers at S: refused", at + 300ms);
    CHECK(absence.is_away());
    absence.answered(at + 600ms);
    CHECK(told.empty()); // a blink is no news
    absence.missed("no daemon answers at S: refused", at + 1200ms);
    absence.missed("no daemon answers at S: refused", at + 2s);
    absence.missed("no daemon answers at S: refused", at + 3s);
    CHECK(told == std::vector<std::string>{"06:00:06 the daemon has not answered since 06:00:04: no daemon answers at S: refused\n"
                                           "  the run is safe, and goes on with the daemon; tried again for 5 minutes, Ctrl-C leaves"});
    absence.answered(at + 12600ms);
    CHECK(told.back() == "06:00:16 the daemon answers again, after 12 s");
    CHECK_FALSE(absence.is_away());
    absence.missed("gone", at + 5min);
    CHECK(told.size() == 3);
    try {
        absence.missed("gone", at + 12600ms + 5min);
        FAIL("it goes on");
    } catch (const Unreachable& error) {
        CHECK(std::string(error.what()) == "the daemon has not answered for 5 minutes: gone");
        CHECK_THAT(error.remedy, Catch::Contains("the run is safe") && Catch::Contains("millrace runs show 7"));
    }
}

TEST_CASE("a daemon without its store is away, any other refusal is an answer") {
    std::vector<std::string> told;
    Absence absence(
        {"7", "8"}, [&](const std::string& line) { told.push_back(line); }, now() - std::chrono::minutes(1));
    CHECK_FALSE(absence.bears([] { throw ApiError(503, "the store is away", ""); }));
    CHECK_THAT(told.front(), Catch::Contains("the store is away") && Catch::Contains("the runs are safe, and go on"));
    CHECK_THROWS_AS(absence.bears([] { throw ApiError(404, "there is no run 7", ""); }), ApiError);
    CHECK(absence.bears([] {}));
    CHECK(told.size() == 2);
}

TEST_CASE("of two installations it is told which one is meant, and how root looks at it") {
    Configuration ours;
    ours.state = "/srv/p/.millrace";
    CHECK(installation_text(ours) == "state folder /srv/p/.millrace, no millrace.yaml");
    CHECK(other_installation(ours, {{"state", "/srv/p/.millrace"}}).is_null());
    CHECK(other_installation(ours, Json::object()).is_null());
    CHECK(other_installation(ours, {{"state", "/var/lib/millrace"}}).at("state") == "/var/lib/millrace");
    Cli cli;
    CHECK(as_root(cli, ours, "psql") == "sudo MILLRACE_STATE=/srv/p/.millrace millrace psql");
    ours.state = "/var/lib/millrace";
    CHECK(as_root(cli, ours, "psql") == "sudo millrace psql");
    cli.config_file = "p.yaml";
    ours.file = "/srv/p/p.yaml";
    CHECK(as_root(cli, ours, "doctor") == "sudo millrace --config /srv/p/p.yaml doctor");
}

TEST_CASE("loads of several chunks into one table are one line") {
    const Json part = {{"table", "dl.hours"}, {"inserted", 10}, {"updated", 1},   {"unchanged", 5},
                       {"deleted", 0},        {"rejected", 0},  {"seconds", 0.25}};
    std::ostringstream out;
    load_table({part, part}).write(out, Terminal{});
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

TEST_CASE("the port that is offered instead of a taken one is a port: after the last one those below are tried") {
    const auto beside = [](unsigned short taken, unsigned short free) {
        return free_port_beside(taken, [free](unsigned short port) { return port != free; });
    };
    CHECK(beside(8686, 8688) == 8688);
    CHECK(beside(65535, 65530) == 65530);
    CHECK(beside(65535, 80) == std::nullopt);
}

namespace {

/// A Unix socket that listens. Connections wait in its queue until somebody takes them.
struct Listener {
    Listener() : path((folder.path / "s").string()), descriptor(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(listen(descriptor, 8) == 0);
    }
    ~Listener() { close(descriptor); }

    /// Takes a connection and its request.
    [[nodiscard]] std::pair<int, std::string> request() const {
        const int taken = accept4(descriptor, nullptr, nullptr, SOCK_CLOEXEC);
        std::string text(4096, '\0');
        text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, read(taken, text.data(), text.size()))));
        return {taken, text};
    }

    test::Folder folder;
    std::string path;
    int descriptor;
};

void answer(int connection, const std::string& body) {
    const auto text = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    std::ignore = write(connection, text.data(), text.size());
    close(connection);
}

} // namespace

TEST_CASE("a daemon that takes a connection and says nothing is told with the process that listens") {
    const Listener mute;
    const ApiClient client({mute.path, "", "", std::chrono::seconds(1)});
    try {
        (void)client.get("/api/v1/runs");
        FAIL("it answered");
    } catch (const Unreachable& error) {
        CHECK(std::string(error.what()) == "the daemon at " + mute.path + " does not answer");
        CHECK_THAT(error.remedy, Catch::Contains(fmt::format("process {} (test_daemon) listens there", getpid())));
    }
}

TEST_CASE("an answer that takes long is waited for as long as the daemon lives") {
    const Listener listener;
    std::pair<int, std::string> question;
    std::thread daemon([&] {
        const auto slow = listener.request();
        question = listener.request(); // comes after a while of silence
        answer(question.first, "{}");
        answer(slow.first, R"({"done": true})");
    });
    const auto answered = ApiClient({listener.path, "", "", std::chrono::seconds(1)}).get("/slow");
    daemon.join();
    CHECK(answered.at("done") == true);
    CHECK_THAT(question.second, Catch::StartsWith("GET /healthz "));
}

TEST_CASE("who listens at a port is known") {
    boost::asio::io_context io;
    const boost::asio::ip::tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
    const auto endpoint = acceptor.local_endpoint();
    CHECK(is_taken(endpoint));
    CHECK(listener_of(endpoint) == fmt::format("process {} (test_daemon)", getpid()));
    const auto sixth = boost::asio::ip::tcp::endpoint(boost::asio::ip::address_v6::loopback(), endpoint.port());
    CHECK(listener_of(sixth).empty());
}

TEST_CASE("without a daemon the client says where it looked") {
    const ApiClient client({"/nowhere/millrace.sock", "", ""});
    CHECK_THROWS_AS(client.get("/healthz"), Unreachable);
    CHECK_THROWS_WITH(client.get("/healthz"), Catch::Contains("/nowhere/millrace.sock"));
    CHECK(url_encoded("a b/ü&") == "a%20b%2F%C3%BC%26");
}
