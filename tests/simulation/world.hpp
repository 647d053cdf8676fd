/// A world for simulations: a fake clock, hosts that work, fail, hang and die by a seed, a store in memory whose commits
/// take time, and a daemon that can be killed between any two events. It checks what must never happen while it goes on.
#pragma once

#include "../scheduler/plan_text.hpp"
#include "scheduler/runner.hpp"

#include <boost/asio/io_context.hpp>

#include <filesystem>
#include <map>
#include <random>
#include <stdexcept>

namespace millrace::test {

struct Faults {
    double host_fails = 0.1, host_dies = 0.05, host_hangs = 0.02;
    double daemon_dies = 0.0; ///< at each event
};

/// What is durable. It outlives daemons.
struct MemoryStore {
    struct Task {
        TaskRunRow row;
        std::string value;
    };
    std::map<std::int64_t, RunRow> runs;
    std::map<std::pair<std::int64_t, TaskKey>, Task> tasks;
    std::map<std::tuple<std::int64_t, TaskKey, int>, State> attempts;

    void apply(const RunChanges& c);
};

[[noreturn]] inline void broken(const std::string& what) { throw std::logic_error("broken invariant: " + what); }

inline void MemoryStore::apply(const RunChanges& c) {
    const auto name = [&](TaskKey k) {
        return "run " + std::to_string(c.run_id) + " task " + std::to_string(k.task) + "[" + std::to_string(k.item) + "]";
    };
    if (c.new_run && !runs.emplace(c.run_id, *c.new_run).second) broken("run inserted twice");
    for (const auto& row : c.task_runs) {
        auto [at, fresh] = tasks.try_emplace({c.run_id, row.key});
        if (fresh != row.is_new) broken(name(row.key) + (fresh ? " updated before its insert" : " inserted twice"));
        if (!fresh && is_final(at->second.row.state)) broken(name(row.key) + " changed after its final state");
        at->second.row = row;
        if (row.is_new) at->second.value = row.value;
        if (is_final(row.state) != row.finished_at.has_value()) broken(name(row.key) + ": final if and only if finished");
    }
    for (const auto& a : c.begun)
        if (!attempts.emplace(std::tuple(c.run_id, a.key, a.number), State::Running).second)
            broken(name(a.key) + ": the same attempt twice");
    for (const auto& a : c.ended) {
        auto& state = attempts.at({c.run_id, a.key, a.number});
        if (state != State::Running) broken(name(a.key) + ": an attempt ended twice");
        state = a.state;
    }
    if (c.run) {
        auto& run = runs.at(c.run_id);
        if (is_final(run.state)) broken("run " + std::to_string(c.run_id) + " changed after its final state");
        run = *c.run;
    }
}

class World;

/// Commits one group at a time, each after a while.
class MemoryJournal final : public Journal {
public:
    MemoryJournal(World& world) : world_(world) {}
    void submit(RunChanges changes) override;
    [[nodiscard]] std::size_t backlog() const override { return gathering_.size(); }

private:
    void commit();
    World& world_;
    std::vector<RunChanges> gathering_, writing_;
    bool busy_ = false;
};

class FakeHosts final : public AttemptRunner {
public:
    FakeHosts(World& world) : world_(world) {}
    void listen(AttemptListener& listener) override { listener_ = &listener; }
    [[nodiscard]] int free_places(const std::string&) const override { return 4 - static_cast<int>(running_.size()); }
    void start(AttemptOrder order) override;
    void cancel(OrderId id) override;
    void kill_all() override {}
    void evaluate(EvaluateOrder order, std::function<void(EvaluateReply)> answer) override;
    void infer(InferOrder, std::function<void(InferReply)>) override {}

private:
    void end(OrderId id, const std::string& outcome, const std::string& error_class);
    World& world_;
    AttemptListener* listener_ = nullptr;
    std::map<OrderId, AttemptOrder> running_;
};

/// Slots in memory; a claim is answered a little later.
class FakeSlots final : public Slots {
public:
    FakeSlots(World& world) : world_(world) {}
    void claim(std::int64_t run_id, TaskKey key, std::vector<SlotDemand> demands, std::function<void(bool)> answer) override;
    void release(std::int64_t run_id, TaskKey key) { held_.erase({run_id, key}); }

private:
    World& world_;
    std::map<std::pair<std::int64_t, TaskKey>, int> held_;
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

/// The world's clock as one process sees it: its timers die with it.
class MortalClock final : public Clock {
public:
    explicit MortalClock(World& world) : world_(world) {}
    [[nodiscard]] Instant now() const override;
    [[nodiscard]] std::chrono::microseconds uptime() const override { return now().time_since_epoch(); }
    TimerId call_at(Instant at, std::function<void()> action) override;
    void cancel(TimerId id) override;

private:
    World& world_;
};

/// The process: everything in it is lost when it dies.
struct Daemon {
    explicit Daemon(World& world);
    MortalClock clock;
    MemoryJournal journal;
    FakeHosts hosts;
    FakeSlots slots;
    Counter ids;
    NoConnections connections;
    EventHub events;
    Runner runner;
};

class World {
public:
    World(std::uint64_t seed, Faults f) : random(seed), faults(f) { boot(); }

