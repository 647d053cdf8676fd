// Documents about runs, their tasks and what these read and wrote.
#include "web/document_tables.hpp"

#include <array>

namespace millrace {

namespace {

constexpr Member run[] = {
    {"id", "integer", ""},
    {"flow", "string", ""},
    {"state", "string", "scheduled, pending, running, retrying, paused, cancelling, completed, failed, crashed, cancelled or skipped"},
    {"state_name", "string?", "a narrower name, such as WaitingForSlot"},
    {"message", "string?", "why it is in this state"},
    {"trigger", "string", "schedule, api, cli, rerun, backfill or flow"},
    {"created_at", "time", ""},
    {"scheduled_for", "time?", "the nominal instant of its schedule"},
    {"started_at", "time?", ""},
    {"finished_at", "time?", ""},
    {"params", "object", "by name, with defaults"},
    {"interval", "Interval?", ""},
    {"rerun_of", "integer?", "the run that it repeats"},
    {"parent_id", "integer?", "the run that it is a chunk of"},
    {"chunk", "Chunk?", ""},
    {"caused_by", "Cause?", ""},
    {"chunk_runs", "ChunkRuns=", "in lists, of a run that is cut into chunks"},
    {"chunks_done_before", "integer?", "of a backfill that ended: how many of its chunks were left out, since an earlier run did them"},
    {"allow_deletes", "AllowedDeletes?", "what a person let this run delete beyond `max_deletes`"},
    {"limit_rows", "integer?", "of a trial: each extract read at most so many rows"},
    {"plan_hash", "string", ""},
    {"counts", "object", "task runs by state"},
    {"loads", "Load[]", ""},
    {"warning_count", "integer", "how many its events hold, those of its chunks included"},
};
constexpr Member run_detail[] = {
    {"timezone", "string", "of the flow: its intervals begin and end at midnights of it"},
    {"tasks", "TaskRun[]", "the first 1,000; the rest at runs/{id}/tasks"},
    {"tasks_next", "string?", "`after` of the rest"},
    {"chunks", "Run[]", "the newest 500, in their order; the others at runs?parent={id}"},
    {"chunks_next", "string?", "`after` of the others, which are older"},
    {"warnings", "object[]", "{task, kind, message, details}: what somebody should look at although it stopped nothing; the first 20"},
    {"warnings_left", "integer", "how many more there are, at runs/{id}/events?only=warnings; 10000: or more; those of chunks are theirs"},
    {"warnings_next", "string?", "`after` of those"},
};
constexpr Member triggered_run[] = {
    {"outcome", "string", "created, existing (this idempotency key made the run before) or skipped"},
};
constexpr Member interval[] = {
    {"start", "time", "inclusive"},
    {"end", "time", "exclusive"},
};
constexpr Member chunk[] = {
    {"number", "integer", "from 1"},
    {"of", "integer", ""},
};
constexpr Member cause[] = {
    {"run", "integer", "whose task called this run, or whose end started it"},
    {"flow", "string", "of that run"},
    {"task", "string=", "that called it"},
    {"item", "any", "of that task, where it is mapped"},
    {"state", "string=", "in which that run ended, where this started it"},
};
constexpr Member chunk_runs[] = {
    {"count", "integer", "those that began so far"},
    {"first", "integer", "number of the first"},
    {"last", "integer", "number of the last; others than chunks may be between"},
};
constexpr Member allowed_deletes[] = {
    {"rows", "integer", "of each table, at most"},
    {"by", "string", "who allowed it, when the run was made"},
};
constexpr Member load[] = {
    {"task", "string=", "of a run's loads"},
    {"table", "string", ""},
    {"inserted", "integer", ""},
    {"updated", "integer", ""},
    {"unchanged", "integer", ""},
    {"deleted", "integer", ""},
    {"rejected", "integer", ""},
    {"seconds", "number", ""},
    {"already_loaded", "boolean", "the target had this batch before"},
};
constexpr Member task_run[] = {
    {"task", "string", ""},
    {"item", "any", "of a mapped task, else null"},
    {"item_hash", "string?", ""},
    {"verb", "string", ""},
    {"state", "string", ""},
    {"state_name", "string?", ""},
    {"message", "string?", ""},
    {"error", "TaskError?", ""},
    {"attempts", "integer", ""},
    {"started_at", "time?", ""},
    {"finished_at", "time?", ""},
    {"due_at", "time?", "of the next attempt, of a wait or of an approval's end"},
    {"rows", "integer?", "of its dataset"},
    {"rejected", "integer?", "rows that it left out, or failed because of"},
    {"warned", "integer?", "rows of its dataset that break a check of severity warn, of each check"},
    {"progress", "Progress?", ""},
    {"loads", "Load[]", ""},
    {"run", "integer?", "the run that a `flow` task called last"},
    {"needs", "string[]", ""},
    {"on_failure", "string", "fail or continue: whether the run fails with it"},
};
constexpr Member task_error[] = {
    {"class", "string", "transient, rate_limited, auth, bad_data, not_yet_visible, permanent, crashed, timeout, resource or cancelled"},
    {"message", "string", "the thing and the reason"},
    {"remedy", "string?", "what to do"},
};
constexpr Member progress[] = {
    {"id", "integer", "of the attempt, on this node"},
    {"step", "string", ""},
    {"requests", "integer", ""},
    {"pages", "integer", ""},
    {"records", "integer", ""},
    {"bytes", "integer", ""},
    {"slices_done", "integer", ""},
    {"slices_total", "integer", ""},
    {"records_total", "integer", "as announced; 0: unknown"},
};
constexpr Member log_lines[] = {
    {"items", "LogLine[]", ""},
    {"next", "string", "`after` of the next call"},
    {"end", "boolean", "nothing will follow"},
};
constexpr Member log_line[] = {
    {"task", "string?", "null: what somebody did to the run as a whole"},
    {"item", "any", ""},
    {"attempt", "integer", "from 1; 0 of the run as a whole"},
    {"line", "integer", ""},
    {"at", "time", ""},
    {"level", "string", "debug, info, warning or error"},
    {"text", "string", ""},
};
constexpr Member run_event[] = {
    {"id", "integer", ""},  {"at", "time", ""},        {"run_id", "integer", ""},        {"task", "string?", ""},
    {"kind", "string", ""}, {"message", "string", ""}, {"details", "object", "by kind"},
};
constexpr Member graph[] = {
    {"nodes", "GraphNode[]", ""},
    {"edges", "any", "[[from, to]]"},
};
constexpr Member graph_node[] = {
    {"task", "string", ""},
    {"verb", "string", ""},
    {"state", "string", ""},
};
constexpr Member dataset[] = {
    {"columns", "Column[]", ""},
    {"rows", "object[]", "by column name"},
    {"total", "integer", "rows of the whole dataset"},
};
constexpr Member rejected_rows[] = {
    {"columns", "string[]", "the fields of the rows, in the order of the contract"},
    {"rows", "RejectedRow[]", ""},
    {"total", "integer", "rows that break a rule"},
    {"warned", "integer", "of them those that only break a check of severity warn: they are in the dataset all the same"},
};
constexpr Member rejected_row[] = {
    {"item", "any", "of a mapped task, else null"},
    {"column", "string?", "that broke the rule first; null: the whole row did"},
    {"rule", "string", "such as: breaks check (hours >= 0)"},
    {"value", "string?", "of the column; null: none, or the values of the task are `sensitive`"},
    {"position", "string?", "where it stood: its number, or page and record"},
    {"fields", "object", "the row as it came, by column; masked where the task is `sensitive`"},
};
constexpr Member column[] = {
    {"name", "string", ""},
    {"type", "string", "as a contract says it: text, decimal(9,2), struct(a int)"},
    {"nullable", "boolean?", "as its contract says; null: it has none"},
};

constexpr std::array all{
    Document{"Run", run},
    Document{"RunDetail", run_detail},
    Document{"TriggeredRun", triggered_run},
    Document{"Interval", interval},
    Document{"Chunk", chunk},
    Document{"Cause", cause},
    Document{"ChunkRuns", chunk_runs},
    Document{"AllowedDeletes", allowed_deletes},
    Document{"Load", load},
    Document{"TaskRun", task_run},
    Document{"TaskError", task_error},
    Document{"Progress", progress},
    Document{"LogLines", log_lines},
    Document{"LogLine", log_line},
    Document{"RunEvent", run_event},
    Document{"Graph", graph},
    Document{"GraphNode", graph_node},
    Document{"Dataset", dataset},
    Document{"RejectedRows", rejected_rows},
    Document{"RejectedRow", rejected_row},
    Document{"Column", column},
};

} // namespace

std::span<const Document> run_documents() { return all; }

} // namespace millrace
