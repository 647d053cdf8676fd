/// Flows that are tried until they complete, and how the store fails meanwhile.
#pragma once

#include "../scheduler/plan_text.hpp"
#include "faults.hpp"

namespace millrace::test {

inline const char* const pictures[] = {
    // a chain
    "a: extract retry=5\n b: transform <- a retry=5\n c: load <- b retry=5\n",
    // a diamond with waits, slots and a condition
    "a: extract retry=5 timeout=30\n l: run <- a limit=w retry=5\n r: run <- a limit=w limit=v retry=5 timeout=60\n"
    "w: wait <- a seconds=5\n q: wait <- a asks every=5 limit=v retry=5\n z: load <- l, r, w, q limit=v retry=5 when=x\n",
    // mapped
    "a: extract retry=5\n m: run <- a each=a concurrency=2 limit=w retry=6 timeout=50\n w: wait <- m each=m seconds=3\n"
    "z: load <- w retry=5\n",
    // in chunks, one run of it at a time
    "a: extract retry=5\n z: load <- a limit=v retry=5\n",
};
inline constexpr std::uint64_t picture_count = 4;

/// Nothing hangs for ever, and what fails is tried again until it does not.
inline FlowPlan robust(FlowPlan plan, int attempts = 30) {
    for (auto& task : plan.tasks) {
        if (task.timeout == 0 && task.verb != Verb::Wait && task.verb != Verb::Flow) task.timeout = 120;
        task.retry.for_classes = {"any"};
        if (task.retry.attempts > 1) task.retry.attempts = attempts;
    }
    return plan;
}

inline FlowPlan picture(std::uint64_t n) {
    FlowPlan plan = robust(plan_text(pictures[n], "flow" + std::to_string(n)), n == 0 ? 5 : 30);
    if (n == 0) { // five attempts, six times
        plan.retry.attempts = 6;
        plan.retry.for_classes = {"any"};
    }
    if (n == 0) plan.limits.push_back({"flow", 1});
    if (n == 3) {
        plan.interval = IntervalSpec{};
        plan.interval->chunk.seconds = 3600;
    }
    return plan;
}

inline Faults of_the_store() {
    Faults f;
    f.store_away = 0.0002;
    f.commit_fails = f.answer_lost = f.commit_late = f.commit_serialises = 0.02;
    f.commit_slow = 0.1;
    return f;
}

/// Nodes fail too: `node_fails` is how often one dies, and how often one freezes.
inline Faults of_store_and_nodes(double node_fails, double person_pauses = 0) {
    Faults f = of_the_store();
    f.node_dies = f.node_freezes = node_fails;
    f.person_pauses = person_pauses;
    return f;
}

} // namespace millrace::test