    double chance() { return std::uniform_real_distribution<>(0, 1)(random); }
    /// `action` after `seconds`, unless the daemon dies before.
    void later(double seconds, std::function<void()> action) {
        clock.call_at(clock.now() + std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)),
                      [this, life = life, action = std::move(action)] {
                          if (life == this->life) action();
                      });
    }
    void trigger(std::shared_ptr<const FlowPlan> plan) {
        RunRow row;
        row.id = ++last_id;
        row.flow = plan->name;
        row.staging_id = daemon->runner.new_uuid();
        row.created_at = clock.now();
        plans[row.id] = plan;
        RunStart start;
        start.plan = plan;
        (void)daemon->runner.admit(std::move(row), std::move(start), {}, {});
    }
    /// One event. False: nothing is left to happen.
    bool step() {
        io.restart();
        if (io.poll_one() > 0) return maybe_die(), true;
        const auto next = clock.next();
        if (!next) return false;
        if (*next > deadline) broken("a run never ends");
        clock.advance_to(*next);
        return maybe_die(), true;
    }
    void run_to_the_end() {
        while (step()) {
        }
        for (const auto& [id, run] : store.runs)
            if (!is_final(run.state)) broken("run " + std::to_string(id) + " is " + run.state_name + " and nothing happens [stuck]");
        for (const auto& [key, task] : store.tasks)
            if (!is_final(task.row.state)) broken("a task run is " + std::string(task.row.state_name) + " in a run that ended");
        for (const auto& [key, state] : store.attempts)
            if (state == State::Running) broken("an attempt was never ended");
    }
    void kill_daemon() {
        io.restart();
        while (io.poll() > 0) io.restart(); // what is posted refers to the daemon: it happens just before its end
        ++life;
        ++deaths;
        daemon.reset();
        boot();
    }

    boost::asio::io_context io;
    FakeClock clock;
    std::mt19937_64 random;
    Faults faults;
    MemoryStore store;
    std::map<std::int64_t, std::shared_ptr<const FlowPlan>> plans;
    std::int64_t last_id = 0;
    static constexpr int most_deaths = 100; ///< then it may finish
    int life = 0, deaths = 0, commits = 0;
    Instant deadline = FakeClock().now() + std::chrono::days(365);
    std::unique_ptr<Daemon> daemon;

private:
    void maybe_die() {
        if (deaths < most_deaths && chance() < faults.daemon_dies) kill_daemon();
    }
    void boot();
};

inline Daemon::Daemon(World& w)
    : clock(w), journal(w), hosts(w), slots(w), ids(w.last_id),
      runner(w.io, clock, journal, hosts, connections, slots, ids, events,
             {std::filesystem::temp_directory_path() / "millrace-simulation", w.random(), 7, 50}) {}

inline Instant MortalClock::now() const { return world_.clock.now(); }
inline void MortalClock::cancel(TimerId id) { world_.clock.cancel(id); }
inline Clock::TimerId MortalClock::call_at(Instant at, std::function<void()> action) {
    return world_.clock.call_at(at, [&world = world_, life = world_.life, action = std::move(action)] {
        if (life == world.life) action();
    });
}

