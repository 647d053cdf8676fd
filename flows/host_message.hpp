/// The messages between the daemon and its hosts: one JSON object per line over a socketpair (descriptor 3 in the host),
/// `{"type": ..., ...}`. This header is the whole protocol. Secrets travel only here, inside `AttemptOrder::connections`.
///
///   daemon -> host   attempt (AttemptOrder) | evaluate (EvaluateOrder) | infer (InferOrder) | lease (HostLease) | cancel {id} | exit {}
///                    | permits (PermitGrant) | pause (CredentialPause)
///   host -> daemon   ready (HostReady) | progress (AttemptProgress) | event (AttemptEvent) | done (AttemptDone)
///                    | rows (EvaluateReply) | inferred (InferReply)
///                    | permits (PermitRequest) | pause (CredentialPause) | quota (CredentialQuota)
///
/// The order of lines of one attempt: progress and event any number of times, then done, once, last. A host that closes
/// the socket before `done` has crashed. An unknown type or member is ignored, so that either side may be newer.
#pragma once

#include "flows/json.hpp"
#include "flows/origin.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// What the order's `id` means: unique for the life of the daemon; echoed in every answer.
using OrderId = std::int64_t;

/// Everything that `${}` and `$name` may refer to. Instants are RFC 3339 in UTC.
struct RunContext {
    std::string flow;
    std::int64_t run_id = 0;
    std::string run_at;                             ///< the run's recorded time: the only clock in SQL and `_loaded_at`
    std::string run_key;                            ///< section 5 of the design
    std::string timezone = "UTC";                   ///< of the flow; dates and formats are in it
    Json params = Json::object();                   ///< by name; decimals, dates and instants are text
    std::map<std::string, std::string> param_types; ///< by name, as ParamSpec::type: how `$name` is bound in SQL; absent: by the JSON type
    std::optional<std::string> interval_start, interval_end;
    int chunk_number = 0;           ///< 1-based; 1: the run is not cut
    std::int64_t chunk_of_run = 0;  ///< the run that is repeated when this chunk is; 0: it is no chunk
    std::int64_t allow_deletes = 0; ///< rows of each table that a person let this run delete, whatever `max_deletes` says
    bool full_refresh = false;
    std::optional<std::int64_t> limit_rows;
};
MILLRACE_JSON(RunContext)

/// One attempt of one task run. Paths are absolute.
struct AttemptOrder {
    OrderId id = 0;
    std::string task;
    std::string verb;              ///< extract | transform | load | run | wait (for an answer)
    int attempt = 1;               ///< 1-based, of this task run
    int attempts = 1;              ///< how many there may be
    Json options = Json::object(); ///< struct of task_options.hpp by verb
    Json item;                     ///< of a mapped task run; null: none
    RunContext context;
    std::string interval_key;                  ///< section 5
    std::string batch_id;                      ///< section 5; loads
    std::string staging;                       ///< folder of this task run, shared by its attempts: slices, dataset, manifest.json
    std::string project;                       ///< folder in which a command runs; empty: `staging`
    std::string log;                           ///< file that the host appends to, one JSON object per line (LogLine)
    std::map<std::string, std::string> inputs; ///< upstream task -> path of its manifest.json
    std::map<std::string, Json> connections;   ///< by name: {"type": ..., fields with secrets filled in}; only those needed
    Json source;                               ///< the spec of the connection's type for an extract, else null
    std::string source_file;                   ///< where that spec is corrected, in words; empty: unknown
    TaskOrigin origin;
    std::int64_t memory_bytes = 0; ///< 0: the host's default
    int threads = 0;               ///< 0: the host's default
    bool shared_rates = false;     ///< the daemon answers `permits`; else the host keeps rates by itself
    std::int64_t until = 0;        ///< CLOCK_BOOTTIME in µs, as of HostLease; 0: no end
};
MILLRACE_JSON(AttemptOrder)

/// Sent now and then to hosts that have attempts. From `until` on another node may have taken their runs over, and a daemon that
/// is frozen cannot tell them: they end themselves.
struct HostLease {
    std::int64_t until = 0; ///< CLOCK_BOOTTIME in µs
};
inline constexpr int exit_by_lease = 69; ///< EX_UNAVAILABLE of sysexits.h
MILLRACE_JSON(HostLease)

/// Requests of a credential are counted by its service together, from whichever host and node they come. `credential` is a hash
/// of its type, address and secrets; `connection` one of the names that it has, for people. Times are in seconds from the
/// moment of the message, so that no clocks are compared.
struct PermitRequest {
    std::string credential, connection;
    double rate = 0; ///< requests a second; 0: no limit, only pauses are asked for
    int count = 1;
};
MILLRACE_JSON(PermitRequest)

/// The first request after `wait`, each further one `spacing` later. A permit that is not used in its time is void: the time
/// after it is somebody else's.
struct PermitGrant {
    std::string credential;
    int count = 0;
    double wait = 0, spacing = 0;
    double paused = 0;  ///< nobody asks before; 0: now
    double share = 1;   ///< of the rate, for a host that is left alone
    bool alone = false; ///< nothing is known of the others: keep to the share for a while
};
MILLRACE_JSON(PermitGrant)

/// The service has said "later" to one, and means all.
struct CredentialPause {
    std::string credential, connection;
    double seconds = 0;
};
MILLRACE_JSON(CredentialPause)

/// What the service says is left of a quota (X-RateLimit-* and the like).
struct CredentialQuota {
    std::string credential, connection;
    std::optional<std::int64_t> limit;
    std::int64_t left = 0;
    double reset = 0; ///< seconds until it is whole again; 0: not said
};
MILLRACE_JSON(CredentialQuota)

