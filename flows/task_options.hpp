/// What each verb was told, in its normal form: the compiler of the flow language writes it, the daemon stores it inside
/// the plan, the host reads it. Strings may still hold `${}` references (substitute.hpp); shorthand is expanded, defaults
/// are filled in, durations are seconds, percentages are plain numbers (1 % is 1.0). JSON names are the members' names.
#pragma once

#include "flows/json.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// One line of `columns:`, "decimal(9,4) null check (hours >= 0)". `type` is DuckDB's spelling in upper case.
struct ColumnSpec {
    std::string name;
    std::string type;
    bool nullable = false;
    bool unique = false;
    std::string check;           ///< SQL over the row; empty: none
    std::string references_task; ///< empty: none
    std::string references_column;
};

/// One line of `checks:`. The SQL returns the rows that break the rule.
struct CheckSpec {
    std::string name;
    std::string sql;
    std::string severity = "error"; ///< error | warn
};

/// A limit that is a share or a count. Exactly one is set.
struct Share {
    std::optional<double> percent;
    std::optional<std::int64_t> count;
};

struct RejectsSpec {
    Share max;                 ///< more than this fails the task; default 0 rows
    std::int64_t min_rows = 0; ///< a percentage counts only from this many rows on
    std::string to = "fail";   ///< quarantine | drop | fail
};

/// The contract of a dataset (extract, transform, run with output).
struct ContractSpec {
    std::vector<ColumnSpec> columns; ///< empty: no projection, no contract
    std::vector<CheckSpec> checks;
    RejectsSpec rejects;
};

/// `for_each:` a task's rows, or those of a query over upstream tables. Exactly one is not empty.
struct ForEach {
    std::string task;
    std::string sql;
};

struct ExtractOptions {
    std::string connection; ///< may be "${param}" of type connection
    std::string resource;   ///< of a declared source; empty for databases and files
    std::string query, table, path, format;
    Json with = Json::object();
    std::optional<ForEach> for_each;
    int concurrency = 0; ///< slices and pages under way at once; 0: as many as the source's rate.concurrency
    std::optional<Share> allow_failed;
    std::string incremental; ///< column; empty: as the source says; "false": off
    std::optional<std::string> lookback;
    std::optional<double> raw_keep_seconds;
    bool sensitive = false;
    std::string on_drift = "evolve"; ///< evolve | freeze | quarantine
    ContractSpec contract;
};

struct TransformOptions {
    std::string sql;
    std::vector<std::string> inputs; ///< upstream tasks that the SQL reads
    std::string in;                  ///< connection to push down to; empty: DuckDB here
    ContractSpec contract;
};

/// One table of a load.
struct LoadTable {
    std::string table; ///< [schema.]table as written; a missing schema is the connection's default
    std::string task;  ///< whose dataset
    std::string mode;  ///< append | insert_new | upsert | replace
    std::vector<std::string> key;
};

struct LoadOptions {
    std::string connection;
    std::vector<LoadTable> tables; ///< in this order, one transaction
    std::string newest_by;         ///< column; empty: none
    std::string delete_rule;       ///< "" or "none" | "missing" | SQL expression over the dataset's row when delete_is_sql.
                                   ///< "${param}" of a text parameter whose enum holds only none and missing is allowed
    bool delete_is_sql = false;
    std::string scope;              ///< conjunction of simple comparisons on target columns; empty: whole table
    Share max_deletes;              ///< default 10 %
    bool create = true;             ///< create: auto
    std::vector<std::string> stamp; ///< run_id, batch_id, loaded_at add the columns _run_id, _batch_id, _loaded_at. Any other
                                    ///< name is a column of the dataset ("import_timestamp", selected as $run_at): written
                                    ///< with a row that is new or changed, but never compared, so it alone changes no row
    std::string via;
    std::string path, format; ///< files
};
/// Whether what is loaded takes the place of rows that are there.
[[nodiscard]] bool replaces_rows(const LoadOptions& load);

struct RunOptions {
    std::string command; ///< for /bin/sh -c; empty when argv is used
    std::vector<std::string> argv;
    std::map<std::string, std::string> env;
    std::vector<std::string> inputs;
    std::string output = "none"; ///< parquet | csv | json | none
    std::optional<ForEach> for_each;
    int concurrency = 0; ///< of mapped items; 0: no limit of its own
    ContractSpec contract;
};

struct WaitOptions {
    std::optional<double> seconds;
    std::string until;         ///< RFC 3339 after substitution; empty: none
    std::string sql, in;       ///< a query that is asked until it has an answer, and its connection; empty: none
    double every_seconds = 60; ///< from an answer to the next time
    std::optional<ForEach> for_each;
};

struct ApproveOptions {
    std::string text;
    std::vector<std::string> by;
    double timeout_seconds = 7 * 86400;
    std::string on_timeout = "cancel"; ///< cancel | approve
};

struct NotifyOptions {
    std::string channel;
    std::string text;
};

struct SubflowOptions {
    std::string flow;
    Json with = Json::object();
    std::optional<ForEach> for_each;
    int concurrency = 0;
    bool detach = false;
    std::optional<Share> allow_failed;
};

MILLRACE_JSON(ColumnSpec)
MILLRACE_JSON(CheckSpec)
MILLRACE_JSON(Share)
MILLRACE_JSON(RejectsSpec)
MILLRACE_JSON(ContractSpec)
MILLRACE_JSON(ForEach)
MILLRACE_JSON(ExtractOptions)
MILLRACE_JSON(TransformOptions)
MILLRACE_JSON(LoadTable)
MILLRACE_JSON(LoadOptions)
MILLRACE_JSON(RunOptions)
MILLRACE_JSON(WaitOptions)
MILLRACE_JSON(ApproveOptions)
MILLRACE_JSON(NotifyOptions)
MILLRACE_JSON(SubflowOptions)

} // namespace millrace
