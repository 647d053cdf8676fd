/// What a run does next: a state machine without clock, I/O or threads. The shell (scheduler/runner.hpp) tells it what
/// happened, performs the decisions that it gives, and writes the task runs that changed.
///
///     shell:  begin | restore           ->  plan: decisions  Start k, EvaluateWhen t, EvaluateItems t, Stop k
///             started k, finished k     ->        changes    task runs whose rows are to be written
///             items_known t, advance    ->        next_wake  when something becomes due
///
/// One task run:
///
///     pending -> (when?) -> (items?) -> [Start] -> running -> completed
///        |          |                      ^          |-> failed | crashed
///        |          +-> skipped            |          v
///        +-> skipped (a parent failed)     +------ retrying (until due)
///
/// A wait for a query's answer is one attempt that is started again and again: between two polls it is running until it is due.
///
/// A completion touches only its children, by counters of pending parents: 100,000 task runs in one run are normal.
#pragma once

#include "flows/host_message.hpp"
#include "flows/items.hpp"
#include "flows/plan.hpp"
#include "flows/state.hpp"
#include "flows/time.hpp"

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

namespace millrace {

/// `item` -1 is the task itself; a mapped task has one more task run for each item, 0...
struct TaskKey {
    int task = 0;
    int item = -1;
    friend bool operator==(const TaskKey&, const TaskKey&) = default;
    friend auto operator<=>(const TaskKey&, const TaskKey&) = default;
};

/// The parts of a task run that few have.
struct TaskRunDetails {
    std::string message;
    std::optional<OrderError> error; ///< of the last attempt
    Json value;                      ///< the item of a mapped task run
    Json result;                     ///< null, or {manifest, dataset_hash, rows, rejected, warned, rejects, loads, progress, run}

    /// The run that a `flow` task called; 0: none.
    [[nodiscard]] std::int64_t called_run() const { return result.is_object() ? result.value("run", std::int64_t{0}) : 0; }
};

struct TaskRun {
    State state = State::Pending;
    const char* state_name = "Pending"; ///< a literal of this library, or interned by the one who restores
    int attempts = 0;                   ///< begun so far
    int charged = 0;                    ///< failures that count against the retry policies: the task's, then a round of the flow's
    int crashes = 0;                    ///< of hosts, forgiven (not stored: a restart forgets them)
    int pauses = 0;                     ///< that a service asked for, forgiven (not stored likewise)
    std::optional<Instant> started_at, finished_at;
    std::optional<Instant> due_at; ///< of the next attempt or poll, of a wait or of an approval's end
    std::unique_ptr<TaskRunDetails> details;

    unsigned stamp = 0;   ///< raised by every change: tells old timers from current ones
    bool changed = false; ///< listed in take_changes()
    bool stored = false;  ///< a row of it exists, or is on its way
    bool offered = false; ///< a Start was given out and not answered
    bool timing_out = false;

    [[nodiscard]] TaskRunDetails& detail();
};

/// Results of an earlier run that stand for its repetition.
struct Reused {
    using Items = std::multimap<std::string, Json>; ///< by the item as text: rows that are the same are several
    std::map<int, Json> tasks;
    std::map<int, Items> items; ///< of mapped tasks that are not done
};

/// What of a run's time counts against no limit of what waits in it, nor of the whole: a person had paused it.
struct Pauses {
    std::vector<std::pair<Instant, Instant>> before; ///< from and to, in order; of very many, the oldest are one of their length
    std::optional<Instant> since;                    ///< of the one that lasts

    void end(Instant now);
    /// How long those before were that ended after `from`, as far as they lay behind it.
    [[nodiscard]] std::chrono::microseconds after(Instant from) const;
};

/// One row of the store, for restore().
struct StoredTaskRun {
    TaskKey key;
    TaskRun run;
};

struct Decision {
    enum class Kind {
        Start,         ///< the task run may begin: answer with started() when it does, now or later
        EvaluateWhen,  ///< answer with when_known() or evaluation_failed()
        EvaluateItems, ///< answer with items_known() or evaluation_failed()
        Stop,          ///< end the attempt under way; its finished() will follow
    };
    Kind kind;
    TaskKey key;
};

class RunPlan {
public:
    RunPlan(std::shared_ptr<const FlowPlan> flow, std::uint64_t seed);

