// How commands and hosts end: no process of a command outlives its task run, nor its host.
#include "tests/tasks/host_process.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

/// Everything whose environment has this run's marker.
std::vector<std::string> left_of(const TempFolder& run) {
    std::vector<std::string> out;
    for (const auto& process : std::filesystem::directory_iterator("/proc")) {
        std::ifstream environ(process.path() / "environ"), command(process.path() / "cmdline");
        std::string variables, words;
        std::getline(environ, variables, '\n'); // one that dies meanwhile is an unreadable stream, no exception
        std::getline(command, words, '\n');
        if (variables.find("TREE=" + run.path) != std::string::npos) out.push_back(words);
    }
    return out;
}

/// A tree with every way out: the background, a lost parent, a session of its own, a deaf ear for SIGTERM.
AttemptOrder tree_of(const TempFolder& run, const std::string& end) {
    return order_for(
        run, "tree", "run",
        {{"command",
          "sleep 1000 & (sleep 1001 & sleep 1002) & setsid sleep 1003 & setsid sh -c 'sleep 1005 & exit' & trap '' TERM; sleep 1006 & " +
              end},
         {"env", {{"TREE", run.path}}}});
}

bool soon(const std::function<bool()>& condition, int seconds = 20) {
    for (int i = 0; i < seconds * 100; ++i) {
        if (condition()) return true;
        ::usleep(10000);
    }
    return false;
}

/// The shell, seven sleeps, and perhaps the inner shell.
void wait_for_tree(const TempFolder& run) {
    const bool grown = soon([&] { return left_of(run).size() >= 8; });
    CAPTURE(left_of(run));
    REQUIRE(grown);
}

} // namespace

TEST_CASE("no outcome of a command leaves a process behind") {
    const TempFolder run;
    HostProcess host("run");
    const auto finish = [&](const std::string& end) {
        const AttemptDone done = host.attempt(tree_of(run, end));
        CHECK(left_of(run).empty());
        return done;
    };
    CHECK(finish("sleep 0.3").outcome == "completed");
    CHECK(error_of(finish("sleep 0.3; exit 3")).message.starts_with("the command ended with exit code 3"));
    CHECK(error_of(finish("sleep 0.3; kill -9 $$")).error_class == "crashed");
    const AttemptOrder order = tree_of(run, "sleep 1004; wait");
    host.send(to_line("attempt", order));
    wait_for_tree(run);
    host.send("{\"type\":\"cancel\",\"id\":" + std::to_string(order.id) + "}\n");
    CHECK(soon([&] { return left_of(run).size() == 3; }, 8)); // SIGTERM reaches all, even outside the session; the deaf live on
    CHECK(host.receive("done", 15).at("outcome") == "cancelled");
    CHECK(left_of(run).empty());
}

TEST_CASE("a host that is asked to end ends what it works on as cancelled, and says so") {
    const std::string kind = GENERATE("run", "sql");
    const TempFolder run;
    HostProcess host(kind);
    REQUIRE(!host.receive("ready").is_null());
    const AttemptOrder order =
        kind == "run" ? order_for(run, "r", "run", {{"argv", {"sleep", "1005"}}})
                      : order_for(run, "q", "transform", {{"sql", "select count(*) as n from range(1000000) a, range(1000000) b"}});
    host.send(to_line("attempt", order));
    CHECK(soon([&] { return std::filesystem::exists(order.log); }, 8));
    ::kill(host.pid(), SIGTERM);
    CHECK(host.receive("done", 15).at("outcome") == "cancelled");
}

TEST_CASE("a command that ends with the daemon is told no other reason in its log") {
    const TempFolder run;
    const AttemptOrder order = order_for(run, "r", "run", {{"command", "for i in $(seq 200); do sleep 1006 & done; echo ready; wait"}});
    {
        HostProcess host("run");
        host.send(to_line("attempt", order));
        CHECK(soon([&] { return std::filesystem::exists(order.log) && text_of(log_of(order), "out") == "ready|"; }, 8));
    }
    CHECK(text_of(log_of(order), "error").empty());
}

TEST_CASE("a command and its descendants end with the daemon") {
    const TempFolder run;
    {
        HostProcess host("run");
        host.send(to_line("attempt", tree_of(run, "sleep 1004; wait")));
        wait_for_tree(run);
    }
    CHECK(soon([&] { return left_of(run).empty(); }, 5));
}
