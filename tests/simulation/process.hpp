/// One life of a node's daemon: the real Runner, wired as scheduler/engine.cpp does it, over the world's clock, store and
/// hosts. Everything in it is lost when it dies.
#pragma once

#include "fake_hosts.hpp"
#include "memory_journal.hpp"
#include "scheduler/schedules.hpp"
#include "world.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace millrace::test {

/// The clock of the process's machine: its timers die with the process, and are late when it was frozen.
class ProcessClock final : public Clock {
public:
    explicit ProcessClock(Process& process) : process_(process) {}
    [[nodiscard]] Instant now() const override;
    [[nodiscard]] std::chrono::microseconds uptime() const override;
    TimerId call_at(Instant at, std::function<void()> action) override;
    TimerId call_after(std::chrono::microseconds time, std::function<void()> action) override;
    void cancel(TimerId id) override { waiting_.erase(id); }
    /// Alarms of the wall clock ring when it shows their time, within a second.
    void was_set();

private:
    struct Alarm {
        std::optional<Instant> at; ///< of the wall clock; nothing: when so much time has passed
        int set = 0;               ///< how often it was set: the former ones do not count
        std::function<void()> action;
    };
    TimerId add(std::optional<Instant> at, std::chrono::microseconds in, std::function<void()> action);
    void set(TimerId id, std::chrono::microseconds in);

    Process& process_;
    TimerId last_ = 0;
    std::map<TimerId, Alarm> waiting_;
};

/// Now and then the next ones are still on their way. Those of a store that went back are not taken, and used up by being asked for.
class Counter final : public RunIds {
public:
    explicit Counter(World& world) : world_(world) {}
    [[nodiscard]] std::int64_t take() override {
        auto& stored = world_.store.last_run_id;
        const bool went_back = stored < last_;
        if (went_back) stored = std::min(last_, stored + run_id_block);
        if (went_back || world_.chance() < 0.05) return 0;
        return last_ = ++stored;
    }

private:
    World& world_;
    std::int64_t last_ = 0;
};

/// The verbs of Store that Schedules uses.
class MemorySchedules final : public ScheduleStore {
public:
    explicit MemorySchedules(Process& process) : process_(process) {}
    [[nodiscard]] boost::asio::awaitable<std::vector<StoredSchedule>> schedules() override;
    [[nodiscard]] boost::asio::awaitable<void> set_next(std::vector<StoredSchedule> schedules) override;
    [[nodiscard]] boost::asio::awaitable<void> bring_back(std::vector<StoredSchedule> schedules) override;
    [[nodiscard]] boost::asio::awaitable<std::vector<std::optional<Next>>>
    next_of(std::vector<std::pair<std::string, int>> schedules) override;

private:
    Process& process_;
};

class NoConnections final : public Connections {
public:
    [[nodiscard]] Json resolve(const std::string& name) override { return {{"type", name}}; }
};

class Process {
public:
    Process(World& world, int node, int life);
    void start();
    [[nodiscard]] bool is_up() const { return up_ && !killed_; }
    [[nodiscard]] bool is_idle() const { return is_up() && runner_->live_count() == 0 && calls_ == 0 && journal_->is_idle(); }
    /// One handler of the loop. False: there is none.
    bool poll_one() { return io_.restart(), io_.poll_one() > 0; }

    void admit(RunRow row, std::shared_ptr<const FlowPlan> plan);
    [[nodiscard]] std::int64_t new_run_id() { return ids_.take(); }
    [[nodiscard]] const FlowPlan& plan_of(std::int64_t run_id) const { return *runner_->find(run_id)->start.plan; }
    void catalogue_changed();
    void fill_catalogue();
    void clock_was_set() { clock_.was_set(); }
    /// What is decided about an instant now may be decided so.
    void check_firing(const RunChanges& changes);
    /// The store has forgotten what this process was told that it has, which has not noticed yet: it may do anything.
    [[nodiscard]] bool is_ahead_of_the_store() const;
    bool cancel(std::int64_t run_id) { return runner_->cancel(run_id, "by the test", {}); }
    void pause(std::int64_t run_id) { (void)runner_->pause(run_id, "the test", {}); }
    void resume(std::int64_t run_id) { (void)runner_->resume(run_id, "the test", {}); }

