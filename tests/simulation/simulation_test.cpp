// Whole lifecycles under faults, from seeds: what must never happen is checked by the world at every step.
#include "pictures.hpp"
#include "process.hpp"
#include "seeds.hpp"

using namespace millrace;
using namespace millrace::test;

namespace {

void simulate(World& world, std::uint64_t seed) {
    for (std::uint64_t i = 0; i < 8;) {
        auto plan = picture((seed + i) % picture_count);
        if (seed % 2) plan.overlap = "allow";
        if (world.trigger(std::move(plan))) ++i;
        for (auto n = world.random() % 150; n > 0; --n) world.step();
    }
    world.run_to_the_end();
    for (const auto& [id, run] : world.store.runs) {
        CAPTURE(id, run.row.message);
        const bool parked = run.row.state == State::Crashed && world.store.poisoned.contains(id);
        const bool chunk_parked =
            run.row.state == State::Crashed && run.row.plan_hash.starts_with("flow3") && !world.store.poisoned.empty();
        CHECK((run.row.state == State::Completed || parked || chunk_parked));
    }
}

/// Of each seed, in a world of so many nodes.
void all_end(std::uint64_t seeds, const Faults& faults, int least_nodes = 1, int most_nodes = 1) {
    for_each_seed(seeds, [&](std::uint64_t seed) {
        const auto more = seed % static_cast<std::uint64_t>(most_nodes - least_nodes + 1);
        World world(seed, faults, least_nodes + static_cast<int>(more));
        simulate(world, seed);
    });
}

/// Fail-overs that lose the last commits, beside all else.
Faults of_history() {
    Faults f;
    f.store_forgets = 0.0004;
    f.store_away = 0.0001;
    f.answer_lost = f.commit_late = 0.01;
    f.commit_slow = 0.05;
    return f;
}

} // namespace

TEST_CASE("runs complete while hosts fail, hang and die") { all_end(40, {}); }

TEST_CASE("runs complete while daemons are killed at any moment") {
    Faults faults;
    faults.node_dies = 0.003;
    all_end(80, faults, 1, 3);
}

TEST_CASE("runs complete while the store fails in every way") { all_end(60, of_the_store()); }

TEST_CASE("a run whose rows the store will never take is parked, the others complete") {
    Faults faults = of_the_store();
    faults.poison = 0.2;
    faults.node_dies = 0.0005;
    all_end(60, faults, 2, 2);
}

TEST_CASE("runs complete while nodes die and freeze, and others take their runs over") {
    Faults faults;
    faults.node_dies = 0.001;
    faults.node_freezes = 0.001;
    faults.commit_slow = 0.2;
    faults.person_pauses = 0.01;
    all_end(80, faults, 3, 3);
}

TEST_CASE("runs complete while nodes and the store fail in every way") { all_end(160, of_store_and_nodes(0.0005, 0.01), 2, 3); }

TEST_CASE("runs complete though the store forgets its last commits") { all_end(80, of_history()); }

TEST_CASE("runs complete though the store forgets its last commits, and nodes die and freeze") {
    Faults faults = of_history();
    faults.node_dies = faults.node_freezes = 0.0005;
    all_end(120, faults, 2, 3);
}

TEST_CASE("runs complete though clocks are set back and forth") {
    Faults faults;
    faults.clock_jumps = 0.001;
    faults.node_dies = 0.0005;
    all_end(40, faults, 1, 2);
}
