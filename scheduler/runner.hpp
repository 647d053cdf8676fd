/// Drives the live runs of this node: performs what RunPlan decides, writes what changed, starts attempts when their record
/// is committed. It decides nothing about a run itself; its own matters are order among runs (overlap, priority), slots,
/// and chunks. One thread, no blocking call.
///
///     attempt_done --> RunPlan.finished --> next() decisions --> perform
///                                       --> take_changes()  --> journal.submit -- committed --> hosts.start
#pragma once

#include "scheduler/attempt_runner.hpp"
#include "scheduler/caused_runs.hpp"
#include "scheduler/clock.hpp"
#include "scheduler/event_hub.hpp"
#include "scheduler/fair_line.hpp"
#include "scheduler/live_run.hpp"
#include "scheduler/ports.hpp"

#include <boost/asio/io_context.hpp>

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <system_error>
#include <unordered_map>

namespace millrace {

/// Claims the slots of limits, all or none; `answer` comes on the loop, never from inside the call. Not granted also when the store is
/// away.
using ClaimSlots =
    std::function<void(std::int64_t run_id, TaskKey key, std::vector<SlotDemand> demands, std::function<void(SlotClaim)> answer)>;

/// Run ids without a round trip.
class RunIds {
public:
    virtual ~RunIds() = default;
    /// 0: none at hand, try again soon.
    [[nodiscard]] virtual std::int64_t take() = 0;
};

class Runner final : public AttemptListener {
public:
    struct Settings {
        std::string staging;
        std::uint64_t seed = std::random_device{}();
        int turn = 256;                   ///< decisions per turn of the loop: others get their turn too
        std::size_t most_backlog = 20000; ///< rows on their way to the store before runs wait
        std::string project{};            ///< folder in which commands run; empty: the one of their task run
        /// Why no task run may begin now; empty text: nothing is in the way. Empty function: nothing ever is.
        std::function<std::string()> short_of_disk{};
    };
    Runner(boost::asio::io_context& io, Clock& clock, Journal& journal, AttemptRunner& hosts, Connections& connections,
           CausedRuns& caused_runs, ClaimSlots claim_slots, RunIds& ids, EventHub& events, Settings settings);

    /// Takes a new run; its id, flow, params, interval and so on are set. `committed` and `refused` as in RunChanges; `committed` is
    /// called when it is known too whether the run begins, waits for others or is skipped.
    void admit(RunRow row, RunStart start, std::function<void()> committed, std::function<void(std::string, std::string)> refused);
    /// Takes runs that were live when their node ended, parents before children, oldest first.
    struct Resumed {
        RunRow row;
        std::shared_ptr<const FlowPlan> plan;
        std::vector<StoredTaskRun> task_runs;
        std::vector<RunRow> chunks; ///< its children so far
        std::vector<RunRow> called; ///< the runs that its `flow` tasks wait for
        Reused reused;              ///< what of it is not in its rows yet
        int warnings = 0;           ///< of its events so far
        RepeatedChunks repeated{};
    };
    void resume_all(std::vector<Resumed> runs);
    /// False: no new attempts begin (the lease runs out, the node stops); what is under way goes on.
    void set_admitting(bool on);
    [[nodiscard]] bool admitting() const { return admitting_; }

    /// Nothing when the run is not live here.
    [[nodiscard]] const LiveRun* find(std::int64_t run_id) const;
    /// Live here, or it will be when what causes it is committed: it may be in the store already.
    [[nodiscard]] bool knows(std::int64_t run_id) const { return live_.contains(run_id) || on_their_way_.contains(run_id); }
    [[nodiscard]] std::vector<std::int64_t> active(const std::string& flow) const;
    /// To be called each second or so: times that count (timeouts, delays of retries) go on as they were when the wall clock is set.
    void look_at_clock();
    [[nodiscard]] std::size_t live_count() const { return live_.size(); }
    [[nodiscard]] std::size_t attempts_under_way() const { return active_.size(); }
    [[nodiscard]] Json live_document(const LiveRun& run) const;
    /// As its row keeps it when it has ended: what it did so far.
    [[nodiscard]] static Json summary_of(const LiveRun& run);
    /// Of the attempt under way; null for none.
    [[nodiscard]] Json progress(std::int64_t run_id, TaskKey key) const;
    /// Of a task run, or with task -1 of the run as a whole, that waits here for a limit, a place of the node or other items of its task:
    /// for which, and who has it. Empty: it does not.
    [[nodiscard]] std::string why_it_waits(std::int64_t run_id, TaskKey key) const;
    [[nodiscard]] std::uint64_t completed_task_runs() const { return completed_; }

    /// Each false when the run is not live, or not in a state for it. `done` is called when it is committed (runner_requests.cpp).
    bool cancel(std::int64_t run_id, const std::string& message, std::function<void()> done);
    bool pause(std::int64_t run_id, const std::string& by, std::function<void()> done);
    bool resume(std::int64_t run_id, const std::string& by, std::function<void()> done);
    bool decide(std::int64_t run_id, int task, bool approved, const std::string& message, std::function<void()> done);

