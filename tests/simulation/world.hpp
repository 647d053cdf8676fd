/// A world for simulations: a fake clock, a store in memory, hosts, a target, and nodes that are killed, freeze and lose the
/// store, all from one seed. It knows nothing of runs: nodes (process.hpp) drive them, the store and the hosts check them.
#pragma once

#include "faults.hpp"
#include "memory_store.hpp"
#include "scheduler/backfill.hpp"
#include "scheduler/clock.hpp"

#include <memory>
#include <optional>
#include <random>

namespace millrace::test {

class Process;

/// A host at work on an attempt. It is a process of its own: it goes on while its daemon is frozen.
struct HostRun {
    int node = 0, life = 0;
    Epoch epoch = 0;
    OrderId order = 0;
    std::int64_t run_id = 0;
    TaskKey key;
    int attempt = 0;
    std::vector<SlotDemand> limits;
    std::string run_key, batch;
    int line = 0; ///< World::line() when it began
};

/// Where loads go: a store of its own, which forgets nothing. Its ledger is part of the data's transaction: the same batch does
/// nothing twice.
struct Target {
    std::set<std::string> ledger;                           ///< batches
    std::map<std::pair<std::string, TaskKey>, int> effects; ///< by the run's key
    void load(const std::string& batch, const std::string& run_key, TaskKey key) {
        if (ledger.insert(batch).second) ++effects[{run_key, key}];
    }
};

class World {
public:
    World(std::uint64_t seed, Faults faults, int nodes = 1, Instant start = FakeClock().now());
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // What happens.
    /// One event.
    void step();
    void run_to_the_end();
    /// A flow with its schedules, from now on.
    void deploy(FlowPlan plan);
    /// What of the past every node forgets when the store does: as of now, put back `seconds` later.
    void forget_soon(double seconds, bool new_timeline);
    /// A new run on a node that is up; its id, or 0 when none is.
    std::int64_t trigger(FlowPlan plan, const std::optional<Backfill>& backfill = {});
    /// The same for what of an ended run did not complete.
    std::int64_t rerun(std::int64_t run_id);
    /// False: nobody took it.
    bool cancel(std::int64_t run_id);
    void kill(int node);
    /// A daemon that ends by itself.
    void kill_soon(int node, int life, const char* why);

    // What processes ask of the world.
    double chance() { return std::uniform_real_distribution<>(0, 1)(random); }
    Epoch new_epoch() { return (random() & ~0xffULL) | 1; }
    void later(double seconds, std::function<void()> action);
    /// Calls `action` in that life of the node: never after its end, and not while it is frozen.
    void in_life(int node, int life, std::function<void()> action);
    /// A transaction on its way to the store: `work` is done there, or not; `answer` says whether its end was heard.
    /// `line`: of the connection, where it is an old one.
    void transact(const Process& process, const char* what, std::function<void()> work, std::function<void(bool)> answer,
                  std::optional<int> line = {});
    /// Of connections that are made now: a store that fails over ends all earlier ones.
    [[nodiscard]] int line() const { return line_; }
    /// What the clock of a node's machine shows.
    [[nodiscard]] Instant wall(int node) const { return clock.now() + nodes_[static_cast<std::size_t>(node)].clock_ahead; }
    /// By more than a minute, within the last 10 s, and after `since`.
    [[nodiscard]] bool clock_is_being_set(int node, Instant since) const;
    [[nodiscard]] bool is_alive(int node, int life) const;
    [[nodiscard]] bool nothing_excuses_a_lost_epoch() const {
        return faults.node_freezes == 0 && faults.store_away == 0 && faults.commit_slow == 0 && faults.store_forgets == 0;
    }
    /// A broken invariant that is found where the engine would take it for a failure of its own: told at the next step.
    void fails(const std::string& what) { failure_ = failure_.empty() ? what : failure_; }
    [[nodiscard]] bool is_tracing() const { return tracing_; }
    void trace(int node, const std::string& what) const;

    FakeClock clock;
    std::mt19937_64 random;
    Faults faults;
    MemoryStore store;
    std::set<std::string> deployed; ///< hashes of plans
    Target target;
    std::map<std::uint64_t, HostRun> hosts;
    std::uint64_t last_host = 0;
    int deaths = 0, freezes = 0, adoptions = 0, jumps = 0, forgot = 0, noticed = 0; ///< noticed: by a node, that history is lost
    std::int64_t last_key = 0;

private:
    struct Node {
        std::unique_ptr<Process> process;
        int life = 0;
        Instant frozen_until{};
        std::chrono::microseconds clock_ahead{0}, ahead_before{0}; ///< before it was set within the last 10 s
        Instant clock_set_at{};
    };
    [[nodiscard]] bool faults_happen() const { return clock.now() < calm_after_; }
    [[nodiscard]] std::string what_lives() const;
    Process* one_that_is_up();
    void boot(int node);
    void let_something_fail();
    void set_clock(int node);
    void a_person_acts();
    void check_the_end() const;

    std::vector<Node> nodes_;
    const Instant calm_after_, deadline_;
    Instant away_until_{};
    std::string failure_;
    bool lagging_ = false; ///< the store will forget what is written now
    int line_ = 0;
    std::size_t turn_ = 0;
    const bool tracing_;
};

} // namespace millrace::test
