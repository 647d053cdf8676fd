#include "scheduler/engine.hpp"

#include "flows/process_tree.hpp"
#include "scheduler/engine_parts.hpp"

#include "scheduler/give_back_memory.hpp"
#include "scheduler/pg_journal_statements.hpp"
#include "scheduler/store/history.hpp"
#include "scheduler/store/migrate.hpp"

#include <boost/asio/co_spawn.hpp>

#include <spdlog/spdlog.h>

#include <filesystem>

#include <unistd.h>

namespace millrace {
namespace asio = boost::asio;
namespace {

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

Engine::Parts::Parts(asio::io_context& loop, Clock& c, EngineConfig cfg, Connections& cs, FlowFolders& fs,
                     std::function<void(std::string)> f, std::unique_ptr<AttemptRunner> own)
    : io(loop), clock(c), config(std::move(cfg)), connections(cs), folders(fs), fatal(std::move(f)), hosts(std::move(own)),
      database(config.database, config.store_connections, pool_statements()), store(database), ids(io, store), lag(loop) {}

void Engine::Parts::make_hosts() {
    if (hosts) return;
    HostPoolConfig pool_config;
    pool_config.program = host_program(config);
    pool_config.environment = host_environment(config);
    pool_config.lock = host_lock;
    pool_config.extract_attempts = config.extract_attempts;
    pool_config.sql_hosts = config.sql_hosts;
    pool_config.run_attempts = config.run_attempts;
    pool_config.until = [this] { return journal->hosts_until() - lease_length / 20; }; // later than we would end them ourselves
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
    free_bit_by_bit();
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
    auto elsewhere = [this] { return database.wal(); };
    journal = std::make_unique<PgJournal>(io, config.database, node, std::move(elsewhere), std::move(ended));
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
    auto look_for_flows = [this] { return follow_deploys(); };
    service = std::make_unique<EngineService>(clock, store, catalogue, *runner, ids, *schedules, folders, connections, events, node.id,
                                              look_for_flows);
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
                                  [this] { return staging_lost; },
                                  look_for_flows};
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
