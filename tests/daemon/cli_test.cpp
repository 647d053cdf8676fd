#include "daemon/check_connection.hpp"
#include "daemon/cli/asked_installation.hpp"
#include "daemon/cli/cli.hpp"
#include "daemon/cli/flow_arguments.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/cli/rejected_rows.hpp"
#include "daemon/cli/run_view.hpp"
#include "daemon/managed_postgres.hpp"
#include "flows/error.hpp"
#include "tests/folder.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <iostream>
#include <sstream>
#include <vector>

using namespace millrace;

TEST_CASE("a table aligns its columns, and on a terminal cuts the last one to the width") {
    TextTable table({{"name"}, {"rows", TextTable::Align::Right}, {"message"}});
    table.add({"clients", "5", "a long message that does not fit"});
    table.add({"é", "12,345", ""});
    std::ostringstream plain, narrow;
    table.write(plain, Terminal{});
    CHECK(plain.str() == "name       rows  message\nclients       5  a long message that does not fit\né        12,345  \n");
    table.write(narrow, Terminal{true, false, 30});
    CHECK(narrow.str() == "name       rows  message\nclients       5  a long messa…\né        12,345  \n");
    TextTable tabs({{"a"}, {"b"}});
    tabs.add({"x\ty", "z"});
    std::ostringstream out;
    tabs.write(out, Terminal{});
    CHECK(out.str() == "a    b\nx y  z\n");
}

TEST_CASE("a table that is too wide shortens its last text, then leaves out what is spare, then shortens the other texts") {
    using enum TextTable::Align;
    const std::vector<TextTable::Column> columns{{"flow"}, {"rows", Right}, {"finished", Left, 1}, {"next"}, {"about", Left, 2}};
    const std::vector<int> wanted{20, 5, 19, 30, 60};
    const auto fitted = [&](int room) { return fitted_widths(columns, wanted, room); };
    CHECK(fitted(142) == wanted);
    CHECK(fitted(130) == std::vector{20, 5, 19, 30, 48});
    CHECK(fitted(102) == std::vector{20, 5, 19, 30, 20});
    CHECK(fitted(101) == std::vector{20, 5, 19, 30, 0});
    CHECK(fitted(80) == std::vector{20, 5, 19, 28, 0});
    CHECK(fitted(71) == std::vector{20, 5, 0, 30, 0});
    CHECK(fitted(50) == std::vector{20, 5, 0, 19, 0}); // below a time: all texts but the first
    CHECK(fitted(46) == std::vector{18, 5, 0, 17, 0}); // the minute of a time stays while a name can be shorter
    CHECK(fitted(36) == std::vector{13, 5, 0, 12, 0});
    CHECK(fitted(10) == std::vector{12, 5, 0, 12, 0}); // numbers are never shortened
}

