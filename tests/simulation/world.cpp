#include "world.hpp"

#include "process.hpp"
#include "scheduler/rerun.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace millrace::test {
namespace {

constexpr int most_deaths = 100; ///< then it may finish

std::chrono::microseconds span(double seconds) { return std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)); }

} // namespace

World::World(std::uint64_t seed, Faults f, int nodes, Instant start)
    : clock(start), random(seed), faults(f), nodes_(static_cast<std::size_t>(nodes)), calm_after_(clock.now() + span(f.seconds)),
      deadline_(calm_after_ + span(3 * 3600 * std::max(1.0, f.slower / 10)) + span(f.clock_jumps > 0 ? 4 * f.longest_jump : 0)),
      tracing_(std::getenv("MILLRACE_SIMULATION_TRACE") != nullptr) {
    store.lease = span(f.slower * std::chrono::duration<double>(lease_length).count());
    for (const char* key : {"w", "w", "v", "flow", "flow"}) store.slots.push_back({key, 0, 0, {}});
    if (tracing_) std::printf("---- seed %llu\n", static_cast<unsigned long long>(seed));
    for (int node = 0; node < nodes; ++node) boot(node);
    if (faults.person_pauses > 0) a_person_acts();
}

World::~World() = default;

void World::trace(int node, const std::string& what) const {
    if (!tracing_) return;
    static const Instant start = FakeClock().now();
    const std::string who = node < 0 ? "      " : "node " + std::to_string(node);
    std::printf("%12.6f  %s  %s\n", static_cast<double>((clock.now() - start).count()) / 1e6, who.c_str(), what.c_str());
}

// ---- what happens ---------------------------------------------------------------------------------------------------

void World::step() {
    if (!failure_.empty()) broken(failure_);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        auto& node = nodes_[++turn_ % nodes_.size()];
        if (node.process && node.frozen_until <= clock.now() && node.process->poll_one()) return let_something_fail();
    }
    const auto next = clock.next();
    if (!next || *next > deadline_) broken("something never ends: " + what_lives());
    clock.advance_to(*next);
    for (int node = 0; node < static_cast<int>(nodes_.size()); ++node) store.latest_wall = std::max(store.latest_wall, wall(node));
    let_something_fail();
}

void World::run_to_the_end() {
    const auto quiet = [this] {
        return !faults_happen() && store.all_runs_ended() &&
               std::all_of(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.process && node.process->is_idle(); });
    };
    while (!quiet()) step();
    const Instant end = clock.now() + span(20 * faults.slower); // what is on its way arrives, dead epochs are voided
    while (clock.now() < end || !quiet()) step();
    check_the_end();
}

void World::check_the_end() const {
    store.check_the_end();
    if (!hosts.empty()) broken("a host is left: " + name_of(hosts.begin()->second.run_id, hosts.begin()->second.key));
    for (const auto& [key, task] : store.tasks) {
        const bool load = store.plan_of(key.first).tasks[static_cast<std::size_t>(key.second.task)].verb == Verb::Load;
        const auto effects = target.effects.find({store.runs.at(key.first).row.run_key, key.second});
        if (effects != target.effects.end() && effects->second > 1) broken(name_of(key.first, key.second) + " is in the target twice");
        const bool is_reused = task.row.state_name == std::string_view("Reused"); // the run before it loaded them
        if (load && task.row.state == State::Completed && !is_reused && effects == target.effects.end())
            broken(name_of(key.first, key.second) + " completed and its rows are not in the target");
    }
}

std::string World::what_lives() const {
    std::string text;
    for (const auto id : store.live) {
        const auto& run = store.runs.at(id);
        text += "run " + std::to_string(id) + " is " + run.row.state_name + (store.is_a_nodes(run.epoch) ? "; " : ", of no node; ");
    }
    for (const auto& [flow, line] : store.lines)
        if (line.run_id != 0) text += "it is the turn of run " + std::to_string(line.run_id) + " of " + flow + "; ";
    for (const auto& slot : store.slots)
        if (store.is_a_nodes(slot.epoch)) text += name_of(slot.run_id, slot.holder) + " has a slot of " + slot.key + "; ";
    return text;
}

Process* World::one_that_is_up() {
    const auto first = random();
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        auto& node = nodes_[(first + i) % nodes_.size()];
        if (node.process && node.frozen_until <= clock.now() && node.process->is_up()) return node.process.get();
    }
    return nullptr;
}

std::int64_t World::trigger(FlowPlan plan, const std::optional<Backfill>& backfill) {
    auto* process = one_that_is_up();
    if (!process) return 0;
    RunRow row;
    row.id = process->new_run_id();
    if (row.id == 0) return 0;
    row.flow = plan.name;
    row.plan_hash = plan.name + "/" + plan.overlap;
    row.run_key = "key " + std::to_string(++last_key);
    row.created_at = clock.now();
    if (plan.interval) row.interval_end = clock.now(), row.interval_start = clock.now() - std::chrono::hours(3);
    if (backfill) write_backfill(row, *backfill);
    auto shared = std::make_shared<const FlowPlan>(std::move(plan));
    store.plans[row.plan_hash] = shared;
    trace(process->node(), "run " + std::to_string(row.id) + " of " + row.flow + " is triggered");
    const auto id = row.id; // chunks take more
    process->admit(std::move(row), std::move(shared));
    return id;
}

