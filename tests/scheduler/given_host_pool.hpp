/// A pool of real processes: hosts of Python's that echo, die, hang or refuse to end.
#pragma once

#include "loop.hpp"
#include "scheduler/host_pool.hpp"

#include <catch2/catch.hpp>

#include <fstream>

namespace millrace::test {

struct PoolListener final : AttemptListener {
    void attempt_progress(const AttemptProgress& p) override { progress.push_back(p); }
    void attempt_event(const AttemptEvent& e) override { events.push_back(e); }
    void attempt_done(AttemptDone done) override {
        if (on_done) on_done();
        ended.emplace(done.id, std::move(done));
    }
    std::function<void()> on_done;
    std::vector<AttemptProgress> progress;
    std::vector<AttemptEvent> events;
    std::map<OrderId, AttemptDone> ended;
};

struct Pool {
    explicit Pool(std::string program = MILLRACE_SOURCE_DIR "/tests/scheduler/fake_host",
                  std::chrono::milliseconds grace = std::chrono::milliseconds(200))
        : clock(io) {
        HostPoolConfig config;
        config.program = std::move(program);
        config.environment = {{"PATH", std::getenv("PATH")}, {"HOME", "/nowhere"}};
        config.grace = config.command_grace = grace;
        config.run_attempts = 2;
        pool = std::make_unique<HostPool>(io, clock, config);
        pool->listen(listener);
    }
    OrderId start(const std::string& task, const std::string& verb = "transform") {
        AttemptOrder order;
        order.id = ++last;
        order.task = task;
        order.verb = verb;
        pool->start(order);
        return last;
    }
    void until(const std::function<bool()>& condition) { test::run_until(io, condition); }
    const AttemptDone& done(OrderId id) {
        until([&] { return listener.ended.contains(id); });
        return listener.ended.at(id);
    }

    boost::asio::io_context io;
    SystemClock clock;
    PoolListener listener;
    std::unique_ptr<HostPool> pool;
    OrderId last = 0;
};

inline bool lives(int pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(status, text);
    return !text.empty() && text.find(") Z") == std::string::npos;
}

} // namespace millrace::test
