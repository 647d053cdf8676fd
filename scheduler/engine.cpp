#include "scheduler/engine.hpp"

#include "flows/process_tree.hpp"
#include "flows/zone.hpp"
#include "scheduler/credentials.hpp"
#include "scheduler/disk_guard.hpp"
#include "scheduler/engine_service.hpp"
#include "scheduler/expectation_watch.hpp"
#include "scheduler/give_back_memory.hpp"
#include "scheduler/host_pool.hpp"
#include "scheduler/loop_lag.hpp"
#include "scheduler/new_run.hpp"
#include "scheduler/pg_journal.hpp"
#include "scheduler/pg_journal_statements.hpp"
#include "scheduler/pg_read_models.hpp"
#include "scheduler/rerun.hpp"
#include "scheduler/retention_job.hpp"
#include "scheduler/run_id_block.hpp"
#include "scheduler/runner.hpp"
#include "scheduler/schedules.hpp"
#include "scheduler/staging_mark.hpp"
#include "scheduler/state_lock.hpp"
#include "scheduler/store/history.hpp"
#include "scheduler/store/migrate.hpp"
#include "scheduler/store/store.hpp"

#include <boost/asio/co_spawn.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <filesystem>
#include <set>

#include <unistd.h>

namespace millrace {
namespace asio = boost::asio;
namespace {

constexpr auto heartbeat = std::chrono::seconds(3);
constexpr auto between_looks_at_zones = std::chrono::minutes(1);
constexpr int beats_between_trims = 10; ///< of a third of a heartbeat

std::vector<Statement> pool_statements() {
    auto all = store_statements();
    all.insert(all.end(), read_statements().begin(), read_statements().end());
    all.insert(all.end(), history_statements().begin(), history_statements().end());
    all.insert(all.end(), staging_statements().begin(), staging_statements().end());
    return all;
}

/// "etl1:/var/lib/millrace/state#3fa9c1d2"
std::string node_name(const EngineConfig& config, const StateLock& lock) {
    if (!config.node.empty()) return config.node;
    char name[256] = {};
    gethostname(name, sizeof name - 1);
    return std::string(name) + ":" + std::filesystem::weakly_canonical(config.state).string() + "#" + lock.mark();
}

/// Those that its `flow` tasks wait for.
std::vector<std::int64_t> called_runs(const FlowPlan& plan, const std::vector<StoredTaskRun>& task_runs) {
    std::vector<std::int64_t> out;
    for (const auto& [key, run] : task_runs)
        if (plan.tasks[static_cast<std::size_t>(key.task)].verb == Verb::Flow && !is_final(run.state) && run.details)
            if (const auto id = run.details->called_run(); id != 0) out.push_back(id);
    return out;
}

std::string host_program(const EngineConfig& config) {
    if (!config.host_program.empty()) return config.host_program;
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "millrace-host";
}

std::map<std::string, std::string> host_environment(const EngineConfig& config) {
    std::map<std::string, std::string> out;
    for (const char* name : {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TZDIR", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"})
        if (const char* value = std::getenv(name)) out[name] = value;
    for (const auto& [name, value] : config.host_environment) out[name] = value;
    return out;
}

} // namespace

struct Engine::Parts {
    Parts(asio::io_context& loop, Clock& c, EngineConfig cfg, Connections& cs, FlowFolders& fs, std::function<void(std::string)> f,
          std::unique_ptr<AttemptRunner> own)
        : io(loop), clock(c), config(std::move(cfg)), connections(cs), folders(fs), fatal(std::move(f)), hosts(std::move(own)),
          database(config.database, config.store_connections, pool_statements()), store(database), ids(io, store), lag(loop) {}

