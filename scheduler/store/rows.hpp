/// The rows of the store as values. They carry no behaviour: RunPlan decides, Journal writes, read models show.
#pragma once

#include "flows/run_plan.hpp"

#include <optional>
#include <string>
#include <vector>

namespace millrace {

struct RunRow {
    std::int64_t id = 0;
    std::string flow, plan_hash;
    std::string staging_id;      ///< uuid: folder of its datasets and logs
    std::string run_key;         ///< section 5 of the design
    std::string idempotency_key; ///< empty: none
    std::string request_hash;    ///< of what was asked with the idempotency key
    std::string trigger;         ///< schedule | api | cli | rerun | backfill | flow
    State state = State::Pending;
    std::string state_name = "Pending";
    std::string message;
    Json params = Json::object();
    Json options = Json::object(); ///< {schedule: number of the one that started it, limit_rows, full_refresh, reuse_before: TASK or "",
                                   ///< chunk_number: of the chunk that it repeats, allow_deletes: {rows, by}, catch_up: of a missed
                                   ///< firing, which queues, backfill: scheduler/backfill.hpp, cause: scheduler/caused_runs.hpp}
    Json summary; ///< {counts, loads, warnings, of a backfill chunks_done_before}; until the run ends null, or pauses_json()
    std::optional<Instant> interval_start, interval_end;
    Instant created_at{};
    std::optional<Instant> scheduled_for, started_at, finished_at;
    std::optional<std::int64_t> rerun_of, parent_id;
    int chunk_number = 0, chunk_of = 0; ///< 0: not a chunk
};

/// What the journal writes of a task run. `is_new`: an insert, with its `value`.
struct TaskRunRow {
    TaskKey key;
    bool is_new = false;
    int attempts = 0, charged = 0;
    State state = State::Pending;
    const char* state_name = "Pending";
    std::optional<Instant> started_at, finished_at, due_at;
    std::string message, error, value, result; ///< the last three JSON text; empty: null
};

struct AttemptRow {
    TaskKey key;
    int number = 1;
    State state = State::Running;
    std::string log; ///< path of its log file
    Instant started_at{};
    std::optional<Instant> finished_at;
    std::string error; ///< JSON text; empty: null
};

struct EventRow {
    Instant at{};
    std::string flow, task, kind, message;
    Json details = Json::object();
};

/// What somebody asks of a live run.
struct RunRequest {
    std::int64_t run_id = 0;
    std::string what;          ///< cancel | pause | resume | approve | reject
    std::string task, comment; ///< of the last two
    std::string by;
};

struct FiringRow {
    std::string flow;
    int schedule = 0;
    Instant nominal{};
    std::string local;
    std::optional<Instant> next_at; ///< the schedule's next firing, stored with this one
    std::string next_local;
    std::optional<Instant> changed_at; ///< of the schedule as it was known: one that was deployed anew fires by itself. Nothing: any
};

/// The end of a run that a schedule with `pause_after` started.
struct ScheduleEnd {
    std::string flow;
    int schedule = 0;
    bool failed = false; ///< or crashed; else it completed
    Instant at{};
};

} // namespace millrace
