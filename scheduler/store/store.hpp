/// The store's verbs beside the journal: taking over, deploying, looking up. Each is one transaction on the pool; all are
/// repeatable. Reading for the API is pg_read_models.hpp.
#pragma once

#include "scheduler/pg_journal.hpp"
#include "scheduler/store/database.hpp"
#include "scheduler/store/rows.hpp"
#include "scheduler/store/slots.hpp"

#include <map>
#include <set>

namespace millrace {

/// A flow as the catalogue knows it.
struct DeployedFlow {
    std::string name, plan_hash, folder;
    Instant deployed_at{};
    bool archived = false, paused = false;
    int held = 0; ///< of its schedules, after failures
    std::shared_ptr<const FlowPlan> plan;
};

struct StoredSchedule {
    std::string flow;
    int number = 0;
    ScheduleSpec spec;
    bool paused = false; ///< of the flow
    Instant changed_at{};
    std::optional<Instant> next_at;
    std::string next_local;
    int failures = 0;        ///< of its runs, in a row
    bool held = false;       ///< after `pause_after` of them
    bool lacks_zone = false; ///< this machine does not know its time zone
    [[nodiscard]] bool is_paused() const { return paused || spec.paused || held; }
    /// It starts no run.
    [[nodiscard]] bool rests() const { return is_paused() || lacks_zone; }
};

/// A run that has to go on, with its task runs.
struct StoredRun {
    RunRow row;
    int warnings = 0; ///< of its events
    std::vector<StoredTaskRun> task_runs;
};

/// What deploy does to one flow.
struct FlowChange {
    std::string flow, folder, plan_hash;
    std::string plan_json;                 ///< canonical; empty: archive
    std::vector<StoredSchedule> schedules; ///< with their next firings
    bool keep_schedules = false;           ///< they did not change: their times stay
};

/// What schedules ask of the store.
class ScheduleStore {
public:
    virtual ~ScheduleStore() = default;
    /// Of flows that are not archived, by flow and number.
    [[nodiscard]] virtual boost::asio::awaitable<std::vector<StoredSchedule>> schedules() = 0;
    /// Their next firings, where no firing takes them along.
    [[nodiscard]] virtual boost::asio::awaitable<void> set_next(std::vector<StoredSchedule> schedules) = 0;
    /// The same where the store has a later one or none.
    [[nodiscard]] virtual boost::asio::awaitable<void> bring_back(std::vector<StoredSchedule> schedules) = 0;
    /// What comes next of these as the store knows it: another node may have fired. One entry each, in their order; nothing
    /// for a schedule that is gone or held.
    struct Next {
        std::optional<Instant> at;
        std::string local;
    };
    [[nodiscard]] virtual boost::asio::awaitable<std::vector<std::optional<Next>>>
    next_of(std::vector<std::pair<std::string, int>> schedules) = 0;
};

/// Seconds that the wall clocks of living nodes show more than the store's.
struct Clocks {
    double own_ahead = 0;
    std::vector<double> others_ahead;
    /// Off by more than a minute, where that of another node is right: where all are off it is the store's.
    [[nodiscard]] bool own_is_wrong() const;
};

class Store final : public ScheduleStore {
public:
    explicit Store(Database& database) : database_(database) {}

    /// Makes this process the node `id`: a new epoch, and every live run of a node that is dead becomes ours. A node is
    /// dead when it is our own former self (`sole`: we hold the lock of its state folder) or its lease has run out.
    /// Throws Refusal{Conflict} when node `id` lives elsewhere.
    [[nodiscard]] boost::asio::awaitable<NodeIdentity> take_node(std::string id, bool sole, Instant now);
    /// Live runs of dead nodes become ours. Returns the ids of all live runs that are.
    [[nodiscard]] boost::asio::awaitable<std::vector<std::int64_t>> adopt(std::string epoch);
    /// Those `of` these that are live and the epoch's, by id.
    [[nodiscard]] boost::asio::awaitable<std::vector<StoredRun>> live_runs(std::string epoch, std::vector<std::int64_t> of);
    /// An event that no run's commit takes along.
    [[nodiscard]] boost::asio::awaitable<void> tell(EventRow event);
    /// Ends the lease: a node that stops on purpose makes nobody wait.
    [[nodiscard]] boost::asio::awaitable<void> leave(std::string epoch);