    /// A task that needs not run: an earlier run's result stands for it. Only before begin().
    void reuse(int task, Json result, Instant now);
    /// Items of a mapped task that need not run, if they are among those that it is found to have. Only before they are known.
    void reuse_items(int task, Reused::Items done) { node(task).done_items = std::move(done); }
    /// A new run. Every task run is pending and changed.
    void begin(Instant now);
    enum class Ending { Cancelled, TimedOut };
    /// A run that was under way when the process ended: its rows as stored. Attempts that were under way are lost: they
    /// begin again, and only where the retry policy says so are they charged against it. `lost` receives them. A run that was cancelling
    /// ends as `ending` says.
    void restore(std::vector<StoredTaskRun> rows, State run_state, Instant started_at, Instant now, std::vector<TaskKey>& lost,
                 Ending ending = Ending::Cancelled, const std::string& message = {}, Pauses pauses = {});

    // What happened.
    /// Of a wait that is asked once more no attempt is counted.
    void started(TaskKey key, Instant now);
    void completed(TaskKey key, Instant now);
    /// Beside what hosts say, `outcome` is "lost" where the host itself died.
    void finished(TaskKey key, const AttemptDone& done, Instant now);
    void when_known(int task, bool holds, Instant now);
    void items_known(int task, std::vector<Json> items, Instant now);
    void evaluation_failed(int task, const OrderError& error, Instant now);
    /// A running `flow` task called this run, which is in its result from now on; finished() or completed() tells how that ended.
    void called(TaskKey key, std::int64_t run_id, const std::string& flow);
    /// After restore(): it did so then, and the time of its `timeout` counts from then.
    void called_since(TaskKey key, Instant at);
    /// A running task of the daemon itself that ends by time, or by a person's decision.
    void wait_until(TaskKey key, Instant due, Instant now);
    void await_approval(TaskKey key, const std::string& question, Instant due, Instant now);
    /// False: the task does not await a decision.
    bool decide(int task, bool approved, const std::string& message, Instant now);
    /// A pending task run waits for something outside: "WaitingForSlot". Shown until it is started, no transition.
    void waiting(TaskKey key, const char* name, const std::string& message = {});
    void waiting_for_slot(TaskKey key, const std::string& message);
    /// Time passed: retries, waits, timeouts become due.
    void advance(Instant now);
    /// The wall clock shows so much more or less than before, and no time passed: what counts a time rings by so much later or sooner.
    /// What was to be at an instant stays.
    void clock_was_set(std::chrono::microseconds by);

    // What a person wants.
    void cancel(Ending ending, const std::string& message, Instant now);
    /// Nothing begins, and the clock of the flow's `timeout` stands; what is under way goes on, each with its own.
    void pause(Instant now);
    void resume(Instant now);

    // What is to be done.
    [[nodiscard]] std::optional<Decision> next();
    /// Whether a Start given out earlier is still wanted.
    [[nodiscard]] bool may_start(TaskKey key) const;
    [[nodiscard]] std::vector<TaskKey> take_changes();
    /// Of them, from the first on, those that have ended: they will not change again.
    [[nodiscard]] std::vector<TaskKey> take_ended();
    void mark_stored(TaskKey key) { run_at(key).stored = true; }
    [[nodiscard]] std::optional<Instant> next_wake() const;
    /// Of a plan that nobody asks any more: frees so many items. False: it has none left.
    bool forget_items(int most);

    // What is.
    [[nodiscard]] State state() const { return state_; }
    /// "AwaitingApproval" while it runs and nothing else is under way: the person who looks is waited for.
    [[nodiscard]] const char* state_name() const;
    [[nodiscard]] const std::string& message() const { return message_; }
    [[nodiscard]] std::optional<Instant> started_at() const { return started_at_; }
    [[nodiscard]] std::optional<Instant> finished_at() const { return finished_at_; }
    [[nodiscard]] const Pauses& pauses() const { return pauses_; }
    [[nodiscard]] const FlowPlan& flow() const { return *flow_; }
    [[nodiscard]] const TaskRun& at(TaskKey key) const;
    [[nodiscard]] int item_count(int task) const { return static_cast<int>(nodes_[static_cast<std::size_t>(task)].items.size()); }
    /// Task runs by state, items and mapped tasks both counted.
    [[nodiscard]] const std::array<int, 11>& counts() const { return counts_; }

private:
    /// A task, its place in the graph and its items.
    struct Node {
        TaskRun run;
        std::vector<TaskRun> items;
        Reused::Items done_items; ///< of the run that this one repeats
        std::vector<int> children;
        int pending_parents = 0;
        bool parent_failed = false, parent_skipped = false;
        bool when_held = false; ///< `when:` was true
        bool mapped = false;    ///< the items are known
        int items_left = 0, items_failed = 0, items_under_way = 0, next_item = 0, concurrency = 0;
    };
    static constexpr int forgiven_crashes = 3; ///< a host that dies is not the flow's failure, unless it keeps dying

