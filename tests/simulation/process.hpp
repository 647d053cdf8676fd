/// One life of a node's daemon: the real Runner, wired as scheduler/engine.cpp does it, over the world's clock, store and
/// hosts. Everything in it is lost when it dies.
#pragma once

#include "fake_hosts.hpp"
#include "memory_journal.hpp"
#include "world.hpp"

#include <boost/asio/post.hpp>

namespace millrace::test {

/// The world's clock as one process sees it: its timers die with it, and are late when it was frozen.
class ProcessClock final : public Clock {
public:
    explicit ProcessClock(Process& process) : process_(process) {}
    [[nodiscard]] Instant now() const override;
    [[nodiscard]] std::chrono::microseconds uptime() const override { return now().time_since_epoch(); }
    TimerId call_at(Instant at, std::function<void()> action) override;
    void cancel(TimerId id) override { waiting_.erase(id); }

private:
    Process& process_;
    TimerId last_ = 0;
    std::set<TimerId> waiting_;
};

class Counter final : public RunIds {
public:
    explicit Counter(std::int64_t& last) : last_(last) {}
    [[nodiscard]] std::int64_t take() override { return ++last_; }

private:
    std::int64_t& last_;
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
    bool cancel(std::int64_t run_id) { return runner_->cancel(run_id, "by the test", {}); }
    void pause(std::int64_t run_id) { (void)runner_->pause(run_id, "the test", {}); }
    void resume(std::int64_t run_id) { (void)runner_->resume(run_id, "the test", {}); }

    [[nodiscard]] World& world() { return world_; }
    [[nodiscard]] int node() const { return node_; }
    [[nodiscard]] int life() const { return life_; }
    [[nodiscard]] Epoch epoch() const { return epoch_; }
    [[nodiscard]] Instant now() const { return world_.clock.now(); }
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

private:
    using Then = std::function<void(bool)>;
    void take_over(Then then);
    /// At once; they are given back through the journal.
    void claim_slots(std::int64_t run_id, TaskKey key, std::vector<SlotDemand> demands, std::function<void(SlotClaim)> answer);
    void beat();
    void look_at_others();
    void lost();

    World& world_;
    const int node_, life_;
    boost::asio::io_context io_;
    Epoch epoch_ = 0;
    ProcessClock clock_;
    FakeHosts hosts_;
    Counter ids_;
    NoConnections connections_;
    CausedRuns caused_runs_;
    EventHub events_;
    std::unique_ptr<MemoryJournal> journal_;
    std::unique_ptr<Runner> runner_;
    bool up_ = false, killed_ = false, looking_ = false;
    int beats_ = 0, calls_ = 0;
};

template <class Result>
void Process::call(const char* what, std::function<Result()> work, std::function<void(std::optional<Result>)> answer, int tries) {
    auto result = std::make_shared<std::optional<Result>>();
    if (tries == 0) ++calls_;
    transact(
        what, [result, work] { *result = work(); },
        [this, what, work, answer, tries, result](bool heard) {
            if (!heard && tries < 20) return later(tries == 0 ? 0.001 : 0.1, [=, this] { call(what, work, answer, tries + 1); });
            --calls_;
            answer(heard ? std::move(*result) : std::nullopt);
        });
}

} // namespace millrace::test