    /// Where each of that many blocks begins: `run_id_block` new run ids from there, which the periods cover (periods.hpp).
    [[nodiscard]] boost::asio::awaitable<std::vector<std::int64_t>> new_run_ids(int blocks);
    /// Where the block begins that was given last, to whichever node.
    [[nodiscard]] boost::asio::awaitable<std::int64_t> newest_run_ids();
    /// Before a node's first new_run_ids(): the next block begins behind the last run, so that the numbers that a killed daemon had
    /// in hand are not lost, unless another node has ever been: it may be suspended with numbers of its own.
    /// A number is never given twice, since batches in targets carry it: what removes old runs has to leave the newest one.
    [[nodiscard]] boost::asio::awaitable<void> take_back_run_ids(std::string epoch);
    /// The next new_run_ids() begins at `first`, unless a block was taken after `newest_block` or another node lives.
    [[nodiscard]] boost::asio::awaitable<void> give_back_run_ids(std::string epoch, std::int64_t first, std::int64_t newest_block);

    [[nodiscard]] boost::asio::awaitable<std::vector<DeployedFlow>> flows();
    /// As Catalogue::marks() gives them for the same flows.
    [[nodiscard]] boost::asio::awaitable<std::string> flow_marks();
    [[nodiscard]] boost::asio::awaitable<std::shared_ptr<const FlowPlan>> plan(std::string hash);
    [[nodiscard]] boost::asio::awaitable<std::vector<StoredSchedule>> schedules() override;
    /// Flows and, unless those stay, limits as set_limits() does, at one moment.
    [[nodiscard]] boost::asio::awaitable<PutLimits> deploy(std::vector<FlowChange> changes, std::optional<Limits> limits, Instant now,
                                                           std::string starting = {});
    /// Not paused: nor are those of its schedules that failures hold, and they count anew.
    [[nodiscard]] boost::asio::awaitable<void> pause_flow(std::string flow, bool paused);
    [[nodiscard]] boost::asio::awaitable<void> set_next(std::vector<StoredSchedule> schedules) override;
    [[nodiscard]] boost::asio::awaitable<void> bring_back(std::vector<StoredSchedule> schedules) override;
    [[nodiscard]] boost::asio::awaitable<std::vector<std::optional<Next>>>
    next_of(std::vector<std::pair<std::string, int>> schedules) override;
    /// The nodes that live, and how much is left of their leases, sorted by id.
    [[nodiscard]] boost::asio::awaitable<std::map<std::string, std::chrono::microseconds>> living_nodes();

    /// Notes how the clock of the node of this epoch, which shows `now`, and the store's differ, and returns what living nodes noted.
    [[nodiscard]] boost::asio::awaitable<Clocks> clocks(std::string epoch, Instant now);

    /// For the node that drives the run; its number.
    [[nodiscard]] boost::asio::awaitable<std::int64_t> put_request(RunRequest request, Instant now);
    /// Of runs that this epoch drives, those that nobody answered yet, oldest first.
    [[nodiscard]] boost::asio::awaitable<std::vector<std::pair<std::int64_t, RunRequest>>> requests_to(std::string epoch);
    struct Answer {
        std::string refusal, remedy; ///< empty: done
    };
    [[nodiscard]] boost::asio::awaitable<void> answer_request(std::int64_t id, Answer answer);
    /// Nothing as long as there is none; it is told once.
    [[nodiscard]] boost::asio::awaitable<std::optional<Answer>> answer_to(std::int64_t id);