std::int64_t World::rerun(std::int64_t run_id) {
    auto* process = one_that_is_up();
    if (!process) return 0;
    const RunRow& old = store.runs.at(run_id).row;
    RunRow row;
    row.id = process->new_run_id();
    if (row.id == 0) return 0;
    row.flow = old.flow;
    row.plan_hash = old.plan_hash;
    row.run_key = "key " + std::to_string(++last_key);
    row.created_at = clock.now();
    row.rerun_of = run_id;
    row.interval_start = old.interval_start, row.interval_end = old.interval_end;
    row.options["reuse_before"] = "";
    trace(process->node(), "run " + std::to_string(row.id) + " repeats what failed of run " + std::to_string(run_id));
    const auto id = row.id;
    process->admit(std::move(row), store.plans.at(old.plan_hash));
    return id;
}

void World::deploy(FlowPlan plan) {
    const std::string hash = plan.name + "/" + plan.overlap;
    for (std::size_t number = 0; number < plan.schedules.size(); ++number) {
        StoredSchedule s;
        s.flow = plan.name;
        s.number = static_cast<int>(number);
        s.spec = plan.schedules[number];
        s.changed_at = clock.now();
        Schedules::set_next(s, clock.now());
        store.schedules[{s.flow, s.number}] = std::move(s);
    }
    store.plans[hash] = std::make_shared<const FlowPlan>(std::move(plan));
    deployed.insert(hash);
    for (auto& node : nodes_)
        if (node.process) node.process->catalogue_changed();
}

bool World::cancel(std::int64_t run_id) {
    for (auto& node : nodes_)
        if (node.process && node.frozen_until <= clock.now() && node.process->is_up() && node.process->cancel(run_id)) return true;
    return false;
}

/// Whoever pauses a run resumes it.
void World::a_person_acts() {
    for (auto& node : nodes_) {
        if (!node.process || node.frozen_until > clock.now() || !node.process->is_up()) continue;
        for (const auto id : store.live) {
            if (faults_happen() && chance() < faults.person_pauses) node.process->pause(id);
            if (store.runs.at(id).row.state == State::Paused && (!faults_happen() || chance() < 0.3)) node.process->resume(id);
        }
    }
    later(5, [this] { a_person_acts(); });
}

// ---- what fails -----------------------------------------------------------------------------------------------------

void World::let_something_fail() {
    if (!faults_happen()) {
        for (int node = 0; node < static_cast<int>(nodes_.size()); ++node) // all is well in the end
            if (nodes_[static_cast<std::size_t>(node)].clock_ahead.count() != 0) set_clock(node);
        return;
    }
    if (faults.store_forgets > 0 && !lagging_ && chance() < faults.store_forgets) {
        // Files that are put back are older than a heartbeat: on the same timeline only the node's own number tells.
        const bool promoted = chance() < 0.7;
        forget_soon(faults.slower * (promoted ? (chance() < 0.5 ? 2 : 20) * chance() : 8 + 12 * chance()), promoted);
    }
    if (faults.clock_jumps > 0 && chance() < faults.clock_jumps) set_clock(static_cast<int>(random() % nodes_.size()));
    if (faults.store_away > 0 && clock.now() > away_until_ && chance() < faults.store_away) {
        const double seconds = faults.slower * (chance() < 0.5 ? chance() : 25 * chance());
        away_until_ = clock.now() + span(seconds);
        trace(-1, "the store is away for " + std::to_string(seconds) + " s");
    }
    if (faults.node_dies <= 0 && faults.node_freezes <= 0) return;
    const int number = static_cast<int>(random() % nodes_.size());
    auto& node = nodes_[static_cast<std::size_t>(number)];
    if (!node.process) return;
    if (deaths < most_deaths && chance() < faults.node_dies) return kill(number);
    if (node.frozen_until <= clock.now() && chance() < faults.node_freezes) {
        const double seconds = faults.slower * (chance() < 0.3 ? 2 * chance() : 10 + 30 * chance());
        node.frozen_until = clock.now() + span(seconds);
        ++freezes;
        trace(number, "freezes for " + std::to_string(seconds) + " s");
    }
}

/// Right again, or wrong by minutes or hours.
void World::set_clock(int number) {
    auto& node = nodes_[static_cast<std::size_t>(number)];
    if (clock.now() - node.clock_set_at >= std::chrono::seconds(10)) node.ahead_before = node.clock_ahead;
    node.clock_set_at = clock.now();
    const bool right = !faults_happen() || (node.clock_ahead.count() != 0 && chance() < 0.5);
    node.clock_ahead = right ? std::chrono::microseconds(0) : span((2 * chance() - 1) * faults.longest_jump);
    ++jumps;
    trace(number, "has its clock set: " + std::to_string(node.clock_ahead.count() / 1000000) + " s ahead");
    if (node.process) node.process->clock_was_set();
}