    asio::awaitable<void> start();
    asio::awaitable<void> resume();
    asio::awaitable<void> prove_staging();
    void make_hosts();
    void make_retention();
    void claim_slots(std::int64_t run_id, TaskKey key, std::vector<SlotDemand> demands, std::function<void(SlotClaim)> answer);
    void make_disk_guard();
    void beat();
    void trim();
    void look_at_zones();
    asio::awaitable<void> follow_deploys();
    asio::awaitable<void> look_at_nodes();
    asio::awaitable<void> look_at_clocks();
    asio::awaitable<void> look_at_staging();
    asio::awaitable<void> look_at_others();
    void look_at_others_soon();
    void answer_requests_soon();
    void end(const std::optional<Return>& lost);

    asio::io_context& io;
    Clock& clock;
    EngineConfig config;
    Connections& connections;
    FlowFolders& folders;
    std::function<void(std::string)> fatal;
    StateLock lock;
    int host_lock = -1;
    std::unique_ptr<Credentials> credentials; ///< hosts ask it: it outlives them
    std::unique_ptr<AttemptRunner> hosts;
    HostPool* pool = nullptr; ///< `hosts`, where it is ours
    Database database;
    Store store;
    RunIdBlock ids;
    EventHub events;
    Catalogue catalogue;
    CausedRuns caused_runs{catalogue, connections};
    NodeIdentity node;
    ProvedStaging staging;
    std::string clock_wrong;  ///< how, as the store and another node see it; empty: it is right
    std::string staging_lost; ///< why the folder is not what it was; empty: it is
    std::unique_ptr<PgJournal> journal;
    std::unique_ptr<DiskGuard> disk;
    std::unique_ptr<Runner> runner;
    std::unique_ptr<Schedules> schedules;
    std::unique_ptr<ExpectationWatch> watch;
    std::unique_ptr<EngineService> service;
    std::unique_ptr<PgReadModels> read_models;
    LoopLag lag;
    std::unique_ptr<RetentionJob> retention;
    Clock::TimerId beat_timer = 0, look_timer = 0, zone_timer = 0;
    bool stopping = false, killed = false, lost_history = false;
    bool others_live = false, answering = false;
    bool looking = false, look_again = false, looking_failed = false;
    int beats = 0, beats_since_trim = 0;
};

void Engine::Parts::make_hosts() {
    if (hosts) return;
    HostPoolConfig pool_config;
    pool_config.program = host_program(config);
    pool_config.environment = host_environment(config);
    pool_config.lock = host_lock;
    pool_config.extract_attempts = config.extract_attempts;
    pool_config.sql_hosts = config.sql_hosts;
    pool_config.run_attempts = config.run_attempts;
    auto own = std::make_unique<HostPool>(io, clock, std::move(pool_config));
    pool = own.get();
    credentials = std::make_unique<Credentials>(io, clock, store, [this](const CredentialPause& pause) { pool->tell_pause(pause); });
    pool->share_credentials(*credentials);
    hosts = std::move(own);
}

void Engine::Parts::make_retention() {
    RetentionJob::Config what;
    what.staging = std::filesystem::absolute(config.staging);
    what.state = std::filesystem::absolute(config.state);
    what.written = [this] { return folders.retention(); };
    what.forget_ids_below = [this](std::int64_t first) { ids.forget_below(first); };
    retention = std::make_unique<RetentionJob>(io, clock, database, *journal, std::move(what));
}

void Engine::Parts::make_disk_guard() {
    auto report = [this](EventRow event) {
        RunChanges changes;
        changes.events.push_back(std::move(event));
        journal->submit(std::move(changes));
    };
    disk = std::make_unique<DiskGuard>(clock, config.staging, config.state, std::move(report));
}

/// Through the pool; they are given back through the journal.
void Engine::Parts::claim_slots(std::int64_t run_id, TaskKey key, std::vector<SlotDemand> demands, std::function<void(SlotClaim)> answer) {
    asio::co_spawn(
        io, store.claim_slots(node.epoch, run_id, key, std::move(demands), clock.now()),
        [answer = std::move(answer)](std::exception_ptr failed, SlotClaim slots) { answer(failed ? SlotClaim() : std::move(slots)); });
}

/// Before this node lives: one with another folder would take over runs whose datasets it does not have.
asio::awaitable<void> Engine::Parts::prove_staging() {
    staging = co_await millrace::prove_staging(database, node_name(config, lock), std::filesystem::absolute(config.staging),
                                               std::filesystem::absolute(config.state));
    if (staging.moved_from.empty()) co_return;
    EventRow moved;
    moved.at = clock.now();
    moved.kind = "staging_moved";
    moved.message = "the staging folder is " + staging.mark.folder + " now, and was " + staging.moved_from +
                    ": datasets and logs of earlier runs are not in it";
    spdlog::warn("staging=moved reason=\"{}\"", moved.message);
    co_await store.tell(std::move(moved));
}

/// The order matters: the lock proves that the former self is dead, its hosts end, its epoch ends, then its runs go on.
asio::awaitable<void> Engine::Parts::start() {
    lock.take(config.state);
    std::filesystem::create_directories(config.staging);
    if (!hosts) {
        auto strays = [file = config.state + "/hosts.lock"] {
            const int taken = take_host_lock(file, std::chrono::seconds(5));
            if (const auto ended = kill_marked(mark_of(taken) + "."); ended > 0)
                spdlog::warn("ended what commands of an earlier daemon had left: processes={}", ended);
            return taken;
        };
        host_lock = co_await database.on_pool(std::move(strays));
    }
    auto schema = [url = config.database] {
        migrate(url);
        return true;
    };
    (void)co_await database.on_pool(std::move(schema));
    co_await look_for_live(database);
    co_await prove_staging();
    node = co_await store.take_node(node_name(config, lock), true, clock.now());
    (void)co_await store.set_limits(config.limits, node.id); // what of it is kept, the deploy says that follows
    co_await store.take_back_run_ids(node.epoch);
    auto blocks = co_await store.new_run_ids(1);
    ids.add(blocks);
    auto flows = co_await store.flows();
    catalogue.replace(std::move(flows));

    make_hosts();
    auto ended = [this](const std::optional<Return>& lost) { end(lost); };
    journal = std::make_unique<PgJournal>(io, config.database, node, std::move(ended));
    RunChanges nothing; // connects before the first run has to wait for it
    journal->submit(std::move(nothing));
    make_disk_guard();
    Runner::Settings settings;
    settings.staging = std::filesystem::absolute(config.staging);
    settings.project = config.project;
    settings.short_of_disk = [this] { return staging_lost.empty() ? disk->shortage() : staging_lost; };
    auto claim = std::bind_front(&Parts::claim_slots, this);
    runner =
        std::make_unique<Runner>(io, clock, *journal, *hosts, connections, caused_runs, std::move(claim), ids, events, std::move(settings));
    schedules = std::make_unique<Schedules>(clock, store, catalogue, *runner, *journal, ids, node.id);
    runner->watch_schedules([this] { look_at_others_soon(); }); // the store says whether it is held now
    watch = std::make_unique<ExpectationWatch>(clock, database, catalogue, *schedules, *runner, *journal, events);
    service = std::make_unique<EngineService>(clock, store, catalogue, *runner, ids, *schedules, folders, connections, events, node.id);
    auto journal_figures = [this] {
        const auto f = journal->figures();
        Json out = {{"journal_commits_total", f.commits},
                    {"journal_rows_total", f.rows},
                    {"journal_refused_total", f.refused},
                    {"journal_connections_total", f.reconnects},
                    {"journal_last_commit_ms", f.last_commit_ms},
                    {"journal_backlog", journal->backlog()},
                    {"journal_alive", !stopping && !killed && journal->leased_until() - clock.uptime() > lease_length / 2 ? 1 : 0}};
        out.update(disk->figures());
        return out;
    };
    auto watch_figures = [this] { return watch->figures(); };
    auto loop_lag = [this] { return lag.figures(); };
    make_retention();
    auto host_list = [this] { return pool ? pool->describe() : Json::array(); };
    auto settings_in_force = [this] { return folders.settings(); };
    auto is_demo = [this](const std::string& folder) { return folders.is_demo(folder); };
    PgReadModels::Sources sources{database,
                                  store,
                                  catalogue,
                                  *runner,
                                  *schedules,
                                  *hosts,
                                  connections,
                                  node.id,
                                  std::move(journal_figures),
                                  std::move(watch_figures),
                                  std::move(loop_lag),
                                  std::move(host_list),
                                  std::move(settings_in_force),
                                  std::move(is_demo),
                                  *retention,
                                  clock,
                                  [this] { return journal->figures().away; },
                                  [this] { return service->limits_of_others(); },
                                  [this] { return clock_wrong; },
                                  [this] { return staging_lost; }};
    read_models = std::make_unique<PgReadModels>(std::move(sources));

    co_await resume();
    co_await look_at_nodes();
    co_await look_at_clocks();
    co_await schedules->load();
    lag.start();
    beat();
    look_at_zones();
    retention->start();
}

/// What is ours, is not driven here, and is still live when it is read after that: a run that the runner does not know may
/// also be one that has just ended.
asio::awaitable<void> Engine::Parts::resume() {
    const auto ours = co_await store.adopt(node.epoch);
    std::set<std::int64_t> adopted;
    for (const auto id : ours)
        if (!runner->knows(id)) adopted.insert(id);
    if (adopted.empty()) co_return;
    ids.forget_below(*adopted.rbegin() + 1); // what they cause comes after them, as when their own node makes it
    auto stored = co_await store.live_runs(node.epoch);
    std::vector<Runner::Resumed> runs;
    for (auto& run : stored) {
        if (!adopted.contains(run.row.id)) continue;
        auto plan = catalogue.plan(run.row.plan_hash);
        if (!plan) plan = co_await store.plan(run.row.plan_hash);
        Runner::Resumed resumed;
        resumed.plan = std::move(plan);
        if (!parts_of(*resumed.plan, run.row).empty()) {
            resumed.chunks = co_await store.chunks(run.row.id);
            resumed.repeated = co_await repeated_by(store, run.row, *resumed.plan);
        }
        auto called = called_runs(*resumed.plan, run.task_runs);
        if (!called.empty()) resumed.called = co_await store.runs_by_id(std::move(called));
        resumed.reused = co_await reused_by(store, run.row, *resumed.plan);
        resumed.warnings = run.warnings;
        resumed.row = std::move(run.row);
        resumed.task_runs = std::move(run.task_runs);
        runs.push_back(std::move(resumed));
    }
    spdlog::info("taking over {} live runs", runs.size());
    for (const auto& run : runs) watch->look_soon(run.row.flow);
    runner->resume_all(std::move(runs));
}

/// Keeps the lease and acts when it cannot be kept: no new attempts at half of it, no hosts before its end.
void Engine::Parts::beat() {
    if (stopping || killed) return;
    disk->look();
    const auto left = journal->leased_until() - clock.uptime();
    if (journal->hosts_until() - clock.uptime() < lease_length / 10) hosts->kill_all();
    runner->set_admitting(left > lease_length / 2);
    answer_requests_soon();
    runner->look_at_clock();
    schedules->look_at_clock();
    if (++beats % 3 == 0) {
        RunChanges nothing;
        journal->submit(std::move(nothing));
        look_at_others_soon();
        if (pool) pool->end_stopped();
    }
    if (++beats_since_trim >= beats_between_trims && journal->backlog() == 0) trim();
    beat_timer = clock.call_after(heartbeat / 3, [this] { beat(); });
}

/// A system update replaces them while we live.
void Engine::Parts::look_at_zones() {
    if (stopping || killed) return;
    if (const auto changed = refresh_zones(); !changed.empty()) schedules->zones_changed(changed);
    zone_timer = clock.call_after(between_looks_at_zones, [this] { look_at_zones(); });
}

void Engine::Parts::trim() {
    beats_since_trim = 0;
    auto work = [] {
        give_back_memory();
        return true;
    };
    asio::co_spawn(io, database.on_pool(std::move(work)), [](std::exception_ptr, bool) {});
}

/// What another node deployed, held or released holds here too.
asio::awaitable<void> Engine::Parts::follow_deploys() {
    if (co_await store.flow_marks() == catalogue.marks()) co_return;
    auto flows = co_await store.flows();
    catalogue.replace(std::move(flows));
    co_await schedules->load();
}

/// Who shares the schedules with us, and whose lease will run out: that one does not live, its runs are adopted at once then.
asio::awaitable<void> Engine::Parts::look_at_nodes() {
    const auto nodes = co_await store.living_nodes();
    const auto newest = co_await store.newest_run_ids();
    if (stopping) co_return;
    ids.see_newest(newest);
    std::vector<std::string> ids;
    std::chrono::microseconds first = lease_length - 2 * heartbeat; // who lives has more left
    for (const auto& [id, left] : nodes) {
        ids.push_back(id);
        if (id != node.id) first = std::min(first, left);
    }
    clock.cancel(look_timer);
    if (first < lease_length - 2 * heartbeat)
        look_timer = clock.call_after(first + std::chrono::milliseconds(20), [this] { look_at_others_soon(); });
    others_live = ids.size() > 1;
    if (credentials) credentials->set_nodes(ids.size());
    schedules->share_among(std::move(ids));
}

/// Schedules go by the wall clock, and whoever's is ahead would take what is to come from the others.
asio::awaitable<void> Engine::Parts::look_at_clocks() {
    const auto clocks = co_await store.clocks(node.epoch, clock.now());
    if (stopping || clocks.own_is_wrong() != clock_wrong.empty()) co_return;
    clock_wrong = !clocks.own_is_wrong() ? ""
                                         : fmt::format("the clock of node {} is {:.0f} s {} that of the store, and another node's is not",
                                                       node.id, std::abs(clocks.own_ahead), clocks.own_ahead > 0 ? "ahead of" : "behind");
    const bool is_wrong = !clock_wrong.empty();
    schedules->trust_clock(!is_wrong);
    EventRow event;
    event.at = clock.now();
    event.kind = is_wrong ? "clock_wrong" : "clock_right";
    event.message = is_wrong ? clock_wrong + ": its schedules rest, other nodes fire. Set it right, with NTP for example"
                             : "the clock of node " + node.id + " is right again: its schedules fire";
    event.details = {{"node", node.id}, {"seconds", std::llround(clocks.own_ahead)}};
    spdlog::log(is_wrong ? spdlog::level::err : spdlog::level::info, "{}", event.message);
    RunChanges told;
    told.events.push_back(std::move(event));
    journal->submit(std::move(told));
}

/// A file system that is not mounted any more: task runs wait, and nothing is adopted, until it is there again.
asio::awaitable<void> Engine::Parts::look_at_staging() {
    const auto may = staging.is_own && !others_live ? MayRemake::Yes : MayRemake::No;
    auto look = [folder = std::filesystem::absolute(config.staging), mark = staging.mark, may] {
        return still_has_mark(folder, mark, may);
    };
    const bool is_there = co_await database.on_pool(std::move(look));
    if (stopping || is_there == staging_lost.empty()) co_return;
    const auto folder = std::filesystem::absolute(config.staging).string();
    staging_lost = is_there ? "" : unproved_text(staging.mark, folder);
    RunChanges told;
    EventRow event;
    event.at = clock.now();
    event.kind = is_there ? "staging_found" : "staging_lost";
    event.message = is_there ? "the staging folder is there again: task runs begin"
                             : staging_lost + ": task runs wait. " + unproved_remedy(staging.mark, folder);
    if (is_there)
        spdlog::info("staging=found folder={}", folder);
    else
        spdlog::error("staging=lost reason=\"{}\" remedy=\"{}\"", staging_lost, unproved_remedy(staging.mark, folder));
    told.events.push_back(std::move(event));
    journal->submit(std::move(told));
}

/// A request that cannot be answered now is answered the next time.
void Engine::Parts::answer_requests_soon() {
    if (!others_live || stopping || std::exchange(answering, true)) return;
    asio::co_spawn(io, service->answer_requests(node.epoch), [this](std::exception_ptr) { answering = false; });
}

asio::awaitable<void> Engine::Parts::look_at_others() {
    co_await look_at_staging();
    if (staging_lost.empty()) co_await resume();
    co_await look_at_nodes();
    co_await look_at_clocks();
    co_await follow_deploys();
}

/// Runs of nodes that died, and flows that others changed. A store that hangs is asked once, and told of once.
void Engine::Parts::look_at_others_soon() {
    if (stopping) return;
    if (looking) {
        look_again = true;
        return;
    }
    looking = true;
    asio::co_spawn(io, look_at_others(), [this](std::exception_ptr failed) {
        looking = false;
        if (failed && !looking_failed) spdlog::warn("looking for what other nodes did failed; it is tried again");
        looking_failed = failed != nullptr;
        if (std::exchange(look_again, false)) look_at_others_soon();
    });
}

/// Nothing that is known here counts any more. What the store has forgotten, it is told.
void Engine::Parts::end(const std::optional<Return>& lost) {
    killed = true;
    lost_history = lost.has_value();
    schedules->stop();
    runner->set_admitting(false);
    hosts->kill_all();
    if (!lost) return fatal("another process has taken node " + node.id + "'s lease; its runs go on there");
    EventRow event{clock.now(), {}, {}, "history_lost", "node " + node.id + ": " + lost_message(*lost), lost_details(*lost)};
    auto why = event.message;
    asio::co_spawn(io, store.tell(std::move(event)), [this, why = std::move(why)](std::exception_ptr failed) {
        if (failed) spdlog::warn("the store cannot be told that it lost history");
        fatal(why);
    });
}

Engine::Engine(asio::io_context& io, Clock& clock, EngineConfig config, Connections& connections, FlowFolders& folders,
               std::function<void(std::string)> fatal)
    : parts_(std::make_unique<Parts>(io, clock, std::move(config), connections, folders, std::move(fatal), nullptr)) {}
Engine::Engine(asio::io_context& io, Clock& clock, EngineConfig config, Connections& connections, FlowFolders& folders,
               std::function<void(std::string)> fatal, std::unique_ptr<AttemptRunner> hosts)
    : parts_(std::make_unique<Parts>(io, clock, std::move(config), connections, folders, std::move(fatal), std::move(hosts))) {}
Engine::~Engine() {
    if (parts_->host_lock >= 0) close(parts_->host_lock);
}

asio::awaitable<void> Engine::start() { return parts_->start(); }

asio::awaitable<void> Engine::stop() {
    auto& p = *parts_;
    if (std::exchange(p.stopping, true) || !p.runner) co_return;
    p.clock.cancel(p.beat_timer);
    p.clock.cancel(p.look_timer);
    p.clock.cancel(p.zone_timer);
    p.lag.stop();
    p.schedules->stop();
    p.watch->stop();
    p.runner->set_admitting(false);
    if (p.credentials) p.credentials->stop();
    p.database.hurry(longest_last_call);
    p.retention->begin_no_more();
    PgJournal* journal = p.journal.get();
    auto write = [journal] {
        journal->close();
        return true;
    };
    (void)co_await p.database.on_pool(std::move(write));
    co_await p.retention->stop();
    if (p.pool)
        p.pool->close();
    else
        p.hosts->kill_all();
    try {
        if (const auto unused = p.ids.close()) co_await p.store.give_back_run_ids(p.node.epoch, unused->first, unused->block);
        co_await p.store.leave(p.node.epoch);
    } catch (const std::exception& e) {
        spdlog::warn("the lease could not be given back: {}", e.what());
    }
}

bool Engine::has_lost_history() const { return parts_->lost_history; }

Service& Engine::service() { return *parts_->service; }
ReadModels& Engine::read_models() { return *parts_->read_models; }
AttemptRunner& Engine::hosts() { return *parts_->hosts; }

} // namespace millrace
