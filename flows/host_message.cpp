#include "flows/host_message.hpp"

namespace millrace {

MILLRACE_JSON_MEMBERS(RunContext, flow, run_id, run_at, run_key, timezone, params, param_types, interval_start, interval_end, chunk_number,
                      chunk_of_run, allow_deletes, full_refresh, limit_rows)
MILLRACE_JSON_MEMBERS(AttemptOrder, id, task, verb, attempt, attempts, options, item, context, interval_key, batch_id, staging, project,
                      log, inputs, connections, source, source_file, origin, memory_bytes, threads, shared_rates, until)
MILLRACE_JSON_MEMBERS(HostLease, until)
MILLRACE_JSON_MEMBERS(PermitRequest, credential, connection, rate, count)
MILLRACE_JSON_MEMBERS(PermitGrant, credential, count, wait, spacing, paused, share, alone)
MILLRACE_JSON_MEMBERS(CredentialPause, credential, connection, seconds)
MILLRACE_JSON_MEMBERS(CredentialQuota, credential, connection, limit, left, reset)
MILLRACE_JSON_MEMBERS(EvaluateOrder, id, sql, inputs, context, max_rows, distinct)
MILLRACE_JSON_MEMBERS(OrderError, error_class, message, remedy, retry_after)
MILLRACE_JSON_MEMBERS(EvaluateReply, id, rows, repeated, error, more)
MILLRACE_JSON_MEMBERS(InferColumn, name, type)
MILLRACE_JSON_MEMBERS(InferTask, name, sql, columns, schema_known, expressions)
MILLRACE_JSON_MEMBERS(InferOrder, id, tasks, bindings)
MILLRACE_JSON_MEMBERS(InferResult, name, reads, columns, schema_known, error, expression, error_offset)
MILLRACE_JSON_MEMBERS(InferReply, id, tasks)
MILLRACE_JSON_MEMBERS(HostReady, pid, version)
MILLRACE_JSON_MEMBERS(AttemptProgress, id, step, requests, pages, records, bytes, slices_done, slices_total, records_total)
MILLRACE_JSON_MEMBERS(AttemptEvent, id, kind, message, details)
MILLRACE_JSON_MEMBERS(LoadCounts, table, inserted, updated, unchanged, deleted, rejected, seconds, already_loaded)
MILLRACE_JSON_MEMBERS(AttemptDone, id, outcome, error, answer, manifest, dataset_hash, rows, rejected, warned, rejects, loads, progress)
MILLRACE_JSON_MEMBERS(LogLine, at, level, text, end)

std::string to_line(std::string_view type, Json message) {
    message["type"] = std::string(type);
    return message.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace millrace
