// Commands: what they are given, how they end, and what is told of that.
#include "tests/tasks/host_process.hpp"

using namespace millrace;
using namespace millrace::test;

TEST_CASE("a command's output becomes the log, its environment is what is declared") {
    const TempFolder run;
    HostProcess host("run");
    AttemptOrder order =
        order_for(run, "c", "run",
                  {{"command", "echo hi $who; echo oops >&2; printf 'no newline'; env | cut -d= -f1 | sort | tr '\\n' ' '"},
                   {"env", {{"KIND", "${who}!"}}}});
    order.context.params = {{"who", "wor ld; rm -rf /"}};
    const AttemptDone done = host.attempt(order);
    CHECK(done.outcome == "completed");
    CHECK_THAT(text_of(log_of(order), "out"), Catch::StartsWith("hi wor ld; rm -rf /|no newline"));
    CHECK(text_of(log_of(order), "err") == "oops|");
    CHECK_THAT(text_of(log_of(order), "out"), Catch::Contains("KIND") && Catch::Contains("MILLRACE_RUN_ID") &&
                                                  !Catch::Contains("MILLRACE_DUCKDB") && !Catch::Contains("USER"));
}

TEST_CASE("a command runs in the project's folder, with a folder of its own for what it throws away") {
    const TempFolder run, project;
    HostProcess host("run");
    std::ofstream(project.path + "/greet.sh") << "echo hello from $(pwd), not from $TMPDIR\n";
    AttemptOrder order = order_for(run, "c", "run", {{"argv", {"sh", "greet.sh"}}});
    order.project = project.path;
    CHECK(host.attempt(order).outcome == "completed");
    CHECK(text_of(log_of(order), "out") == "hello from " + project.path + ", not from " + order.staging + "|");
    order = order_for(run, "d", "run", {{"command", "true"}});
    order.project = project.path + "/gone";
    CHECK(error_of(host.attempt(order)).message == "the command cannot run in " + order.project + ": No such file or directory");
}

TEST_CASE("exit codes: 75 asks for a retry, others fail, a signal is a crash") {
    const TempFolder run;
    HostProcess host("run");
    CHECK(host.attempt(order_for(run, "a", "run", {{"command", "exit 75"}})).outcome == "retry");
    const AttemptDone failed = host.attempt(order_for(run, "b", "run", {{"argv", {"/bin/sh", "-c", "exit 3"}}}));
    REQUIRE(failed.error);
    CHECK(failed.error->message == "the command ended with exit code 3");
    CHECK(failed.error->remedy.empty()); // it said nothing
    CHECK(error_of(host.attempt(order_for(run, "s", "run", {{"command", "echo why; exit 3"}}))).remedy == "the log has its output");
    CHECK(error_of(host.attempt(order_for(run, "c", "run", {{"command", "kill -9 $$"}}))).error_class == "crashed");
    CHECK_THAT(error_of(host.attempt(order_for(run, "d", "run", {{"argv", {"no-such-program"}}}))).message,
               Catch::Contains("cannot be started"));
    const AttemptDone too_long = host.attempt(order_for(run, "e", "run", {{"argv", {"true", std::string(200 << 10, 'x')}}}));
    REQUIRE(too_long.error);
    CHECK_THAT(too_long.error->message, Catch::Contains("cannot be started: Argument list too long"));
    CHECK(too_long.error->remedy == "give it less in its arguments and `env`: a list goes into a file, or into `for_each`");
}

TEST_CASE("a program is looked up in the PATH that the command is given") {
    const TempFolder run;
    HostProcess host("run");
    const std::string program = run.path + "/only-here";
    std::ofstream(program) << "#!/bin/sh\necho found\n";
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    const AttemptOrder order = order_for(run, "p", "run", {{"argv", {"only-here"}}, {"env", {{"PATH", run.path}}}});
    const AttemptDone done = host.attempt(order);
    if (done.error) FAIL(done.error->message);
    CHECK(text_of(log_of(order), "out") == "found|");
    CHECK_THAT(error_of(host.attempt(order_for(run, "q", "run", {{"argv", {"sh"}}, {"env", {{"PATH", run.path}}}}))).message,
               Catch::Contains("cannot be started"));
}