    /// Runs without their task runs.
    [[nodiscard]] boost::asio::awaitable<std::optional<RunRow>> run(std::int64_t id);
    [[nodiscard]] boost::asio::awaitable<std::vector<RunRow>> runs_by_id(std::vector<std::int64_t> ids);
    [[nodiscard]] boost::asio::awaitable<std::optional<RunRow>> run_by_idempotency_key(std::string flow, std::string key);
    [[nodiscard]] boost::asio::awaitable<std::vector<RunRow>> chunks(std::int64_t parent);
    /// Of the flow, on whatever node.
    [[nodiscard]] boost::asio::awaitable<std::vector<RunRow>> live_backfills(std::string flow);
    /// Those of the flow, oldest first, whose interval lies within this one.
    [[nodiscard]] boost::asio::awaitable<std::vector<RunRow>> completed_within(std::string flow, Instant start, Instant end);
    [[nodiscard]] boost::asio::awaitable<std::vector<StoredTaskRun>> task_runs(std::int64_t run_id);
    /// Those of `paths`, which rows name, that are not on disk.
    [[nodiscard]] boost::asio::awaitable<std::set<std::string>> missing_files(std::vector<std::string> paths);

    /// Makes `limits` the slots that exist. A surplus one that is held stays with its holder and counts until it is free. What
    /// deployed flows and live runs demand is there in any case. `starting`: the id of a node that starts; where others live, theirs
    /// stay, and only limits that they do not have are added.
    [[nodiscard]] boost::asio::awaitable<PutLimits> set_limits(Limits limits, std::string starting = {});
    /// All slots of `demands` or none. Slots whose epoch is no node's count as free.
    [[nodiscard]] boost::asio::awaitable<SlotClaim> claim_slots(std::string epoch, std::int64_t run_id, TaskKey key,
                                                                std::vector<SlotDemand> demands, Instant now);

    /// The next permits of a credential, at its rate over all nodes. Those of a paused one are good when that is over.
    [[nodiscard]] boost::asio::awaitable<PermitGrant> claim_permits(PermitRequest request);
    [[nodiscard]] boost::asio::awaitable<void> pause_credential(CredentialPause pause);
    /// Of one that somebody has asked permits for.
    [[nodiscard]] boost::asio::awaitable<void> note_quota(CredentialQuota quota);
    /// Seconds until the pauses of these are over; without those that are.
    [[nodiscard]] boost::asio::awaitable<std::map<std::string, double>> credential_pauses(std::vector<std::string> credentials);

private:
    Database& database_;
};

inline constexpr std::int64_t run_id_block = 64;

[[nodiscard]] const std::vector<Statement>& store_statements();

/// The columns that run_from() reads, for `select` lists over millrace.run.
inline constexpr const char* run_columns =
    "id, flow, plan_hash, staging_id, run_key, idempotency_key, request_hash, trigger, state, state_name, message, params, options, "
    "summary,"
    " extract(epoch from interval_start) * 1000000, extract(epoch from interval_end) * 1000000, extract(epoch from created_at) * 1000000,"
    " extract(epoch from scheduled_for) * 1000000, extract(epoch from started_at) * 1000000, extract(epoch from finished_at) * 1000000,"
    " rerun_of, parent_id, chunk_number, chunk_of";
[[nodiscard]] RunRow run_from(const pqxx::row& row);

/// Likewise for millrace.task_run.
inline constexpr const char* task_run_columns =
    "task, item, attempts, charged, state, state_name, extract(epoch from started_at) * 1000000, extract(epoch from finished_at) * 1000000,"
    " extract(epoch from due_at) * 1000000, message, error, value, result";
[[nodiscard]] StoredTaskRun task_run_from(const pqxx::row& row);

/// Microseconds as the lists above give them; nothing for NULL.
[[nodiscard]] std::optional<Instant> instant_from(const pqxx::field& field);

/// A name with the life of the program: RunPlan keeps state names as pointers.
[[nodiscard]] const char* interned(const std::string& name);

} // namespace millrace