    [[nodiscard]] World& world() { return world_; }
    [[nodiscard]] int node() const { return node_; }
    [[nodiscard]] int life() const { return life_; }
    [[nodiscard]] Epoch epoch() const { return epoch_; }
    /// Of the store, behind what was acknowledged without the journal.
    [[nodiscard]] std::int64_t wal() const { return wal_; }
    [[nodiscard]] Instant now() const { return world_.wall(node_); }
    /// Of the store's clock, and of CLOCK_BOOTTIME.
    [[nodiscard]] Instant true_time() const { return world_.clock.now(); }
    void trace(const std::string& what) const { world_.trace(node_, what); }
    void post(std::function<void()> action) { boost::asio::post(io_, std::move(action)); }
    void later(double seconds, std::function<void()> action);
    /// Once, as the journal does.
    void transact(const char* what, std::function<void()> work, std::function<void(bool)> answer) {
        world_.transact(*this, what, std::move(work), std::move(answer));
    }
    /// As Database::run does: tried again for a while. `answer` gets nothing when the store cannot be reached.
    template <class Result>
    void call(const char* what, std::function<Result()> work, std::function<void(std::optional<Result>)> answer, int tries = 0);
    /// The same for coroutines: throws Refusal{Unavailable}.
    template <class Result>
    [[nodiscard]] boost::asio::awaitable<Result> ask(const char* what, std::function<Result()> work);

private:
    using Then = std::function<void(bool)>;
    void take_over(Then then);
    /// At once; they are given back through the journal.
    void claim_slots(std::int64_t run_id, TaskKey key, std::vector<SlotDemand> demands, std::function<void(SlotClaim)> answer);
    void beat();
    void look_at_others();
    void answer_requests();
    void look_at_nodes(const std::function<void()>& then = {});
    void end(const std::optional<Return>& lost);

    World& world_;
    const int node_, life_;
    boost::asio::io_context io_;
    Instant started_{};
    Epoch epoch_ = 0;
    ProcessClock clock_;
    FakeHosts hosts_;
    Counter ids_;
    MemorySchedules schedule_store_;
    Catalogue catalogue_;
    NoConnections connections_;
    CausedRuns caused_runs_;
    EventHub events_;
    std::unique_ptr<MemoryJournal> journal_;
    std::unique_ptr<Runner> runner_;
    std::unique_ptr<Schedules> schedules_;
    std::map<std::uint64_t, std::function<void()>> unanswered_; ///< coroutines that wait for the store; they end with us
    std::uint64_t last_question_ = 0;
    bool up_ = false, killed_ = false, looking_ = false, answering_ = false;
    int beats_ = 0, calls_ = 0;
    std::int64_t wal_ = 0;
    std::set<MemoryStore::FiringKey> decided_; ///< instants that this life has fired
};

template <class Result>
void Process::call(const char* what, std::function<Result()> work, std::function<void(std::optional<Result>)> answer, int tries) {
    auto result = std::make_shared<std::optional<Result>>();
    if (tries == 0) ++calls_;
    auto wal = std::make_shared<std::int64_t>(0);
    transact(
        what, [result, work, wal, &store = world_.store] { *result = work(), *wal = store.position.wal; },
        [this, what, work, answer, tries, result, wal](bool heard) {
            if (heard) wal_ = std::max(wal_, *wal);
            if (!heard && tries < 20) return later(tries == 0 ? 0.001 : 0.1, [=, this] { call(what, work, answer, tries + 1); });
            --calls_;
            answer(heard ? std::move(*result) : std::nullopt);
        });
}

template <class Result>
boost::asio::awaitable<Result> Process::ask(const char* what, std::function<Result()> work) {
    using Signature = void(std::exception_ptr, Result);
    auto start = [this, what, work = std::move(work)](auto handler) {
        auto kept = std::make_shared<decltype(handler)>(std::move(handler));
        auto result = std::make_shared<std::optional<Result>>();
        const auto id = ++last_question_;
        unanswered_[id] = [kept, result] {
            const auto why = std::make_exception_ptr(Refusal(Refusal::Kind::Unavailable, "the store cannot be reached"));
            (*kept)(*result ? nullptr : why, result->value_or(Result{}));
        };
        call<Result>(what, work, [this, id, result = result.get()](std::optional<Result> answer) {
            *result = std::move(answer);
            auto resume = std::move(unanswered_.at(id));
            unanswered_.erase(id);
            resume();
        });
    };
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, Signature>(std::move(start), boost::asio::use_awaitable);
}

} // namespace millrace::test
