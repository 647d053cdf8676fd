#include "daemon/child_process.hpp"
#include "daemon/managed_postgres.hpp"
#include "flows/error.hpp"
#include "flows/process_tree.hpp"

#include <catch2/catch.hpp>
#include <libpq-fe.h>

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <set>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace fs = std::filesystem;
using namespace millrace;

namespace {

/// A state folder that the server's user may reach; removed at the end.
struct StateFolder {
    StateFolder() {
        std::string pattern = (fs::temp_directory_path() / "millrace-state-XXXXXX").string();
        REQUIRE(mkdtemp(pattern.data()));
        path = pattern;
        fs::permissions(path, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
    }
    ~StateFolder() { fs::remove_all(path); }
    fs::path path;
};

void ignore(const std::string&) {}

std::string ask(const std::string& url, const char* sql) {
    PGconn* connection = PQconnectdb(url.c_str());
    std::string answer;
    if (PQstatus(connection) == CONNECTION_OK) {
        PGresult* result = PQexec(connection, sql);
        if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0) answer = PQgetvalue(result, 0, 0);
        PQclear(result);
    }
    PQfinish(connection);
    return answer;
}

/// What the descriptors of a process are, 0 to 2 excepted: "socket:[4711]".
std::set<std::string> open_beyond_standard(pid_t pid) {
    std::set<std::string> out;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
        std::error_code is_gone;
        const auto target = fs::read_symlink(entry.path(), is_gone);
        if (!is_gone && std::stoi(entry.path().filename().string()) > 2) out.insert(target.string());
    }
    return out;
}

/// What a child has of ours. A program that starts opens files of its own for a moment (locales, say): those are not ours.
std::set<std::string> inherited_by(pid_t child) {
    const auto ours = open_beyond_standard(getpid());
    std::set<std::string> out;
    for (const auto& target : open_beyond_standard(child))
        if (ours.count(target)) out.insert(target);
    return out;
}

/// A socket as libraries open them: every program that we start would have it too.
struct InheritableSocket {
    InheritableSocket() : descriptor(socket(AF_UNIX, SOCK_STREAM, 0)) { REQUIRE(descriptor > 2); }
    ~InheritableSocket() { close(descriptor); }
    [[nodiscard]] std::string name() const { return fs::read_symlink("/proc/self/fd/" + std::to_string(descriptor)).string(); }
    int descriptor;
};

pid_t postmaster_of(const fs::path& state) {
    std::ifstream in(state / "pg/data/postmaster.pid");
    pid_t pid = 0;
    in >> pid;
    return pid;
}

} // namespace

TEST_CASE("the private PostgreSQL is made, answers, stops, and starts again with its rows") {
    const StateFolder state;
    {
        ManagedPostgres postgres(state.path, ignore);
        postgres.start();
        CHECK(ask(postgres.url("warehouse"), "select current_database()") == "warehouse");
        ask(postgres.url("millrace"), "create table kept as select 42 as n");
        postgres.stop();
    }
    ManagedPostgres again(state.path, ignore);
    again.start();
    CHECK(ask(again.url("millrace"), "select n from kept") == "42");
    again.stop();
}

TEST_CASE("a server that outlived its daemon is adopted, not doubled") {
    const StateFolder state;
    pid_t first = 0;
    {
        ManagedPostgres postgres(state.path, ignore);
        postgres.start();
        first = postmaster_of(state.path);
    } // as after kill -9 of the daemon: the server runs on
    ManagedPostgres next(state.path, ignore);
    next.start();
    CHECK(postmaster_of(state.path) == first);
    next.stop();
    CHECK_FALSE(is_alive(first));
}

