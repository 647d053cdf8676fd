#include "process.hpp"

#include <filesystem>

namespace millrace::test {
namespace asio = boost::asio;

Instant ProcessClock::now() const { return process_.now(); }
std::chrono::microseconds ProcessClock::uptime() const { return process_.true_time().time_since_epoch(); }

Clock::TimerId ProcessClock::call_at(Instant at, std::function<void()> action) { return add(at, at - now(), std::move(action)); }
Clock::TimerId ProcessClock::call_after(std::chrono::microseconds time, std::function<void()> action) {
    return add({}, time, std::move(action));
}

Clock::TimerId ProcessClock::add(std::optional<Instant> at, std::chrono::microseconds in, std::function<void()> action) {
    const TimerId id = ++last_;
    waiting_.emplace(id, Alarm{at, 0, std::move(action)});
    set(id, in);
    return id;
}

void ProcessClock::set(TimerId id, std::chrono::microseconds in) {
    const auto ring = [this, id, set = ++waiting_.at(id).set, &world = process_.world(), node = process_.node(), life = process_.life()] {
        world.in_life(node, life, [this, id, set] {
            const auto alarm = waiting_.find(id);
            if (alarm == waiting_.end() || alarm->second.set != set) return;
            auto action = std::move(alarm->second.action);
            waiting_.erase(alarm);
            action();
        });
    };
    process_.world().clock.call_at(process_.true_time() + std::max(in, std::chrono::microseconds(0)), ring);
}

void ProcessClock::was_set() {
    const auto noticed_in = std::chrono::microseconds(static_cast<std::int64_t>(1e6 * process_.world().chance()));
    for (auto& [id, alarm] : waiting_)
        if (alarm.at) set(id, std::max<std::chrono::microseconds>(*alarm.at - now(), noticed_in));
}

asio::awaitable<std::vector<StoredSchedule>> MemorySchedules::schedules() {
    std::function<std::vector<StoredSchedule>()> work = [&store = process_.world().store] { return store.all_schedules(); };
    return process_.ask("schedules", std::move(work));
}

asio::awaitable<void> MemorySchedules::set_next(std::vector<StoredSchedule> schedules) {
    std::function<bool()> work = [&store = process_.world().store, schedules = std::move(schedules)] {
        for (const auto& s : schedules) store.set_next(s);
        return true;
    };
    (void)co_await process_.ask("set_next", std::move(work));
}

asio::awaitable<void> MemorySchedules::bring_back(std::vector<StoredSchedule> schedules) {
    std::function<bool()> work = [&store = process_.world().store, schedules = std::move(schedules)] {
        for (const auto& s : schedules) store.bring_back(s);
        return true;
    };
    (void)co_await process_.ask("bring_back", std::move(work));
}

asio::awaitable<std::vector<std::optional<ScheduleStore::Next>>>
MemorySchedules::next_of(std::vector<std::pair<std::string, int>> schedules) {
    std::function<std::vector<std::optional<Next>>()> work = [&store = process_.world().store, schedules = std::move(schedules)] {
        std::vector<std::optional<Next>> out;
        for (const auto& [flow, number] : schedules) out.push_back(store.next_of(flow, number));
        return out;
    };
    return process_.ask("next_of", std::move(work));
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
    : world_(world), node_(node), life_(life), clock_(*this), hosts_(*this), ids_(world), schedule_store_(*this),
      caused_runs_(catalogue_, connections_) {}

void Process::later(double seconds, std::function<void()> action) {
    world_.later(seconds, [&world = world_, node = node_, life = life_, action = std::move(action)] { world.in_life(node, life, action); });
}

void Process::start() {
    started_ = true_time();
    std::function<std::pair<Epoch, StorePosition>()> take = [&world = world_, node = node_] {
        return std::pair(world.store.take_node(node, world.new_epoch(), world.clock.now()), world.store.position);
    };
    call<std::pair<Epoch, StorePosition>>("take_node", std::move(take), [this](auto taken) {
        if (!taken) return world_.kill_soon(node_, life_, "cannot start without the store");
        epoch_ = taken->first;
        journal_ = std::make_unique<MemoryJournal>(*this, epoch_, taken->second, [this](const std::optional<Return>& lost) { end(lost); });
        journal_->submit({});
        auto claim = std::bind_front(&Process::claim_slots, this);
        runner_ = std::make_unique<Runner>(
            io_, clock_, *journal_, hosts_, connections_, caused_runs_, std::move(claim), ids_, events_,
            Runner::Settings{std::filesystem::temp_directory_path() / "millrace-simulation", world_.random(), 7, 50});
        schedules_ =
            std::make_unique<Schedules>(clock_, schedule_store_, catalogue_, *runner_, *journal_, ids_, "node " + std::to_string(node_));
        fill_catalogue();
        take_over([this](bool done) {
            if (!done) return world_.kill_soon(node_, life_, "cannot start without the store");
            look_at_nodes([this] { // who is late brings back only what is its own
                catalogue_changed();
                up_ = true;
                beat();
            });
        });
    });
}

/// What of it is in the store: deployed flows are not lost here.
void Process::fill_catalogue() {
    std::vector<DeployedFlow> flows;
    for (const auto& [hash, plan] : world_.store.plans)
        if (world_.deployed.contains(hash)) {
            DeployedFlow flow;
            flow.name = plan->name;
            flow.plan_hash = hash;
            flow.plan = plan;
            flows.push_back(std::move(flow));
        }
    catalogue_.replace(std::move(flows));
}

void Process::catalogue_changed() {
    if (!schedules_) return;
    fill_catalogue();
    if (catalogue_.all().empty()) return;
    asio::co_spawn(io_, schedules_->load(), [this](const std::exception_ptr& failed) {
        if (failed) world_.kill_soon(node_, life_, "cannot read its schedules without the store");
    });
}

void Process::check_firing(const RunChanges& changes) {
    const auto& f = *changes.firing;
    const bool is_decided = !decided_.emplace(f.flow, f.schedule, f.nominal).second; // once more, with another number
    const auto name = f.flow + " fires " + to_rfc3339(f.nominal);
    const auto& spec = world_.store.schedules.at({f.flow, f.schedule}).spec;
    const bool is_late =
        now() - f.nominal > std::chrono::seconds(60) + std::chrono::microseconds(static_cast<std::int64_t>(spec.jitter_seconds * 1e6));
    if (now() < f.nominal) world_.fails(name + " before its time");
    if (is_late && spec.missed == "none" && !is_decided) world_.fails(name + ", which its policy lets pass");
    if (world_.clock_is_being_set(node_, started_)) world_.fails(name + " while its clock is being set");
}

bool Process::is_ahead_of_the_store() const {
    const auto& row = world_.store.nodes[node_];
    return journal_ && (row.journal_seq < journal_->acknowledged() || world_.line() != journal_->line());
}

void Process::admit(RunRow row, std::shared_ptr<const FlowPlan> plan) {
    row.staging_id = runner_->new_uuid();
    RunStart start;
    start.plan = std::move(plan);
    start.reused = world_.store.reused_by(row);
    start.repeated = world_.store.repeated_by(row);
    runner_->admit(std::move(row), std::move(start), {}, {});
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
    const auto left = journal_->leased_until() - true_time();
    if (left < world_.store.lease / 10) hosts_.kill_all();
    runner_->set_admitting(left > world_.store.lease / 2);
    answer_requests();
    runner_->look_at_clock();
    schedules_->look_at_clock();
    if (++beats_ % 3 == 0) {
        journal_->submit({});
        look_at_others();
    }
    later(world_.faults.slower, [this] { beat(); });
}

void Process::look_at_others() {
    if (std::exchange(looking_, true)) return;
    take_over([this](bool) {
        looking_ = false;
        look_at_nodes();
    });
}

/// As EngineService::answer_requests(): of runs that give their place to another.
void Process::answer_requests() {
    if (std::exchange(answering_, true)) return;
    using Requests = std::vector<std::pair<std::int64_t, std::int64_t>>;
    std::function<Requests()> look = [&store = world_.store, epoch = epoch_] { return store.requests_to(epoch); };
    call<Requests>("requests_to", std::move(look), [this](std::optional<Requests> requests) {
        answering_ = false;
        for (const auto& request : requests.value_or(Requests())) {
            if (!runner_->find(request.first)) continue; // taken over, and not yet here
            const auto message = "cancelled by run " + std::to_string(request.second) + ", which takes its place";
            std::function<bool()> answer = [&store = world_.store, request] { return store.requests[request] = true; };
            const auto answered = [this, answer] { call<bool>("answer_request", answer, [](std::optional<bool>) {}); };
            if (!runner_->cancel(request.first, message, answered)) answered();
        }
    });
}

void Process::look_at_nodes(const std::function<void()>& then) {
    std::function<std::vector<int>()> living = [&world = world_] { return world.store.living_nodes(world.clock.now()); };
    call<std::vector<int>>("living_nodes", std::move(living), [this, then](std::optional<std::vector<int>> nodes) {
        std::vector<std::string> names;
        for (const int node : nodes.value_or(std::vector<int>())) names.push_back("node " + std::to_string(node));
        if (nodes) schedules_->share_among(std::move(names));
        if (then) then();
    });
}

void Process::end(const std::optional<Return>& lost) {
    if (world_.nothing_excuses_a_lost_epoch()) broken("a node that was well lost its epoch");
    if (lost && world_.forgot == 0) broken("a node believes that the store has lost history");
    killed_ = true;
    schedules_->stop();
    runner_->set_admitting(false);
    hosts_.kill_all();
    world_.noticed += lost ? 1 : 0;
    if (lost) trace(lost_message(*lost));
    world_.kill_soon(node_, life_, lost ? "forgets what it knows" : "lost its epoch and ends");
}

} // namespace millrace::test
