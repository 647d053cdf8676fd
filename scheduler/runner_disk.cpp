// No task run begins on a disk without room: those whose turn it is are shown as waiting, without an attempt and without slots.
#include "scheduler/runner.hpp"

namespace millrace {

/// True: nothing may begin now.
bool Runner::waits_for_disk() {
    if (!settings_.short_of_disk) return false;
    const std::string shortage = settings_.short_of_disk();
    if (shortage.empty()) {
        for (auto& waits : std::exchange(without_disk_, {}))
            if (auto* run = live(waits.run_id)) enqueue(*run, waits.key, false);
        return false;
    }
    hold_for_disk(shortage);
    return true;
}

/// The first stand for all: a hundred thousand items that wait are not worth a hundred thousand rows.
void Runner::hold_for_disk(const std::string& shortage) {
    constexpr std::size_t most_shown = 1000;
    const auto wanted = [this](const Waiting& w) {
        const auto* run = live(w.run_id);
        return run && run->machine && run->machine->may_start(w.key);
    };
    std::set<std::int64_t> touched;
    for (const auto kind : {ExtractKind, SqlKind, RunKind}) {
        auto& queue = waiting_[kind];
        if (without_disk_.size() >= most_shown) std::erase_if(without_disk_, [&](const Waiting& w) { return !wanted(w); });
        while (!queue.empty() && without_disk_.size() < most_shown) {
            const Waiting next = queue.take();
            if (next.has_slots) {
                slotted_.erase({next.run_id, next.key}), --slotted_of_[kind];
                give_back(next.run_id, next.key);
            }
            if (!wanted(next)) continue;
            live(next.run_id)->machine->waiting(next.key, "WaitingForDisk", shortage);
            without_disk_.push_back({next.run_id, next.key, false});
            touched.insert(next.run_id);
        }
    }
    for (const auto run_id : touched) record(*live(run_id));
}

} // namespace millrace