TEST_CASE("a killed server is started again while the daemon runs") {
    const StateFolder state;
    ManagedPostgres postgres(state.path, ignore);
    postgres.start();
    const InheritableSocket ours;
    const pid_t first = postmaster_of(state.path);
    kill(first, SIGKILL);
    std::string answer;
    for (int i = 0; i < 3000 && answer.empty(); ++i) {
        if (postmaster_of(state.path) != first) answer = ask(postgres.url("millrace"), "select 'back'");
        if (answer.empty()) usleep(10'000);
    }
    CHECK(answer == "back");
    CHECK_FALSE(open_beyond_standard(postmaster_of(state.path)).contains(ours.name())); // it may outlive us
    postgres.stop();
}

TEST_CASE("processes that a killed server left are waited for at the next start") {
    const StateFolder state;
    {
        ManagedPostgres postgres(state.path, ignore);
        postgres.start();
    }
    const pid_t first = postmaster_of(state.path);
    const auto orphans = descendants(first);
    REQUIRE_FALSE(orphans.empty());
    for (const pid_t pid : orphans) kill(pid, SIGSTOP); // they do not notice that it is gone
    kill(first, SIGKILL);
    std::thread end([&] {
        usleep(500'000);
        for (const pid_t pid : orphans) kill(pid, SIGKILL);
    });
    ManagedPostgres next(state.path, ignore);
    next.start();
    end.join();
    CHECK(ask(next.url("millrace"), "select 1") == "1");
    next.stop();
}

TEST_CASE("a pid file that names a stranger's process does not stop the start") {
    const StateFolder state;
    {
        ManagedPostgres postgres(state.path, ignore);
        postgres.start();
        postgres.stop();
    }
    std::ofstream(state.path / "pg/data/postmaster.pid") << getpid() << "\n";
    ManagedPostgres postgres(state.path, ignore);
    postgres.start();
    CHECK(ask(postgres.url("millrace"), "select 1") == "1");
    postgres.stop();
}

TEST_CASE("a cluster of a version that is not installed is an error with the package to install") {
    const StateFolder state;
    fs::create_directories(state.path / "pg/data");
    std::ofstream(state.path / "pg/data/PG_VERSION") << "9.6\n";
    ManagedPostgres postgres(state.path, ignore);
    try {
        postgres.start();
        FAIL("it started");
    } catch (const Error& e) {
        CHECK(std::string(e.what()).find("PostgreSQL 9.6") != std::string::npos);
        CHECK(e.remedy == "apt-get install postgresql-9.6");
    }
}

TEST_CASE("a child that cannot be started is an error, and one that fails gives its output") {
    ChildOptions options;
    options.argv = {"/nowhere/program"};
    CHECK_THROWS_AS(run_child(options), Error);
    options.argv = {"/bin/sh", "-c", "echo said; exit 3"};
    const auto result = run_child(options);
    CHECK(result.exit_code == 3);
    CHECK(result.output == "said\n");
}

TEST_CASE("a child has no descriptor of ours but those that it was given") {
    const InheritableSocket ours;
    int given[2];
    REQUIRE(pipe2(given, O_CLOEXEC) == 0);
    for (const bool with_third : {false, true}) {
        ChildOptions options;
        options.argv = {"/bin/sleep", "100"};
        options.dies_with_us = true;
        std::set<std::string> expected;
        if (with_third) {
            options.descriptor_3 = given[0];
            expected.insert(fs::read_symlink("/proc/self/fd/" + std::to_string(given[0])).string());
        }
        const pid_t pid = start_child(options);
        CHECK(inherited_by(pid) == expected);
        kill(pid, SIGKILL);
        CHECK(wait_until_gone(pid, std::chrono::seconds(10)));
    }
    close(given[0]);
    close(given[1]);
}

TEST_CASE("a child that was waited for leaves no zombie") {
    for (int i = 0; i < 50; ++i) {
        ChildOptions options;
        options.argv = {"/bin/sh", "-c", "exit 0"};
        const pid_t pid = start_child(options);
        CHECK(wait_until_gone(pid, std::chrono::seconds(10)));
        CHECK_FALSE(fs::exists("/proc/" + std::to_string(pid)));
    }
}
