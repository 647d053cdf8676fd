#include "process.hpp"

#include <filesystem>

namespace millrace::test {
Instant ProcessClock::now() const { return process_.now(); }

Clock::TimerId ProcessClock::call_at(Instant at, std::function<void()> action) {
    const TimerId id = ++last_;
    waiting_.insert(id);
    process_.world().clock.call_at(
        at, [this, id, &world = process_.world(), node = process_.node(), life = process_.life(), action = std::move(action)]() mutable {
            world.in_life(node, life, [this, id, action = std::move(action)] {
                if (waiting_.erase(id) > 0) action();
            });
        });
    return id;
}

void Process::claim_slots(std::int64_t run_id, TaskKey key, std::vector<SlotDemand> demands, std::function<void(SlotClaim)> answer) {
    std::function<SlotClaim()> work = [&store = world_.store, epoch = epoch_, run_id, key, demands] {
        const auto claim = store.claim_slots(epoch, run_id, key, demands);
        std::size_t held = 0;
        for (const auto& d : demands) held += store.held_by(epoch, run_id, key, d.key) > 0 ? 1 : 0;
        if (store.is_a_nodes(epoch) && held != 0 && held != demands.size()) broken(name_of(run_id, key) + " holds some of its slots");
        return claim;
    };
    call<SlotClaim>("claim", std::move(work), [this, run_id, key, answer = std::move(answer)](std::optional<SlotClaim> claim) {
        trace(name_of(run_id, key) + (claim && claim->granted ? " has its slots" : " waits for slots"));
        answer(claim.value_or(SlotClaim()));
    });
}

Process::Process(World& world, int node, int life)
    : world_(world), node_(node), life_(life), clock_(*this), hosts_(*this), ids_(world.last_run_id),
      caused_runs_(world.catalogue, connections_) {}

void Process::later(double seconds, std::function<void()> action) {
    world_.later(seconds, [&world = world_, node = node_, life = life_, action = std::move(action)] { world.in_life(node, life, action); });
}

void Process::start() {
    std::function<Epoch()> take = [&world = world_, node = node_] {
        const Epoch epoch = world.new_epoch();
        world.store.take_node(node, epoch, world.clock.now());
        return epoch;
    };
    call<Epoch>("take_node", std::move(take), [this](std::optional<Epoch> epoch) {
        if (!epoch) return world_.kill_soon(node_, life_, "cannot start without the store");
        epoch_ = *epoch;
        journal_ = std::make_unique<MemoryJournal>(*this, epoch_, [this] { lost(); });
        journal_->submit({});
        auto claim = std::bind_front(&Process::claim_slots, this);
        runner_ = std::make_unique<Runner>(
            io_, clock_, *journal_, hosts_, connections_, caused_runs_, std::move(claim), ids_, events_,
            Runner::Settings{std::filesystem::temp_directory_path() / "millrace-simulation", world_.random(), 7, 50});
        take_over([this](bool done) {
            if (!done) return world_.kill_soon(node_, life_, "cannot start without the store");
            up_ = true;
            beat();
        });
    });
}

void Process::admit(RunRow row, std::shared_ptr<const FlowPlan> plan) {
    row.staging_id = runner_->new_uuid();
    RunStart start;
    start.plan = std::move(plan);
    start.reused = world_.store.reused_by(row);
    start.repeated = world_.store.repeated_by(row);
    (void)runner_->admit(std::move(row), std::move(start), {}, {});
}

void Process::take_over(Then then) {
    std::function<std::vector<std::int64_t>()> adopt = [&world = world_, epoch = epoch_] {
        return world.store.adopt(epoch, world.new_epoch(), world.clock.now());
    };
    call<std::vector<std::int64_t>>("adopt", std::move(adopt), [this, then](auto ours) {
        if (!ours) return then(false);
        std::set<std::int64_t> adopted;
        for (const auto id : *ours)
            if (!runner_->knows(id)) adopted.insert(id);
        if (adopted.empty()) return then(true);
        std::function<std::vector<Runner::Resumed>()> look = [&store = world_.store, epoch = epoch_] { return store.live_runs(epoch); };
        call<std::vector<Runner::Resumed>>("live_runs", std::move(look), [this, then, adopted = std::move(adopted)](auto runs) {
            if (!runs) return then(false);
            std::erase_if(*runs, [&](const auto& run) { return !adopted.contains(run.row.id); });
            for (const auto& run : *runs) trace("takes run " + std::to_string(run.row.id) + " over"), ++world_.adoptions;
            runner_->resume_all(std::move(*runs));
            then(true);
        });
    });
}

/// As Engine::Parts::beat().
void Process::beat() {
    if (killed_) return;
    const auto left = journal_->leased_until() - now();
    if (left < lease_length / 10) hosts_.kill_all();
    runner_->set_admitting(left > lease_length / 2);
    if (++beats_ % 3 == 0) {
        journal_->submit({});
        look_at_others();
    }
    later(1, [this] { beat(); });
}

void Process::look_at_others() {
    if (std::exchange(looking_, true)) return;
    take_over([this](bool) { looking_ = false; });
}

void Process::lost() {
    if (world_.nothing_excuses_a_lost_epoch()) broken("a node that was well lost its epoch");
    killed_ = true;
    runner_->set_admitting(false);
    hosts_.kill_all();
    world_.kill_soon(node_, life_, "lost its epoch and ends");
}

} // namespace millrace::test
