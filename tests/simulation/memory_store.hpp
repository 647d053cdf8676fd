/// What is durable: the rows of the store, with its transactions as scheduler/store and pg_journal.cpp write them.
/// It outlives daemons, and refuses to break what must never be broken.
#pragma once

#include "faults.hpp"
#include "scheduler/history.hpp"
#include "scheduler/journal.hpp"
#include "scheduler/runner.hpp"
#include "scheduler/store/store.hpp"

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

    struct Line {
        std::int64_t run_id = 0, next = 0; ///< 0: nobody
        Instant next_created{}, next_asked{};
    };
    using LineAnswers = std::map<std::int64_t, std::pair<bool, std::int64_t>>; ///< by run: granted, holder

    using FiringKey = std::tuple<std::string, int, Instant>; ///< flow, schedule, nominal instant

    // The journal's transaction, behind the fence row. `lost`: of each change, whether another node had fired it.
    enum class Written { Yes, Fenced, Refused };
    Written write(int node, Epoch epoch, std::int64_t sequence, const std::vector<RunChanges>& group, Instant now, std::vector<bool>& lost,
                  LineAnswers& lines);

    // The verbs of Store.
    Epoch take_node(int node, Epoch fresh, Instant now);
    [[nodiscard]] std::vector<std::int64_t> adopt(Epoch epoch, Epoch fresh, Instant now);
    [[nodiscard]] std::vector<Runner::Resumed> live_runs(Epoch epoch) const;
    [[nodiscard]] std::vector<StoredTaskRun> task_runs(std::int64_t run_id) const;
    [[nodiscard]] std::vector<RunRow> chunks(std::int64_t parent) const;
    [[nodiscard]] std::vector<RunRow> called_by(const std::vector<StoredTaskRun>& task_runs) const;
    [[nodiscard]] Reused reused_by(const RunRow& row) const;
    [[nodiscard]] Reused reused_of(std::int64_t run_id, const std::shared_ptr<const FlowPlan>& plan) const;
    [[nodiscard]] RepeatedChunks repeated_by(const RunRow& row) const;
    [[nodiscard]] SlotClaim claim_slots(Epoch epoch, std::int64_t run_id, TaskKey key, const std::vector<SlotDemand>& demands);
    [[nodiscard]] std::vector<int> living_nodes(Instant now) const;
    /// Runs of this epoch that are to be cancelled, and for which other run.
    [[nodiscard]] std::vector<std::pair<std::int64_t, std::int64_t>> requests_to(Epoch epoch) const;
    [[nodiscard]] std::vector<StoredSchedule> all_schedules() const;
    void set_next(const StoredSchedule& schedule);
    void bring_back(const StoredSchedule& schedule);
    [[nodiscard]] std::optional<ScheduleStore::Next> next_of(const std::string& flow, int number) const;

    [[nodiscard]] bool is_a_nodes(Epoch epoch) const;
    [[nodiscard]] int slots_of(const std::string& key) const;
    [[nodiscard]] int held_by(Epoch epoch, std::int64_t run_id, TaskKey key, const std::string& limit) const;
    [[nodiscard]] bool all_runs_ended() const { return live.empty(); }
    [[nodiscard]] const FlowPlan& plan_of(std::int64_t run_id) const;
    /// After the last event: nothing is left half done.
    void check_the_end() const;

    std::map<int, Node> nodes;
    std::map<std::int64_t, Run> runs;
    std::map<std::pair<std::int64_t, TaskKey>, Task> tasks;
    std::map<std::tuple<std::int64_t, TaskKey, int>, State> attempts;
    std::vector<Slot> slots;
    std::map<std::string, Line> lines;                              ///< by flow
    std::map<std::pair<std::int64_t, std::int64_t>, bool> requests; ///< by run and who takes its place: answered
    std::set<std::int64_t> live;                                    ///< runs that have not ended
    std::map<std::string, std::shared_ptr<const FlowPlan>> plans;   ///< by hash
    std::map<std::pair<std::string, int>, StoredSchedule> schedules;
    std::map<FiringKey, std::int64_t> firings; ///< the run, 0 where none came of it
    std::set<std::int64_t> poisoned;           ///< runs whose rows were refused
    std::int64_t last_run_id = 0;
    StorePosition position{"1", 1, 1};
    std::chrono::microseconds lease = lease_length;
    bool has_forgotten = false; ///< once: a number of a run may come again
    Instant latest_wall{};      ///< the latest that a node's clock has shown: what is late may be so by that one

private:
    [[nodiscard]] std::vector<bool> claim_firings(const std::vector<RunChanges>& group);
    void move(StoredSchedule& schedule, std::optional<Instant> next_at, const std::string& next_local);
    void check_passed(const StoredSchedule& schedule, std::optional<Instant> next) const;
    void apply(const RunChanges& changes, Epoch epoch);
    void move_lines(const std::vector<RunChanges>& group, Epoch epoch, Instant now, LineAnswers& answers);
    [[nodiscard]] std::vector<std::int64_t> before(const LineClaim& claim, std::optional<Instant> now = {}) const;
    void check_turns() const;
    void check_skipped(const RunRow& row) const;
    void apply_tasks(const RunChanges& changes);
    void apply_attempts(const RunChanges& changes);
    void check_parents(const RunChanges& changes) const;
    void check_calls(const RunChanges& changes) const;
};

/// A text that the store takes in no row.
inline constexpr const char* poison_text = "poison";

} // namespace millrace::test
