// Whole lifecycles under faults, from seeds: what must never happen is checked by the world at every step.
#include "world.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <iostream>

using namespace millrace;
using namespace millrace::test;

namespace {

const char* const pictures[] = {
    // a chain
    "a: extract retry=5\n b: transform <- a retry=5\n c: load <- b retry=5\n",
    // a diamond with a wait, a slot and a condition
    "a: extract retry=5 timeout=30\n l: run <- a limit=w retry=5\n r: run <- a limit=w retry=5 timeout=60\n w: wait <- a seconds=5\n"
    "z: load <- l, r, w retry=5 when=x\n",
    // mapped
    "a: extract retry=5\n m: run <- a each=a concurrency=2 retry=6 timeout=50\n w: wait <- m each=m seconds=3\n z: load <- w retry=5\n",
};

FlowPlan picture(std::size_t n) {
    FlowPlan plan = plan_text(pictures[n], "flow" + std::to_string(n));
    for (auto& task : plan.tasks) { // nothing hangs for ever
        if (task.timeout == 0 && task.verb != Verb::Wait) task.timeout = 120;
        task.retry.for_classes = {"any"};
        if (task.retry.attempts > 1) task.retry.attempts = 12;
    }
    return plan;
}

int seeds() {
    const char* more = std::getenv("MILLRACE_SIMULATION_SEEDS");
    return more ? std::atoi(more) : 60;
}

void simulate(std::uint64_t seed, Faults faults) {
    CAPTURE(seed);
    World world(seed, faults);
    for (std::size_t i = 0; i < 6; ++i) {
        auto plan = picture((seed + i) % 3);
        if (seed % 2) plan.overlap = "allow";
        world.trigger(std::make_shared<const FlowPlan>(std::move(plan)));
        for (int n = 0; n < 20; ++n) world.step();
    }
    world.run_to_the_end();
    for (const auto& [id, run] : world.store.runs) {
        CAPTURE(id, run.message);
        CHECK(run.state == State::Completed);
    }
}

} // namespace

TEST_CASE("runs complete while hosts fail, hang and die") {
    for (int seed = 1; seed <= seeds(); ++seed) simulate(static_cast<std::uint64_t>(seed), {});
}

TEST_CASE("runs complete while the daemon is killed at any moment") {
    Faults faults;
    faults.daemon_dies = 0.02;
    for (int seed = 1; seed <= seeds(); ++seed) simulate(static_cast<std::uint64_t>(seed), faults);
}

TEST_CASE("a cancelled run ends, whatever happens") {
    for (int seed = 1; seed <= seeds(); ++seed) {
        CAPTURE(seed);
        Faults faults;
        faults.daemon_dies = 0.01;
        World world(static_cast<std::uint64_t>(seed), faults);
        world.trigger(std::make_shared<const FlowPlan>(picture(static_cast<std::size_t>(seed) % 3)));
        const auto id = world.last_id;
        const int when = static_cast<int>(world.random() % 200);
        for (int n = 0; n < when; ++n) world.step();
        const bool taken = world.daemon->runner.cancel(id, "by the test", {});
        world.run_to_the_end();
        // A daemon that dies before the commit of a cancel has forgotten it; the person saw no answer.
        if (taken && world.deaths == 0) CHECK(world.store.runs.at(id).state == State::Cancelled);
    }
}