/// A query over datasets for the daemon's own decisions: `when:` (one row, one boolean) and `for_each:` (the items).
struct EvaluateOrder {
    OrderId id = 0;
    std::string sql;
    std::map<std::string, std::string> inputs; ///< task -> manifest path
    RunContext context;
    std::int64_t max_rows = 10000; ///< more rows is an error that says so
    bool distinct = false;         ///< of rows that are the same only the first: items
    double timeout = 600;          ///< seconds, after which its host is killed; hosts are not told
};
MILLRACE_JSON(EvaluateOrder)

struct OrderError {
    std::string error_class; ///< a name of ErrorClass
    std::string message;     ///< one sentence: the thing and the reason
    std::string remedy;      ///< may be empty
    double retry_after = 0;  ///< seconds; 0: not said
};
MILLRACE_JSON(OrderError)

/// Many rows come in several of these: the daemon's loop does not stand still while it reads them.
struct EvaluateReply {
    OrderId id = 0;
    std::vector<Json> rows;    ///< objects by column name
    std::int64_t repeated = 0; ///< rows that were left out, where `distinct` was asked for
    std::optional<OrderError> error;
    bool more = false; ///< rows follow in the next one
};
MILLRACE_JSON(EvaluateReply)

/// Prepares the SQL of a flow over empty tables: edges, schemas and mistakes, before anything runs.
struct InferColumn {
    std::string name;
    std::string type; ///< DuckDB's spelling
};
MILLRACE_JSON(InferColumn)

struct InferTask {
    std::string name;
    std::string sql;                                ///< of a transform; empty: a table whose columns are given
    std::vector<InferColumn> columns;               ///< of an extract or run: known beforehand; of a transform: its contract, may be empty
    bool schema_known = true;                       ///< false: a dataset without declared columns; what reads it cannot be prepared
    std::map<std::string, std::string> expressions; ///< more SQL to prepare: "when", "check NAME", "column NAME", "for_each"
};
MILLRACE_JSON(InferTask)

struct InferOrder {
    OrderId id = 0;
    std::vector<InferTask> tasks;
    std::map<std::string, std::string> bindings; ///< `$name` -> DuckDB type, everything that SQL may use
};
MILLRACE_JSON(InferOrder)

struct InferResult {
    std::string name;
    std::vector<std::string> reads;   ///< tasks of the order whose tables the SQL reads, when included
    std::vector<InferColumn> columns; ///< what the SQL gives (before the contract)
    bool schema_known = false;
    std::string error;      ///< empty: it prepares; else one sentence
    std::string expression; ///< which of `expressions` the error is in; empty: `sql`
    int error_offset = -1;  ///< byte in that SQL; -1: unknown
};
MILLRACE_JSON(InferResult)

struct InferReply {
    OrderId id = 0;
    std::vector<InferResult> tasks; ///< one for each task, in their order; then one, of the same name, for each further mistake
};
MILLRACE_JSON(InferReply)

struct HostReady {
    int pid = 0;
    std::string version;
};
MILLRACE_JSON(HostReady)

/// Totals since the attempt began, at most ten times a second. Members that mean nothing for the verb stay 0.
struct AttemptProgress {
    OrderId id = 0;
    std::string step; ///< what it does now: "requesting", "requesting at most 1 a second", "copying", "merging"
    std::int64_t requests = 0, pages = 0, records = 0, bytes = 0;
    std::int64_t slices_done = 0, slices_total = 0;
    std::int64_t records_total = 0; ///< as the source announces it; 0: unknown
};
MILLRACE_JSON(AttemptProgress)

/// A warning or a fact that outlives the log: drift, a repeated walk, a quarantine.
struct AttemptEvent {
    OrderId id = 0;
    std::string kind; ///< warning | drifted | quarantined | ...
    std::string message;
    Json details = Json::object();
};
MILLRACE_JSON(AttemptEvent)

/// What a load did to one table.
struct LoadCounts {
    std::string table;
    std::int64_t inserted = 0, updated = 0, unchanged = 0, deleted = 0, rejected = 0;
    double seconds = 0;
    bool already_loaded = false; ///< the ledger knew the batch
};
MILLRACE_JSON(LoadCounts)

struct AttemptDone {
    OrderId id = 0;
    std::string outcome;             ///< completed | failed | retry (the `run` protocol's exit 75) | not_yet (of a wait) | cancelled
    std::optional<OrderError> error; ///< when not completed
    std::string answer;              ///< when not_yet: in words, "no row"; then the same attempt is ordered again later
    std::string manifest;            ///< path of the dataset's manifest.json; empty: no dataset
    std::string dataset_hash;
    std::int64_t rows = 0;
    std::int64_t rejected = 0;
    std::int64_t warned = 0; ///< rows of the dataset that break a check of severity warn
    std::string rejects;     ///< path of the manifest of the rows of both, whatever the outcome; empty: none were kept
    std::vector<LoadCounts> loads;
    AttemptProgress progress; ///< the final totals
};
MILLRACE_JSON(AttemptDone)

/// One line of an attempt's log file. The last line of a finished attempt has `end` true: it is written before the
/// final state, so a log without it belongs to an attempt that runs or died.
struct LogLine {
    std::string at;    ///< RFC 3339
    std::string level; ///< debug | info | warning | error | out | err (the last two: a command's stdout and stderr)
    std::string text;
    bool end = false;
};
MILLRACE_JSON(LogLine)

/// `{"type": type, ...members}` and a newline. `message` is any struct of this file. Bytes that are no UTF-8 are replaced.
[[nodiscard]] std::string to_line(std::string_view type, Json message);

} // namespace millrace