    /// `changed` hears of the flow of each run that expects something, after its state is committed.
    void watch_runs(std::function<void(const std::string& flow)> changed) { watch_ = std::move(changed); }
    /// `failed` is called when the failure of a run is committed whose schedule pauses after some.
    void watch_schedules(std::function<void()> failed) { schedule_failed_ = std::move(failed); }
    /// Shows a run of which nothing has begun as late, for this reason, or (empty) no more.
    void show_late(std::int64_t run_id, const std::string& why);

    void attempt_progress(const AttemptProgress& progress) override;
    void attempt_event(const AttemptEvent& event) override;
    void attempt_done(AttemptDone done) override;

    [[nodiscard]] std::string new_uuid();
    [[nodiscard]] boost::asio::any_io_executor executor() { return io_.get_executor(); }

private:
    enum Kind { ExtractKind, SqlKind, RunKind, Kinds }; ///< by the hosts' places; Kinds: a whole run, which needs none
    struct Active {
        std::int64_t run_id;
        TaskKey key;
        Kind kind;
        AttemptOrder order; ///< emptied when it is handed over
        bool started = false, stop = false, reserved = true;
        std::error_code no_folder;
        AttemptProgress progress;
    };
    struct Waiting {
        std::int64_t run_id;
        TaskKey key;
        bool has_slots;
    };

    /// Those who wait here for the slots of a limit. One of them asks at a time.
    struct SlotLine {
        std::array<FairLine<Waiting>, Kinds + 1> waiting; ///< by Kind, which take turns
        std::size_t size = 0, last = 0;
        bool asking = false;
        std::uint64_t asked_at = 0; ///< `slot_news_` when the last one asked in vain
        std::string holders;        ///< as the store told then
    };
    enum class Joins { First, Last };

    LiveRun* live(std::int64_t run_id);
    void begin(LiveRun& run);
    void begin_tasks(LiveRun& run);
    [[nodiscard]] std::string paused_with(const LiveRun& run) const;
    bool step(LiveRun& run);
    void follow(LiveRun& run);
    void pump(std::int64_t run_id);
    static void then(LiveRun& run, std::function<void()> done);
    void perform(LiveRun& run, const Decision& decision);
    void start_own(LiveRun& run, TaskKey key);
    void ask_host(LiveRun& run, int task, bool items);
    void take_answer(std::int64_t run_id, int task, bool items, EvaluateReply reply);
    void drop_questions(LiveRun& run);
    void take_items(LiveRun& run);
    void take_rows(LiveRun& run, const std::vector<TaskKey>& changed);
    void record(LiveRun& run);
    void record_row(LiveRun& run);
    void committed(std::int64_t run_id, const std::vector<OrderId>& to_start, const std::vector<TaskKey>& changed, bool run_changed,
                   bool over);
    void refused(std::int64_t run_id, const std::string& sqlstate, const std::string& message);
    void stop_attempts(LiveRun& run);
    void park(LiveRun& run);
    void retire(std::int64_t run_id);
    void forget(std::unique_ptr<RunPlan> machine);
    void arm(LiveRun& run);
    void soon(std::int64_t run_id);
    void event(LiveRun& run, const std::string& task, const std::string& kind, const std::string& message, Json details);

    // Runs of a flow that wait for each other (runner_line.cpp).
    [[nodiscard]] static bool takes_turns(const LiveRun& run);
    [[nodiscard]] static bool may_ask(const LiveRun& run);
    void await_turn(LiveRun& run, const std::vector<std::int64_t>& others, std::function<void()> decided);
    void place_in_line(const RunRow& row);
    std::shared_ptr<LineClaim> claim_line(LiveRun& run);
    void leave_line(LiveRun& run);
    void stored_in_line(const LiveRun& run);
    void ask_for_line(const std::string& flow);
    void ask_again_soon(const std::string& flow);
    void line_answered(const LineClaim& claim);
    void line_not_asked(const LineClaim& claim);
    void end_skipped(LiveRun& run, std::int64_t other);
    void cancel_previous(const std::string& flow);
    [[nodiscard]] std::string why_queued(const LiveRun& run) const;
    [[nodiscard]] std::string waits_for_a_person(std::int64_t run_id) const;

    // Attempts (runner_attempts.cpp).
    void enqueue(LiveRun& run, TaskKey key, bool has_slots);
    void dispatch();
    void start_attempt(LiveRun& run, TaskKey key);
    void tell_in_log(const LiveRun& run, TaskKey key, const OrderError& error) const;
    void end_waiting_attempt(LiveRun& run, TaskKey key, State state, const OrderError& error);
    void stop_between_polls(LiveRun& run, TaskKey key);
    void hand_over(OrderId id);
    void make_folders(OrderId id);
    void remove_folder(const RunRow& row) const;
    [[nodiscard]] bool has_place(Kind kind) const;

