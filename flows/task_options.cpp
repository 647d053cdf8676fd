#include "flows/task_options.hpp"

#include <algorithm>

namespace millrace {

MILLRACE_JSON_MEMBERS(ColumnSpec, name, type, nullable, unique, check, references_task, references_column)
MILLRACE_JSON_MEMBERS(CheckSpec, name, sql, severity)
MILLRACE_JSON_MEMBERS(Share, percent, count)
MILLRACE_JSON_MEMBERS(RejectsSpec, max, min_rows, to)
MILLRACE_JSON_MEMBERS(ContractSpec, columns, checks, rejects)
MILLRACE_JSON_MEMBERS(ForEach, task, sql)
MILLRACE_JSON_MEMBERS(ExtractOptions, connection, resource, query, table, path, format, with, for_each, concurrency, allow_failed,
                      incremental, lookback, raw_keep_seconds, sensitive, on_drift, contract)
MILLRACE_JSON_MEMBERS(TransformOptions, sql, inputs, in, contract)
MILLRACE_JSON_MEMBERS(LoadTable, table, task, mode, key)
MILLRACE_JSON_MEMBERS(LoadOptions, connection, tables, newest_by, delete_rule, delete_is_sql, scope, max_deletes, create, stamp, via, path,
                      format)
MILLRACE_JSON_MEMBERS(RunOptions, command, argv, env, inputs, output, for_each, concurrency, contract)
MILLRACE_JSON_MEMBERS(WaitOptions, seconds, until, sql, in, every_seconds, for_each)
MILLRACE_JSON_MEMBERS(ApproveOptions, text, by, timeout_seconds, on_timeout)
MILLRACE_JSON_MEMBERS(NotifyOptions, channel, text)
MILLRACE_JSON_MEMBERS(SubflowOptions, flow, with, for_each, concurrency, detach, allow_failed)

bool replaces_rows(const LoadOptions& load) {
    return std::any_of(load.tables.begin(), load.tables.end(),
                       [](const LoadTable& table) { return table.mode == "upsert" || table.mode == "replace"; });
}

} // namespace millrace
