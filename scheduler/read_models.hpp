/// The read side: the API's documents (section 11 of the design), made from the store's rows. Lists are `{items, next}`:
/// `next` is an opaque text for the next call's `after`, null on the last page. Absent members are null.
///
/// Called on the loop's thread. Throws Refusal{NotFound} for what does not exist, Refusal{Unavailable} without a store.
#pragma once

#include "flows/json.hpp"
#include "scheduler/service.hpp"

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

namespace millrace {

struct RunFilter {
    std::string flow;                   ///< empty: all
    std::vector<std::string> states;    ///< empty: all
    std::optional<std::int64_t> parent; ///< chunks of this run; without it chunks are left out
    int limit = 50;                     ///< at most 500
    std::string after;
};

struct TaskFilter {
    std::string task; ///< empty: all
    std::vector<std::string> states;
    bool without_items = false; ///< only the tasks themselves
    int limit = 1000;           ///< at most 10000
    std::string after;
};

struct LogFilter {
    std::string task;  ///< empty: all tasks, in the order in which their attempts began
    int attempt = 0;   ///< 0: all
    std::string after; ///< the `next` of the previous answer
    int limit = 1000;
    std::string search{}; ///< only lines with this text, upper and lower case alike; empty: all
    std::string level{};  ///< of this level or a higher one: debug, info, warning, error; empty: all
};

struct RunEventFilter {
    bool only_warnings = false; ///< those that `warnings` of the run's document begins with
    int limit = 1000;           ///< at most 10000
    std::string after;
};

class ReadModels {
public:
    virtual ~ReadModels() = default;

    [[nodiscard]] virtual boost::asio::awaitable<Json> flows() = 0;
    /// With `events`: those of it that belong to no run.
    [[nodiscard]] virtual boost::asio::awaitable<Json> flow(std::string name) = 0;
    /// The compiled plan, as `flows plan NAME` shows it.
    [[nodiscard]] virtual boost::asio::awaitable<Json> plan(std::string flow) = 0;
    /// A flow that was archived is one; a run that is cut into chunks has `chunk_runs`.
    [[nodiscard]] virtual boost::asio::awaitable<Json> runs(RunFilter filter) = 0;
    /// The run with `tasks` (the first 1,000; the rest by `tasks()`), `chunks` and `warnings` (the first 20; the rest by `events()`).
    [[nodiscard]] virtual boost::asio::awaitable<Json> run(std::int64_t id) = 0;
    [[nodiscard]] virtual boost::asio::awaitable<Json> tasks(std::int64_t run_id, TaskFilter filter) = 0;
    /// `{items: [{task, item, attempt, line, at, level, text}], next, end}`; `end`: nothing will follow. A line without a task is what
    /// somebody did to the run.
    [[nodiscard]] virtual boost::asio::awaitable<Json> logs(std::int64_t run_id, LogFilter filter) = 0;
    /// In the order in which they were recorded.
    [[nodiscard]] virtual boost::asio::awaitable<Json> events(std::int64_t run_id, RunEventFilter filter) = 0;
    /// `{nodes: [{task, verb, state}], edges: [[from, to]]}`
    [[nodiscard]] virtual boost::asio::awaitable<Json> graph(std::int64_t run_id) = 0;
    /// `{columns: [{name, type}], rows: [...], total}`: the first rows of a task's dataset, read in a host.
    [[nodiscard]] virtual boost::asio::awaitable<Json> dataset(std::int64_t run_id, std::string task, int limit) = 0;
    /// `{columns: [name], rows: [{item, column, rule, value, position, fields}], total}`: the first rows that a task's contract kept
    /// out, of all its items, read in a host; also of a task that failed because of them.
    [[nodiscard]] virtual boost::asio::awaitable<Json> rejected_rows(std::int64_t run_id, std::string task, int limit) = 0;
    [[nodiscard]] virtual boost::asio::awaitable<Json> schedules() = 0;
    [[nodiscard]] virtual boost::asio::awaitable<Json> nodes() = 0;
    /// `{items: [{key, kind: slots, slots, held: [{run_id, task, item, since}], waiting: [{run_id, flow, task, item}]}]}`; more are held
    /// than there are slots where the limit was lowered. Then the credentials of sources: `{key, kind: rate, connection, rate, in_use,
    /// paused_until, quota_limit, quota_left, quota_reset_at}`; requests a second.
    [[nodiscard]] virtual boost::asio::awaitable<Json> limits() = 0;
    /// Facts for `millrace doctor`: `{store: {server, schema_version, size_bytes}, node: {...}, hosts: [...], journal: {...},
    /// events: [{id, at, flow, kind, message, details}]}`, those of the last days that belong to no run.
    [[nodiscard]] virtual boost::asio::awaitable<Json> doctor() = 0;
    /// Its `settings.missing`, without a look at the store.
    [[nodiscard]] virtual Json lacks() const = 0;
    /// Figures for /metrics and /readyz: plain numbers by name, counters end in `_total`; never throws. `journal_alive`
    /// (0 or 1): the journal's last commit still lets this node start attempts.
    [[nodiscard]] virtual Json figures() const = 0;
};

} // namespace millrace