    enum class Alarm { Retry, LastStart, Evaluation, Timeout, Wait, Poll, Approval, Flow };
    struct Timer {
        Instant at;
        TaskKey key;
        unsigned stamp;
        Alarm alarm;
        bool operator>(const Timer& other) const { return at > other.at; }
    };

    TaskRun& run_at(TaskKey key);
    void begin_lost_again(TaskKey key, bool cancelling, Instant now);
    Node& node(int task) { return nodes_[static_cast<std::size_t>(task)]; }
    const TaskPlan& plan_of(int task) const { return flow_->tasks[static_cast<std::size_t>(task)]; }
    void become(TaskKey key, State state, const char* name, Instant now);
    void show(TaskKey key, const char* name);
    void mark_changed(TaskKey key, TaskRun& run);
    void set_timer(TaskKey key, Instant at, Alarm alarm);
    /// The run that it called is paused with it, and nothing is asked.
    [[nodiscard]] static bool waits_for_others(const TaskPlan& plan);
    [[nodiscard]] bool stands_still_in_a_pause(const Timer& timer) const;
    void hold(Timer timer, Instant now);
    void hold_timers(Instant now);
    void let_timers_go_on(std::chrono::microseconds later);
    void set_flow_timer(Instant at);
    void ready(int task, Instant now);
    void offer(TaskKey key, Instant now);
    void offer_items(Node& node, int task, Instant now);
    void resolve(TaskKey key, Instant now);
    void resolve_item(int task, State state, Instant now);
    void items_ended(int task, Instant now);
    void resolve_task(int task, Instant now);
    [[nodiscard]] OrderError told(TaskKey key, OrderError error) const;
    void fail(TaskKey key, const OrderError& error, Instant now);
    /// What bounds the attempts of its round in time.
    [[nodiscard]] const RetryPolicy& ceiling_of(TaskKey key) const;
    /// When its last attempt may begin; nothing: there is no such time.
    [[nodiscard]] std::optional<Instant> last_start(TaskKey key, const RetryPolicy& ceiling) const;
    void remember_first_start(TaskKey key, Instant at);
    void give_up(TaskKey key, Instant now);
    void retry_or_fail(TaskKey key, OrderError error, const std::string& outcome, Instant now);
    void ask_again(TaskKey key, const std::string& answer, Instant now);
    void time_out(TaskKey key, Instant now);
    [[nodiscard]] bool is_forgotten(const Timer& timer) const;
    void ring(const Timer& timer, Instant now);
    void finish_if_done(Instant now);
    void set_run(State state, const char* name, Instant now);
    void link();

    std::shared_ptr<const FlowPlan> flow_;
    std::uint64_t seed_;
    std::vector<Node> nodes_;
    std::deque<Decision> stops_, decisions_;
    std::vector<TaskKey> changes_;
    std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
    std::vector<Timer> held_;                 ///< as they were set, while the run is paused
    std::map<TaskKey, Instant> first_starts_; ///< of task runs whose retries have a `within`, by the clock as it is set now
    std::array<int, 11> counts_{};
    int tasks_left_ = 0;

    State state_ = State::Pending;
    const char* state_name_ = "Pending";
    std::string message_;
    std::optional<Instant> started_at_, finished_at_;
    bool paused_ = false;
    Pauses pauses_;
    Instant flow_due_{}; ///< when its `timeout` is over, without the pause that lasts
    std::optional<Ending> ending_;
};

/// Of an attempt that was lost with the daemon.
[[nodiscard]] OrderError lost_with_the_daemon();

/// Seconds until attempt number `charged` + 1: the policy's backoff with jitter from `random` in [0, 1), never less than
/// what the other side asked for.
[[nodiscard]] double retry_delay(const RetryPolicy& policy, int charged, double retry_after, double random);

} // namespace millrace