/// The standby lags from now on. When it takes over, or older files are put back, connections and what is on its way to the former
/// server are lost.
void World::forget_soon(double seconds, bool new_timeline) {
    lagging_ = true;
    later(seconds, [this, kept = std::make_shared<MemoryStore>(store), new_timeline, seconds] {
        lagging_ = false;
        const auto poisoned = store.poisoned;
        const auto latest_wall = store.latest_wall;
        store = *kept;
        store.poisoned = poisoned;
        store.latest_wall = latest_wall;
        if (new_timeline) ++store.position.timeline;
        ++line_;
        ++forgot;
        store.has_forgotten = true;
        trace(-1, "the store " + std::string(new_timeline ? "fails over" : "is put back") + " and forgets the last " +
                      std::to_string(seconds) + " s");
    });
}

void World::kill(int number) {
    auto& node = nodes_[static_cast<std::size_t>(number)];
    if (!node.process) return;
    ++deaths;
    ++node.life;
    node.process.reset();
    node.frozen_until = {};
    const double away = chance() < 0.7 ? 0.5 + 2 * chance() : 30 * faults.slower * chance();
    trace(number, "is killed, back in " + std::to_string(away) + " s");
    for (const auto& [id, host] : hosts) // the end of their pipe tells them
        if (host.node == number) later(0.3 * chance(), [this, id = id] { hosts.erase(id); });
    later(away, [this, number] { boot(number); });
}

void World::kill_soon(int number, int life, const char* why) {
    trace(number, why);
    later(0.2, [this, number, life] {
        if (is_alive(number, life)) kill(number);
    });
}

void World::boot(int number) {
    auto& node = nodes_[static_cast<std::size_t>(number)];
    std::erase_if(hosts, [&](const auto& host) { return host.second.node == number; });
    trace(number, "starts");
    node.process = std::make_unique<Process>(*this, number, node.life);
    node.process->start();
}

// ---- what processes ask ---------------------------------------------------------------------------------------------

bool World::clock_is_being_set(int number, Instant since) const {
    const auto& node = nodes_[static_cast<std::size_t>(number)];
    const bool lately = clock.now() - node.clock_set_at < std::chrono::seconds(10) && node.clock_set_at > since;
    return lately && std::chrono::abs(node.clock_ahead - node.ahead_before) > std::chrono::seconds(60);
}

bool World::is_alive(int node, int life) const {
    const auto& n = nodes_[static_cast<std::size_t>(node)];
    return n.process && n.life == life;
}

void World::later(double seconds, std::function<void()> action) { clock.call_at(clock.now() + span(seconds), std::move(action)); }

void World::in_life(int node, int life, std::function<void()> action) {
    if (!is_alive(node, life)) return;
    const Instant thaw = nodes_[static_cast<std::size_t>(node)].frozen_until;
    if (thaw <= clock.now()) return action();
    clock.call_at(thaw, [this, node, life, action = std::move(action)]() mutable { in_life(node, life, std::move(action)); });
}

void World::transact(const Process& process, const char* what, std::function<void()> work, std::function<void(bool)> answer,
                     std::optional<int> connection) {
    const int node = process.node(), life = process.life();
    const int line = connection.value_or(line_);
    work = [this, line, work = std::move(work)] { // a late one may find another server
        if (line != line_) return;
        ++store.position.wal;
        work();
    };
    auto reply = [this, node, life, answer = std::move(answer)](bool heard) {
        const bool slow = faults_happen() && chance() < faults.commit_slow;
        later(0.0001 + 0.0005 * chance() + (slow ? 3 * chance() * chance() : 0),
              [this, node, life, answer, heard] { in_life(node, life, [answer, heard] { answer(heard); }); });
    };
    const bool slow = faults_happen() && chance() < faults.commit_slow;
    later(0.0003 + 0.001 * chance() + (slow ? 3 * chance() * chance() : 0),
          [this, node, what, line, work = std::move(work), reply = std::move(reply)] {
              if (clock.now() < away_until_ || line != line_) return reply(false);
              const double dice = faults_happen() ? chance() : 1;
              const auto& f = faults;
              double sum = 0;
              const auto is = [&](double share, const char* fault) {
                  sum += share;
                  const bool it_is = dice >= sum - share && dice < sum;
                  if (it_is) trace(node, std::string(what) + ": " + fault);
                  return it_is;
              };
              if (is(f.commit_fails, "broken before it was done")) return reply(false);
              if (is(f.commit_serialises, "not serialisable")) return reply(false);
              if (is(f.commit_late, "broken, and done later")) {
                  later(chance() < 0.7 ? 0.01 * chance() : 3 * chance(), work);
                  return reply(false);
              }
              work();
              reply(!is(f.answer_lost, "done, and reported as lost"));
          });
}

} // namespace millrace::test
