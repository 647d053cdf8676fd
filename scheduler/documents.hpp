/// The API's documents of runs and task runs, made from values: the same for rows of the store and for live runs.
#pragma once

#include "scheduler/expectations.hpp"
#include "scheduler/store/rows.hpp"

namespace millrace {

/// `summary`: as the row's of a run that ended; null: nothing was done yet.
[[nodiscard]] Json run_document(const RunRow& row, const Json& summary);
/// `progress`: of the attempt under way, null for none.
[[nodiscard]] Json task_run_document(const FlowPlan& flow, TaskKey key, const TaskRun& run, const Json& progress);
/// An event that somebody should see beside the end of its run; Store::live_runs and the events of a run know the same kinds.
[[nodiscard]] inline bool is_warning(std::string_view kind) { return kind == "warning" || kind == "quarantined" || kind == "drifted"; }

/// Of a run of which nothing has begun in time: its state's name is "Late", and its message begins with `why`.
void mark_late(Json& run_document, const std::string& why);

[[nodiscard]] Json error_json(const OrderError& error);
/// A live run's, in its summary: {"paused": {"before": [[from, to]], "since": null or from}}; null where it never was paused.
[[nodiscard]] Json pauses_json(const Pauses& pauses);
[[nodiscard]] Pauses pauses_from(const Json& summary);
/// {<state>: n}, zeros left out.
[[nodiscard]] Json counts_json(const std::array<int, 11>& counts);
/// [{task, table, inserted, ...}] of a task run's result; nothing of one that is an earlier run's.
void append_loads(Json& loads, const std::string& task, const TaskRun& run);
/// Sums `more` into `loads`, by task and table: what a run in chunks did altogether.
void add_loads(Json& loads, const Json& more);
/// Sums of counts by state.
void add_counts(Json& counts, const Json& more);

[[nodiscard]] Json instant_json(std::optional<Instant> t);
/// How an item is named in paths and in the API: 16 hex digits of its content's hash.
[[nodiscard]] std::string item_hash(const Json& item);

} // namespace millrace