inline void World::boot() {
    daemon = std::make_unique<Daemon>(*this);
    std::vector<Runner::Resumed> runs;
    for (const auto& [id, row] : store.runs) {
        if (is_final(row.state)) continue;
        Runner::Resumed r;
        r.row = row;
        r.plan = plans.at(id);
        for (const auto& [key, task] : store.tasks) {
            if (key.first != id) continue;
            StoredTaskRun s;
            s.key = key.second;
            s.run.state = task.row.state, s.run.state_name = task.row.state_name;
            s.run.attempts = task.row.attempts, s.run.charged = task.row.charged;
            s.run.started_at = task.row.started_at, s.run.finished_at = task.row.finished_at, s.run.due_at = task.row.due_at;
            if (!task.value.empty()) s.run.detail().value = Json::parse(task.value);
            r.task_runs.push_back(std::move(s));
        }
        runs.push_back(std::move(r));
    }
    daemon->runner.resume_all(std::move(runs));
}

inline void MemoryJournal::submit(RunChanges changes) {
    gathering_.push_back(std::move(changes));
    if (!std::exchange(busy_, true)) world_.later(0.0005 + 0.002 * world_.chance(), [this] { commit(); });
}

inline void MemoryJournal::commit() {
    writing_ = std::exchange(gathering_, {});
    ++world_.commits;
    for (const auto& c : writing_) world_.store.apply(c);
    busy_ = false;
    // The answer takes a moment too: a crash here has committed what nobody heard of.
    auto answer = [this, writing = std::move(writing_)] {
        for (const auto& c : writing) {
            for (const auto key : c.released) world_.daemon->slots.release(c.run_id, key);
            if (c.committed) c.committed();
        }
    };
    world_.later(0.0001, std::move(answer));
}

inline void FakeHosts::start(AttemptOrder order) {
    const OrderId id = order.id;
    TaskKey key;
    const auto run_id = order.context.run_id;
    const auto& tasks = world_.plans.at(run_id)->tasks;
    for (std::size_t i = 0; i < tasks.size(); ++i)
        if (tasks[i].name == order.task) key.task = static_cast<int>(i);
    if (!order.item.is_null()) key.item = order.item.get<int>();
    const auto at = world_.store.attempts.find({run_id, key, order.attempt});
    if (at == world_.store.attempts.end() || at->second != State::Running)
        broken("task " + order.task + " started before its record was durable");
    if (world_.store.tasks.at({run_id, key}).row.state == State::Completed) broken("task " + order.task + " runs again after it completed");
    running_.emplace(id, std::move(order));
    const double dice = world_.chance(), seconds = 0.01 + 20 * world_.chance();
    const auto& f = world_.faults;
    if (dice < f.host_hangs) return;
    const bool dies = dice < f.host_hangs + f.host_dies, fails = dice < f.host_hangs + f.host_dies + f.host_fails;
    world_.later(seconds, [this, id, dies, fails] { end(id, dies || fails ? "failed" : "completed", dies ? "crashed" : "transient"); });
}

inline void FakeHosts::cancel(OrderId id) {
    world_.later(world_.chance(), [this, id] { end(id, "cancelled", "cancelled"); });
}

inline void FakeHosts::end(OrderId id, const std::string& outcome, const std::string& error_class) {
    if (running_.erase(id) == 0) return;
    AttemptDone done;
    done.id = id;
    done.outcome = outcome;
    if (outcome != "completed") done.error = OrderError{error_class, "simulated", {}, 0};
    listener_->attempt_done(std::move(done));
}

inline void FakeHosts::evaluate(EvaluateOrder order, std::function<void(EvaluateReply)> answer) {
    const bool items = order.max_rows > 1;
    world_.later(0.02, [items, answer = std::move(answer)] {
        EvaluateReply reply;
        if (items)
            for (int i = 0; i < 5; ++i) reply.rows.push_back(i);
        else
            reply.rows.push_back({{"holds", true}});
        answer(std::move(reply));
    });
}

inline void FakeSlots::claim(std::int64_t run_id, TaskKey key, std::vector<SlotDemand> demands, std::function<void(bool)> answer) {
    world_.later(0.001, [this, run_id, key, demands, answer = std::move(answer)] {
        const bool granted = held_.size() < 2;
        if (granted) held_[{run_id, key}] = demands.front().slots;
        answer(granted);
    });
}

} // namespace millrace::test
