// How hosts and what they started end.
#include "given_host_pool.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <sys/wait.h>
#include <unistd.h>

using namespace millrace;
using test::lives;
using test::Pool;

TEST_CASE("a cancelled attempt ends in order, or by a kill") {
    Pool p;
    SECTION("in order") {
        const auto id = p.start("hang", "extract");
        p.pool->cancel(id);
        CHECK(p.done(id).outcome == "cancelled");
    }
    SECTION("a kill") {
        const auto id = p.start("stubborn", "run");
        p.until([&] { return !p.pool->describe().empty(); });
        p.pool->cancel(id);
        CHECK(p.done(id).outcome == "cancelled");
    }
}

TEST_CASE("a host that somebody stopped ends as a crash, one that goes on in time does not") {
    Pool p;
    const auto hangs = p.start("hang", "run");
    int host = 0; // whose it is
    p.until([&] {
        for (const auto& h : p.pool->describe())
            if (h.at("orders") == 1 && h.at("ready") == true) host = h.at("pid");
        return host != 0;
    });
    const auto is_stopped = [&] {
        std::ifstream status("/proc/" + std::to_string(host) + "/stat");
        const std::string text((std::istreambuf_iterator<char>(status)), {});
        return text.find(") T") != std::string::npos;
    };
    for (const bool goes_on : {true, false}) {
        kill(host, SIGSTOP);
        p.until(is_stopped);
        p.pool->end_stopped();
        p.pool->end_stopped();
        if (goes_on) {
            kill(host, SIGCONT);
            p.until([&] { return !is_stopped(); });
        }
        p.pool->end_stopped();
        if (goes_on) CHECK(lives(host));
    }
    const auto& done = p.done(hangs);
    REQUIRE(done.error);
    CHECK(done.error->error_class == "crashed");
}

TEST_CASE("what a host started does not outlive it") {
    Pool p;
    p.done(p.start("child", "run"));
    REQUIRE(p.listener.events.size() == 1);
    const int child = std::stoi(p.listener.events[0].message);
    p.until([&] { return !lives(child); });
}

TEST_CASE("what left the host's group and lost its parent ends with it, by the mark of its environment") {
    Pool p;
    p.done(p.start("stray", "run"));
    REQUIRE(p.listener.events.size() == 1);
    const int stray = std::stoi(p.listener.events[0].message);
    p.until([&] { return !lives(stray); });
}

TEST_CASE("a kill of the pool takes what left the host's group") {
    Pool p;
    const auto id = p.start("nest", "run");
    p.until([&] { return !p.listener.events.empty(); });
    const int stray = std::stoi(p.listener.events[0].message);
    REQUIRE(lives(stray));
    SECTION("a cancelled attempt") {
        p.pool->cancel(id);
        CHECK(p.done(id).outcome == "cancelled");
    }
    SECTION("the daemon's stop") { p.pool->close(); }
    p.until([&] { return !lives(stray); });
}

TEST_CASE("processes of a former self end before the lock is taken") {
    const auto file = std::filesystem::temp_directory_path() / ("millrace-lock-" + std::to_string(getpid()));
    const int first = take_host_lock(file, std::chrono::seconds(1));
    const int stray = fork();
    if (stray == 0) {
        for (;;) pause();
    }
    close(first); // the daemon is dead, its child still holds the lock
    const int second = take_host_lock(file, std::chrono::seconds(5));
    int status = 0;
    CHECK(waitpid(stray, &status, 0) == stray);
    CHECK(WIFSIGNALED(status));
    close(second);
    std::filesystem::remove(file);
}
