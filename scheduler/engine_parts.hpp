/// What an Engine is made of: only its own files see it.
#pragma once

#include "scheduler/credentials.hpp"
#include "scheduler/disk_guard.hpp"
#include "scheduler/engine.hpp"
#include "scheduler/engine_service.hpp"
#include "scheduler/expectation_watch.hpp"
#include "scheduler/host_pool.hpp"
#include "scheduler/loop_lag.hpp"
#include "scheduler/pg_journal.hpp"
#include "scheduler/pg_read_models.hpp"
#include "scheduler/retention_job.hpp"
#include "scheduler/run_id_block.hpp"
#include "scheduler/runner.hpp"
#include "scheduler/schedules.hpp"
#include "scheduler/staging_mark.hpp"
#include "scheduler/state_lock.hpp"
#include "scheduler/store/store.hpp"

namespace millrace {

struct Engine::Parts {
    Parts(boost::asio::io_context& loop, Clock& c, EngineConfig cfg, Connections& cs, FlowFolders& fs, std::function<void(std::string)> f,
          std::unique_ptr<AttemptRunner> own);

    boost::asio::awaitable<void> start();
    boost::asio::awaitable<void> resume();
    boost::asio::awaitable<Runner::Resumed> resumed(StoredRun run);
    boost::asio::awaitable<void> try_each(std::vector<StoredRun> stored, std::vector<Runner::Resumed>& runs,
                                          std::map<std::int64_t, std::string>& failures);
    void tell_not_resumed(std::map<std::int64_t, std::string> failures);
    boost::asio::awaitable<void> prove_staging();
    void make_hosts();
    void make_retention();
    void claim_slots(std::int64_t run_id, TaskKey key, std::vector<SlotDemand> demands, std::function<void(SlotClaim)> answer);
    void make_disk_guard();
    void beat();
    void look_at_lease();
    void trim();
    void look_at_zones();
    boost::asio::awaitable<void> follow_deploys();
    boost::asio::awaitable<void> look_at_nodes();
    boost::asio::awaitable<void> look_at_clocks();
    boost::asio::awaitable<void> look_at_staging();
    boost::asio::awaitable<void> look_at_others();
    void look_at_others_soon();
    void answer_requests_soon();
    void end(const std::optional<Return>& lost);

    boost::asio::io_context& io;
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
    std::map<std::int64_t, std::string> not_resumed;   ///< runs that are ours and cannot be taken over, and why
    std::map<std::int64_t, std::int64_t> kept_waiting; ///< ours too -> the one of those that it waits for
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
    OneAtATime looks_at_flows;         ///< else what was read first could come last
    bool looks_when_committed = false; ///< at its lease: what tells it is on its way
    bool looking = false, look_again = false, looking_failed = false;
    int beats = 0, beats_since_trim = 0;
    std::uint64_t rows_at_beat = 0; ///< that the journal had written
};

} // namespace millrace
