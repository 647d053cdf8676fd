/// What is durable: the rows of the store, with its transactions as scheduler/store/store.cpp and pg_journal.cpp write them.
/// It outlives daemons, and refuses to break what must never be broken.
#pragma once

#include "faults.hpp"
#include "scheduler/journal.hpp"
#include "scheduler/runner.hpp"

#include <map>
#include <set>

namespace millrace::test {

using Epoch = std::uint64_t; ///< 0: none

/// run 3 task 1[4]
[[nodiscard]] std::string name_of(std::int64_t run_id, TaskKey key);

/// What a commit writes, in a line.
[[nodiscard]] std::string describe(const std::vector<RunChanges>& group);

class MemoryStore {
public:
    struct Node {
        Epoch epoch = 0;
        Instant lease_until{};
        std::int64_t journal_seq = 0;
    };
    struct Run {
        RunRow row;
        Epoch epoch = 0; ///< of the node that drives it
    };
    struct Task {
        TaskRunRow row;
        std::string value;
    };
    struct Slot {
        std::string key;
        Epoch epoch = 0;
        std::int64_t run_id = 0;
        TaskKey holder{};
    };

    // The journal's transaction, behind the fence row.
    enum class Written { Yes, Fenced, Refused };
    Written write(int node, Epoch epoch, std::int64_t sequence, const std::vector<RunChanges>& group, Instant now);

    // The verbs of Store.
    void take_node(int node, Epoch fresh, Instant now);
    [[nodiscard]] std::vector<std::int64_t> adopt(Epoch epoch, Epoch fresh, Instant now);
    [[nodiscard]] std::vector<Runner::Resumed> live_runs(Epoch epoch) const;
    [[nodiscard]] std::vector<StoredTaskRun> task_runs(std::int64_t run_id) const;
    [[nodiscard]] std::vector<RunRow> chunks(std::int64_t parent) const;
    [[nodiscard]] std::vector<RunRow> called_by(const std::vector<StoredTaskRun>& task_runs) const;
    [[nodiscard]] Reused reused_by(const RunRow& row) const;
    [[nodiscard]] Reused reused_of(std::int64_t run_id, const std::shared_ptr<const FlowPlan>& plan) const;
    [[nodiscard]] RepeatedChunks repeated_by(const RunRow& row) const;
    [[nodiscard]] SlotClaim claim_slots(Epoch epoch, std::int64_t run_id, TaskKey key, const std::vector<SlotDemand>& demands);

    [[nodiscard]] bool is_a_nodes(Epoch epoch) const;
    [[nodiscard]] int slots_of(const std::string& key) const;
    [[nodiscard]] int held_by(Epoch epoch, std::int64_t run_id, TaskKey key, const std::string& limit) const;
    [[nodiscard]] bool all_runs_ended() const;
    [[nodiscard]] const FlowPlan& plan_of(std::int64_t run_id) const;
    /// After the last event: nothing is left half done.
    void check_the_end() const;

    std::map<int, Node> nodes;
    std::map<std::int64_t, Run> runs;
    std::map<std::pair<std::int64_t, TaskKey>, Task> tasks;
    std::map<std::tuple<std::int64_t, TaskKey, int>, State> attempts;
    std::vector<Slot> slots;
    std::map<std::string, std::shared_ptr<const FlowPlan>> plans; ///< by hash
    std::set<std::int64_t> poisoned;                              ///< runs whose rows were refused

private:
    void apply(const RunChanges& changes, Epoch epoch);
    void apply_tasks(const RunChanges& changes);
    void apply_attempts(const RunChanges& changes);
    void check_parents(const RunChanges& changes) const;
};

/// A text that the store takes in no row.
inline constexpr const char* poison_text = "poison";

} // namespace millrace::test