TEST_CASE("the header of a table shows that a column was left out") {
    TextTable table({{"flow"}, {"next"}, {"about", TextTable::Align::Left, 1}});
    table.add({"hours", "2026-11-27 18:00:00 UTC", "Hours per client and project"});
    std::ostringstream narrow, wide;
    table.write(narrow, Terminal{true, false, 40});
    CHECK(narrow.str() == "flow   next …\nhours  2026-11-27 18:00:00 UTC\n");
    table.write(wide, Terminal{});
    CHECK(wide.str().find("Hours per client and project\n") != std::string::npos);
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

TEST_CASE("names and values of a rejected row reach the terminal without control characters") {
    const Json row = {{"item", nullptr},  {"column", "n"},   {"rule", "is null"},
                      {"value", nullptr}, {"position", "2"}, {"fields", {{"a\x1b[2Jb", "x\x1b[2Jy"}, {"n", nullptr}}}};
    const Json columns = Json::array({"a\x1b[2Jb", "n"});
    std::ostringstream out;
    write_rejected(out, Terminal{}, {{"rows", Json::array({row})}, {"columns", columns}});
    CHECK(out.str().find('\x1b') == std::string::npos);
    CHECK(out.str() == "row 2  n is null\n   " + printable("a\x1b[2Jb") + "=" + printable("x\x1b[2Jy") + "  n=NULL\n");
}

TEST_CASE("a heading without a description is its name") { CHECK(heading_text("clockify.tags", "") == "clockify.tags"); }

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

TEST_CASE("what a trigger made is told, and where it made nothing") {
    const auto told = [](const char* outcome, const char* state) {
        return trigger_text({{"flow", "hours"}, {"id", 7}, {"outcome", outcome}, {"state", state}, {"state_name", ""}});
    };
    CHECK(told("created", "pending") == "hours run 7 pending");
    CHECK(told("skipped", "skipped") == "hours run 7 skipped: another run is active");
    CHECK(told("existing", "running") == "hours run 7 was started with this key before: running");
}

TEST_CASE("a time in a zone") {
    CHECK(time_text_in("America/Sao_Paulo", "2026-11-21T06:00:09Z") == "2026-11-21 03:00:09");
    CHECK(time_text_in("Nowhere/At_All", "2026-11-21T06:00:09Z") == "2026-11-21T06:00:09Z");
    CHECK(time_text_in("UTC", "").empty());
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
    using Words = std::vector<std::string>;
    for (auto words :
         {Words{"run", "tags"}, Words{"backfill", "tags", "--from", "2026-01-01", "--to", "2026-01-02"}, Words{"runs", "rerun", "7"}}) {
        words.insert(words.begin(), "millrace");
        words.insert(words.end(), {"--idempotency-key", ""}); // as of a variable that is not set
        CHECK_THAT(said(words), Catch::EndsWith(" the idempotency key is empty\n  give one, or leave it out\n"));
    }
    for (const std::string option : {"--state", "--flow"})
        CHECK_THAT(said({"millrace", "runs", "list", option, ""}),
                   Catch::EndsWith(' ' + option + " is empty\n  give one, or leave it out\n"));
}

TEST_CASE("what failed is told with its remedy, and its exit code says whether to correct something or to wait") {
    const auto told = [](ErrorClass error_class, int code) {
        std::ostringstream text;
        auto* const before = std::cerr.rdbuf(text.rdbuf());
        Cli cli;
        CHECK(tell_failure(cli, std::make_exception_ptr(Error(error_class, "it cannot be", "do something else"))) == code);
        std::cerr.rdbuf(before);
        return text.str();
    };
    CHECK(told(ErrorClass::Permanent, exit_usage) == "millrace: it cannot be\n  do something else\n");
    CHECK(told(ErrorClass::Transient, exit_unreachable) == "millrace: it cannot be\n  do something else\n");
    CHECK(told(ErrorClass::Resource, exit_failed) == "millrace: it cannot be\n  do something else\n");
}

TEST_CASE("a refusal is what the asker has to correct, who is to try again, or met a daemon that failed, has another exit code") {
    const auto code = [](int status) {
        std::ostringstream text;
        auto* const before = std::cerr.rdbuf(text.rdbuf());
        Cli cli;
        const int told = tell_failure(cli, std::make_exception_ptr(ApiError(status, "it cannot be", "")));
        std::cerr.rdbuf(before);
        return told;
    };
    for (const int status : {400, 401, 403, 404, 405, 409, 413, 415, 421, 422}) CHECK(code(status) == exit_usage);
    for (const int status : {408, 429, 500, 502, 503, 504}) CHECK(code(status) == exit_unreachable);
}

TEST_CASE("parameters of a run on the plan that it had are known by the values that it had, not by the newest plan") {
    const Json flow = {
        {"name", "f"},
        {"params",
         {Json{{"name", "n"}, {"type", "int"}}, Json{{"name", "new"}, {"type", "int"}}, Json{{"name", "few"}, {"type", "list"}}}}};
    const Json run = {{"params", {{"n", "five"}, {"old", 3}, {"some", {"a"}}, {"few", nullptr}}}};
    CHECK(params_of(flow, {"n=7", "few=a,b"}) == Json{{"n", 7}, {"few", {"a", "b"}}});
    CHECK_THROWS_AS(params_of(flow, {"old=4"}), UsageError);
    CHECK(params_of_pinned(run, flow, {"n=7", "old=4", "some=b,c", "few=d"}) ==
          Json{{"n", "7"}, {"old", "4"}, {"some", {"b", "c"}}, {"few", Json::array({"d"})}});
    CHECK(params_of_pinned(run, flow, {"other=1"}) == Json{{"other", "1"}}); // the daemon knows
    CHECK_THROWS_AS(params_of_pinned(run, flow, {"n=1", "n=2"}), UsageError);
    CHECK_THROWS_AS(params_of_pinned(run, flow, {"n"}), UsageError);
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

TEST_CASE("what is paused is called so, by its file or by somebody, and only where nothing else is due") {
    const Json due = {{"next", "2026-11-28T06:00:00Z"}, {"timezone", "UTC"}};
    const Json by_file = {{"next", nullptr}, {"paused", true}, {"paused_in_file", true}};
    const Json by_somebody = {{"next", nullptr}, {"paused", true}, {"paused_in_file", false}};
    CHECK(next_start_text({{"schedules", Json::array({by_file})}}) == "paused (file)");
    CHECK(next_start_text({{"schedules", Json::array({by_somebody})}}) == "paused");
    CHECK(next_start_text({{"schedules", {by_file, due}}}) == "2026-11-28 06:00:00 UTC");
    CHECK(next_start_text({{"schedules", {due, by_file}}}) == "2026-11-28 06:00:00 UTC");
    CHECK(next_start_text({{"schedules", Json::array({by_file})}, {"paused", true}}) == "paused (file)"); // somebody's resume would not do
    CHECK(next_start_text({{"schedules", {by_file, by_somebody}}, {"paused", true}}) == "paused");
    const Json by_failures = {{"next", nullptr}, {"paused", true}, {"paused_in_file", false}, {"paused_after_failures", 3}};
    CHECK(next_start_text({{"schedules", Json::array({by_failures})}}) == "paused (3 failures)");
    const Json without_zone = {{"next", nullptr}, {"paused", false}, {"message", "node n has no time zone X"}};
    CHECK(next_start_text({{"schedules", Json::array({without_zone})}}) == "node n has no time zone X");
    CHECK(next_start_text({{"schedules", {without_zone, due}}}) == "2026-11-28 06:00:00 UTC");
    CHECK(next_start_text({{"schedules", Json::array({without_zone})}, {"paused", true}}) == "paused");
}

TEST_CASE("a list names the chunks of a run by their numbers, and says of a trial that it is one") {
    const auto told = [](int count, int first, int last) {
        return chunk_runs_text({{"id", 24}, {"chunk_runs", {{"count", count}, {"first", first}, {"last", last}}}});
    };
    CHECK(told(4, 25, 28) == "in chunks 25-28");
    CHECK(told(1, 25, 25) == "in chunk 25");
    CHECK(told(3, 25, 28) == "in 3 chunks, 25-28"); // one of those numbers is of another run
    CHECK(chunk_runs_text({{"id", 24}}).empty());
    CHECK(outcome_text({{"state", "completed"}, {"limit_rows", 10}}) == "completed (trial)");
    CHECK(outcome_text({{"state", "completed"}, {"limit_rows", 10}, {"warning_count", 1}}) == "completed (trial), 1 warning");
    CHECK(outcome_text({{"state", "completed"}, {"limit_rows", nullptr}}) == "completed");
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