TEST_CASE("of files of one name the first that may be run is, and one without a format is a script of the shell") {
    const TempFolder run;
    HostProcess host("run");
    const auto file = [&](const std::string& folder, const char* text, std::filesystem::perms permissions) {
        std::filesystem::create_directories(run.path + folder);
        std::ofstream(run.path + folder + "/tool") << text;
        std::filesystem::permissions(run.path + folder + "/tool", permissions);
    };
    file("/a", "#!/bin/sh\necho wrong\n", std::filesystem::perms::owner_read);
    file("/b", "echo $0 $1 $HERE\n", std::filesystem::perms::owner_all);
    file("/c", "#!/bin/sh\necho too late\n", std::filesystem::perms::owner_all);
    const auto outcome = [&](const std::string& task, const std::string& path) {
        const auto order = order_for(run, task, "run", {{"argv", {"tool", "one"}}, {"env", {{"PATH", path}, {"HERE", "there"}}}});
        const AttemptDone done = host.attempt(order);
        return done.error ? done.error->message : text_of(log_of(order), "out");
    };
    const std::string a = run.path + "/a", b = run.path + "/b";
    CHECK(outcome("x", run.path + "/none:" + a + ":" + b + ":" + run.path + "/c") == b + "/tool one there|");
    CHECK_THAT(outcome("y", a), Catch::Contains("Permission denied"));
}

TEST_CASE("a command that failed says why: the last lines of what it complained of, else of what it said") {
    const TempFolder run;
    HostProcess host("run");
    const auto message = [&](const std::string& command) {
        return error_of(host.attempt(order_for(run, "f", "run", {{"command", command}}))).message;
    };
    CHECK(message("seq 9; seq 1 7 >&2; exit 3") == "the command ended with exit code 3: 3 | 4 | 5 | 6 | 7");
    CHECK(message("echo 'no such\ttable'; exit 1") == "the command ended with exit code 1: no such table");
    CHECK(message("echo bye >&2; kill -9 $$") == "the command was killed by signal 9 (Killed): bye");
    CHECK(message("echo later; exit 75") == "the command asked for a retry (exit code 75): later");
    const std::string cut = message("for i in 1 2 3; do head -c 150 /dev/zero | tr '\\0' x; printf 'ä%.0s' $(seq 50); echo; done; exit 2");
    CHECK(cut.starts_with("the command ended with exit code 2: ..."));
    CHECK(cut.ends_with("ä"));
    CHECK(cut.size() < 550);
}

TEST_CASE("a log takes any bytes") {
    const TempFolder run;
    HostProcess host("run");
    const AttemptOrder order =
        order_for(run, "a", "run", {{"command", "printf 'a\\0b\\377c\\n'; head -c 200000 /dev/zero | tr '\\0' x; echo; seq 1 20000"}});
    CHECK(host.attempt(order).outcome == "completed");
    const auto log = log_of(order);
    CHECK(log.at(0)["text"] == "a\xEF\xBF\xBD"
                               "b\xEF\xBF\xBD"
                               "c");
    CHECK(log.size() > 20000);
    CHECK(log.at(log.size() - 2)["text"] == "20000");
    CHECK(log.back()["end"] == true);
}

TEST_CASE("a command that holds more than its memory is killed with all that it started, and told so") {
    const TempFolder run;
    HostProcess host("run");
    // two processes that hold 150 MB each, of which neither is above the limit
    const auto held_for = [&](const std::string& seconds) {
        return order_for(
            run, "m", "run",
            {{"argv", {"python3", "-c", "import os, time\nos.fork()\nheld = b'x' * 150_000_000\ntime.sleep(" + seconds + ")"}}});
    };
    AttemptOrder order = held_for("60");
    order.memory_bytes = 200'000'000;
    const AttemptDone done = host.attempt(order);
    REQUIRE(done.error);
    CHECK(done.error->error_class == "resource");
    CHECK_THAT(done.error->message,
               Catch::StartsWith("the command and what it started held ") && Catch::Contains(" MB of memory, and `memory` allows 200 MB"));
    order = held_for("1.5");
    order.memory_bytes = 400 << 20;
    CHECK(host.attempt(order).outcome == "completed");
}

TEST_CASE("a NUL that would cut an argument or a variable is refused") {
    const TempFolder run;
    HostProcess host("run");
    AttemptOrder order = order_for(run, "n", "run", {{"argv", {"/bin/echo", "${who}"}}});
    order.context.params = {{"who", std::string("a\0b", 3)}};
    CHECK_THAT(error_of(host.attempt(order)).message, Catch::Contains("has a NUL in it"));
}

TEST_CASE("of a command that a signal killed only what is known is told") {
    const TempFolder run;
    HostProcess host("run");
    const auto remedy = [&](const std::string& command) {
        return error_of(host.attempt(order_for(run, "s", "run", {{"command", command}}))).remedy;
    };
    CHECK_THAT(remedy("kill -9 $$"), Catch::StartsWith("somebody"));
    CHECK(remedy("kill -15 $$").empty());
}