    // Slots (runner_slots.cpp).
    [[nodiscard]] static Kind kind_of(const LiveRun& run, TaskKey key);
    [[nodiscard]] static double weight_of(const LiveRun& run);
    [[nodiscard]] static std::vector<SlotDemand> demands_of(const LiveRun& run, TaskKey key);
    [[nodiscard]] static bool wants_slots(const LiveRun* run, TaskKey key);
    void ask_for_slots(LiveRun& run, TaskKey key, const std::vector<SlotDemand>& demands);
    void join_line(LiveRun& run, TaskKey key, const std::string& limit, Joins place);
    void ask_in_lines();
    void return_what_waiters_hold();
    void poll_slots();
    bool claim(LiveRun& run, TaskKey key, const std::vector<SlotDemand>& demands, const std::string& line);
    void answered(std::int64_t run_id, TaskKey key, const std::vector<SlotDemand>& demands, const std::string& line, std::uint64_t asked_at,
                  const SlotClaim& slots);
    void use_slots(LiveRun& run, TaskKey key);
    void retry_claims();
    void release(LiveRun& run, TaskKey key);
    void give_back(std::int64_t run_id, std::vector<TaskKey> keys);
    void give_back(std::int64_t run_id, TaskKey key) { give_back(run_id, std::vector{key}); }
    void fail_unstarted(LiveRun& run, TaskKey key, const OrderError& error);
    [[nodiscard]] bool waits_for_disk();
    void hold_for_disk(const std::string& shortage);

    // Runs that this one causes (runner_calls.cpp).
    void call_flow(LiveRun& run, TaskKey key);
    void admit_caused(CausedRun caused);
    void stop_call(std::int64_t run_id, std::int64_t caller);
    void leave_calls(LiveRun& run);
    void call_ended(const RunRow& called);
    void resume_calls(LiveRun& run, const std::vector<RunRow>& called);
    bool find_what_its_end_starts(LiveRun& run);

    // Runs in chunks (runner_chunks.cpp).
    [[nodiscard]] static bool cut_into_chunks(LiveRun& run);
    void resume_one(Resumed& resumed);
    void resume_parent(LiveRun& run, const std::vector<RunRow>& chunks);
    void begin_chunks(LiveRun& run);
    void begin_chunk(LiveRun& run, std::int64_t id);
    void tell_chunks(LiveRun& run);
    static void count_chunk(LiveRun& parent, const RunRow& child);
    void chunk_ended(LiveRun& parent, const LiveRun& child);
    bool hold_chunks(LiveRun& run, bool paused, const std::string& by, std::function<void()> done);
    void end_parent(LiveRun& parent, State state, const std::string& name, const std::string& message);

    boost::asio::io_context& io_;
    Clock& clock_;
    Journal& journal_;
    AttemptRunner& hosts_;
    Connections& connections_;
    CausedRuns& caused_runs_;
    ClaimSlots claim_slots_;
    RunIds& ids_;
    EventHub& events_;
    std::function<void(const std::string&)> watch_;
    std::function<void()> schedule_failed_;
    const Settings settings_;
    std::mt19937_64 random_;
    std::chrono::microseconds wall_offset_; ///< of the clock, when it was looked at last

    std::map<std::int64_t, LiveRun> live_;
    std::map<std::string, std::vector<std::int64_t>> by_flow_; ///< live runs in order, chunks and backfills left out
    std::set<std::string> denied_;                             ///< flows of which the first run here asks again at the next poll
    bool line_poll_ = false;
    std::unordered_map<OrderId, Active> active_;
    OrderId last_order_ = 0;
    std::array<FairLine<Waiting>, Kinds> waiting_;
    std::array<int, Kinds> reserved_{}; ///< recorded, not yet handed to hosts_
    using Who = std::pair<std::int64_t, TaskKey>;
    std::map<std::string, SlotLine> lines_;                              ///< by limit
    std::map<Who, const std::pair<const std::string, SlotLine>*> waits_; ///< in which line
    std::map<Who, std::vector<SlotDemand>> without_slots_; ///< the answer to their claim was lost, or a release has to be done first
    std::set<Who> slots_moving_;                           ///< a claim or a release is on its way: no other may meet it
    std::set<Who> slotted_;                                ///< in `waiting_` with their slots
    std::set<Who> without_id_;                             ///< calls that have their slots, and no number for their run yet
    std::map<std::int64_t, Who> left_calls_; ///< called by runs that are not written any more, which have slots until they end
    std::array<int, Kinds> slotted_of_{};
    std::array<int, Kinds + 1> claiming_{};
    std::uint64_t slot_news_ = 1;       ///< raised when a slot was freed, or may have been
    std::vector<Waiting> without_disk_; ///< taken from waiting_, and shown so
    bool slot_poll_ = false;
    int polls_ = 0;
    std::set<std::int64_t> on_their_way_; ///< runs that are caused by what is not committed yet
    std::set<std::int64_t> stalled_;      ///< wait for the journal
    std::set<std::int64_t> woken_;        ///< a turn is posted for them
    bool admitting_ = true;
    std::uint64_t completed_ = 0;
};

} // namespace millrace
