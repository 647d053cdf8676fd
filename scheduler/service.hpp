/// The write side of the engine: everything that a person, the API or a schedule may ask for. Reading is read_models.hpp.
///
/// Called on the loop's thread. A method returns once what it did is committed, and throws Refusal where it does not do it.
#pragma once

#include "flows/json.hpp"
#include "flows/plan.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace millrace {

/// A request that the engine does not grant. `what()` is one sentence for the person who asked.
class Refusal : public std::runtime_error {
public:
    enum class Kind {
        NotFound,    ///< no such flow, run or task (HTTP 404)
        Invalid,     ///< the request itself is wrong: an unknown or ill-typed parameter (422)
        Conflict,    ///< not in this state, or the same idempotency key with other content (409)
        Unavailable, ///< the store cannot be reached, or this node is going down (503)
    };
    Refusal(Kind k, const std::string& message, std::string what_to_do = {})
        : std::runtime_error(message), kind(k), remedy(std::move(what_to_do)) {}
    Kind kind;
    std::string remedy;
};

/// The interval in chunks that are runs of their own (scheduler/backfill.hpp).
struct BackfillOptions {
    std::string every;  ///< length of a chunk, as a flow file has it; empty: the flow's `chunk`, else its `every`
    int at_once = 1;    ///< chunks under way, at most
    bool again = false; ///< also those that an earlier run completed
};

struct TriggerRequest {
    std::string flow;
    Json params = Json::object();                            ///< by name; checked against the flow's params, defaults are filled in
    std::optional<std::string> interval_start, interval_end; ///< a date or RFC 3339; both or none
    std::string idempotency_key;                             ///< empty: none
    std::optional<std::int64_t> limit_rows;
    bool full_refresh = false;
    bool cut_steps = false; ///< though loads replace rows, the interval, or a chunk, need not be made of whole steps of `every`
    std::optional<BackfillOptions> backfill{};
    std::string trigger = "api"; ///< api | cli | backfill
};

struct TriggerResult {
    enum class Outcome {
        Created,
        Existing, ///< this idempotency key made the run before
        Skipped,  ///< `overlap: skip` and another run is active; `run` is in state skipped
    };
    Outcome outcome = Outcome::Created;
    Json run; ///< the run document
};

struct RerunRequest {
    std::int64_t run_id = 0;
    enum class From { Start, Failed, Task } from = From::Start;
    std::string task; ///< for From::Task: this one and everything after it
    std::string trigger = "rerun";
    std::int64_t allow_deletes = 0; ///< rows of each table that this run may delete, whatever `max_deletes` says
    Json params = Json::object();   ///< with other values than it had
    bool pinned = false;            ///< on the plan that it had, not on the newest
    std::string by = {};            ///< who asks, as for `cancel` below
    std::string idempotency_key{};  ///< empty: none
};

struct DeployRequest {
    std::vector<std::string> folders; ///< empty: all that are configured
    bool dry_run = false;
    bool at_start = false; ///< of the daemon: limits that other living nodes have stay as those have them
};

/// What changed, as Server-Sent Events tell it: `type` run | task_run | progress | log | flow, `data` the document.
struct EngineEvent {
    EngineEvent(std::string event_type, std::int64_t run, Json document)
        : type(std::move(event_type)), run_id(run), data(std::move(document)) {}
    std::string type;
    std::int64_t run_id = 0; ///< 0: of no run
    Json data;
};

/// Ends the subscription when destroyed; may outlive the service.
class Subscription {
public:
    virtual ~Subscription() = default;
};

class Service {
public:
    virtual ~Service() = default;

    [[nodiscard]] virtual boost::asio::awaitable<TriggerResult> trigger(TriggerRequest request) = 0;
    /// The chunks that such a trigger with `backfill` would run: {flow, timezone, chunks: [{number, start, end, completed_by}], left}.
    [[nodiscard]] virtual boost::asio::awaitable<Json> plan_backfill(TriggerRequest request) = 0;
    /// Each returns the run document. `by` names who asked, for the event: "uid 1000", "key ops".
    [[nodiscard]] virtual boost::asio::awaitable<Json> cancel(std::int64_t run_id, std::string by) = 0;
    [[nodiscard]] virtual boost::asio::awaitable<Json> pause(std::int64_t run_id, std::string by) = 0;
    [[nodiscard]] virtual boost::asio::awaitable<Json> resume(std::int64_t run_id, std::string by) = 0;
    [[nodiscard]] virtual boost::asio::awaitable<Json> approve(std::int64_t run_id, std::string task, std::string comment,
                                                               std::string by) = 0;
    [[nodiscard]] virtual boost::asio::awaitable<Json> reject(std::int64_t run_id, std::string task, std::string comment,
                                                              std::string by) = 0;
    /// The run document with `outcome`: created, existing or skipped, as of a TriggerResult.
    [[nodiscard]] virtual boost::asio::awaitable<Json> rerun(RerunRequest request) = 0;

    /// Holds or releases all schedules of a flow. Returns the flow document.
    [[nodiscard]] virtual boost::asio::awaitable<Json> set_schedules_paused(std::string flow, bool paused) = 0;
    /// Reads the folders through FlowFolders (ports.hpp) and stores what compiled: all or nothing per folder.
    /// Returns `{changes: [{flow, change: new|changed|unchanged|archived|error, hash, diagnostics}], settings}`, the latter as in
    /// CompiledProject.
    [[nodiscard]] virtual boost::asio::awaitable<Json> deploy(DeployRequest request) = 0;

    /// `receive` is called on the loop for every change from now on, after it was committed.
    [[nodiscard]] virtual std::unique_ptr<Subscription> subscribe(std::function<void(const EngineEvent&)> receive) = 0;
};

} // namespace millrace
