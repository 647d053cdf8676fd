#include "web/documents.hpp"

#include <array>

namespace millrace {

namespace {

constexpr Member flow[] = {
    {"name", "string", ""},
    {"description", "string?", ""},
    {"owner", "string?", ""},
    {"tags", "string[]", ""},
    {"hash", "string", "SHA-256 of the compiled plan"},
    {"folder", "string", "of its file, below or equal"},
    {"demo", "boolean", "it came with Millrace: `millrace up --demo`"},
    {"deployed_at", "time", ""},
    {"archived", "boolean", "its file is gone; it runs no more"},
    {"paused", "boolean", "its schedules are held"},
    {"schedules", "FlowSchedule[]", ""},
    {"params", "Param[]", ""},
    {"tasks", "FlowTask[]", ""},
    {"interval", "boolean", "its runs are about a span of time"},
    {"attention", "Attention[]", "what is not as its `expect` says, and since when; empty: all is well"},
    {"last_runs", "LastRun[]", "newest first"},
};
constexpr Member attention[] = {
    {"kind", "string", "late, stale, rows_out_of_range"},
    {"expectation", "string", "start_within, finish_within, fresh, new_rows, or rows.TASK"},
    {"since", "time?", ""},
    {"run_id", "integer?", "null: it is about no run"},
    {"message", "string", ""},
};
constexpr Member flow_schedule[] = {
    {"cron", "string=", "5 or 6 fields"},
    {"every", "string=", "a span, where there is no cron"},
    {"timezone", "string", ""},
    {"paused", "boolean", "by somebody, by the flow's file, or after failures"},
    {"paused_in_file", "boolean", "`paused: true` stands in the flow's file"},
    {"paused_after_failures", "integer?", "runs in a row that failed, where `pause_after` of them paused it"},
    {"next", "time?", "the next start; null while paused"},
};
constexpr Member param[] = {
    {"name", "string", ""},
    {"type", "string", "text, int, decimal, bool, date, timestamptz, connection or list"},
    {"default_value", "any", "null: none"},
    {"enumeration", "string[]", "the values that it may have; empty: any"},
    {"min", "number?", ""},
    {"max", "number?", ""},
    {"required", "boolean", ""},
};
constexpr Member flow_task[] = {
    {"name", "string", ""},
    {"verb", "string", "extract, transform, load, run, flow, approve, wait or notify"},
    {"needs", "string[]", "the tasks before it"},
};
constexpr Member last_run[] = {
    {"id", "integer", ""},
    {"state", "string", ""},
    {"created_at", "time", ""},
    {"finished_at", "time?", ""},
    {"warning_count", "integer", "as of a Run"},
    {"limit_rows", "integer?", "as of a Run: not null of a trial"},
};
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
    {"chunks", "Run[]", ""},
    {"warnings", "object[]", "{task, kind, message, details}: what somebody should look at although it stopped nothing; the first 20"},
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
constexpr Member node[] = {
    {"id", "string", ""},
    {"alive", "boolean", "its lease has not run out"},
    {"lease_until", "time?", ""},
    {"started_at", "time?", ""},
    {"version", "string", ""},
    {"pid", "integer", ""},
    {"clock_ahead_seconds", "integer", "what its wall clock shows more than the store's, when they were compared last"},
    {"runs", "integer", "live runs that it holds"},
};
constexpr Member doctor[] = {
    {"version", "string", ""},
    {"node", "object", ""},
    {"store", "object", ""},
    {"hosts", "any", ""},
    {"journal", "object", ""},
    {"figures", "object", "as /metrics shows them"},
    {"flows", "integer", "deployed"},
    {"schedules", "integer", ""},
    {"settings", "Settings", ""},
    {"attention", "object", "by flow: what is not as its `expect` says"},
    {"history", "object", "its size and age, what retention did, free space"},
    {"journal_away", "string", "why nothing is recorded now; empty: nothing keeps the node from it"},
    {"clock_wrong", "string", "why schedules rest on this node while others fire; empty: its clock is right"},
    {"staging_lost", "string", "why the staging folder is not the one that the nodes share; empty: it is"},
    {"limits_of_others", "LimitOfOthers[]", "in force since other nodes have them, and not as this node's millrace.yaml says"},
    {"held_schedules", "HeldSchedule[]", "that are paused after failures"},
    {"queues", "Queue[]", "of flows whose runs queue up, where more came lately than ended"},
};
constexpr Member held_schedule[] = {
    {"flow", "string", ""},
    {"number", "integer", "of the schedule"},
    {"failures", "integer", "in a row"},
};
constexpr Member limit_of_others[] = {
    {"key", "string", ""},
    {"slots", "integer", "in force"},
    {"written", "integer?", "in this node's millrace.yaml"},
};
constexpr Member queue[] = {
    {"flow", "string", ""},
    {"waiting", "integer", "runs that have not begun"},
    {"first", "integer", "the run that waits longest"},
    {"since", "time", "it waits"},
    {"came", "integer", "in the later half of the time since then"},
    {"ended", "integer", "likewise"},
};
constexpr Member settings[] = {
    {"file", "string?", "the daemon's millrace.yaml; null: it has none"},
    {"hash", "string", "of the file as the daemon took it, SHA-256"},
    {"state", "string", "its state folder"},
    {"url", "string", "of API and dashboard"},
    {"pid", "integer", ""},
    {"needs_restart", "string[]", "what the file said otherwise then, and only a restart can change"},
    {"missing", "MissingVariable[]", "what connections lack that millrace.yaml declares or deployed flows use"},
};
constexpr Member missing_variable[] = {
    {"connection", "string", ""},
    {"variable", "string", "empty: several, or none"},
    {"message", "string", "with the place in the file"},
    {"remedy", "string", ""},
    {"unread", "boolean?", "it is set, and nothing reads it"},
    {"flows", "string[]?", "deployed ones that use it, where millrace.yaml does not declare it; else left out"},
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
constexpr Member schedule[] = {
    {"flow", "string", ""},
    {"number", "integer", "from 0, in the order of the file"},
    {"cron", "string=", "5 or 6 fields"},
    {"every", "string=", "a span, where there is no cron"},
    {"timezone", "string", ""},
    {"params", "object", "what its runs are given instead of the defaults"},
    {"next", "time?", "null while paused"},
    {"next_local", "string?", "the same on the clock of its zone"},
    {"missed", "string", "last, all or none: what happens to starts that passed while the daemon was down"},
    {"paused", "boolean", "by somebody, by the flow's file, or after failures"},
    {"paused_in_file", "boolean", "`paused: true` stands in the flow's file"},
    {"paused_after_failures", "integer?", "runs in a row that failed, where `pause_after` of them paused it"},
};
constexpr Member limit[] = {
    {"key", "string", ""},
    {"kind", "string", "slots, or rate: of a credential that a source counts the requests of, over all nodes"},
    {"slots", "integer=", "of slots, like `held` and `waiting`"},
    {"held", "any=", "[{run_id, task, item, since}]; task null: the run as a whole"},
    {"waiting", "any=", "[{run_id, flow, task, item}], 1000 of all limits at most; task null: the run as a whole"},
    {"connection", "string=", "of a rate, like what follows"},
    {"rate", "number?=", "requests a second; null: no limit"},
    {"in_use", "number=", "requests a second, lately"},
    {"paused_until", "time?=", "the service has said so"},
    {"quota_limit", "integer?=", "as the service says, like what follows; null: it does not"},
    {"quota_left", "integer?=", ""},
    {"quota_reset_at", "time?=", ""},
};
constexpr Member diagnostic[] = {
    {"file", "string", ""},
    {"line", "integer", "from 1; 0: the whole file"},
    {"column", "integer", "from 1"},
    {"end", "integer", "the column after the last one"},
    {"severity", "string", "error or warning"},
    {"message", "string", ""},
    {"hint", "string?", ""},
};
constexpr Member deployment[] = {
    {"changes", "DeployedFlow[]", ""},
    {"settings", "SettingChange[]", "what millrace.yaml says otherwise than before"},
    {"other_nodes", "string[]", "the flows are in force there too, these settings are not"},
};
constexpr Member setting_change[] = {
    {"setting", "string", "such as connections.agency_b"},
    {"change", "string",
     "new, changed, removed, needs_restart, in_force: a secret that changed and counted at once, or kept: a "
     "limit that deployed flows or live runs still need, or unmet: a limit of what is not there"},
    {"message", "string=", "of a limit that is unmet; else left out"},
    {"hint", "string=", "likewise; empty: none"},
    {"slots", "integer=", "of a limit that is kept; else left out"},
    {"held_back", "boolean=", "true: a flow has a mistake, so the settings stay as they were; else left out"},
};
constexpr Member deployed_flow[] = {
    {"flow", "string", ""},
    {"change", "string", "new, changed, unchanged, archived or error"},
    {"demo", "boolean", "it comes with Millrace"},
    {"hash", "string?", ""},
    {"diagnostics", "Diagnostic[]", ""},
};
constexpr Member health[] = {
    {"status", "string", "ok"},
    {"version", "string", ""},
};
constexpr Member readiness[] = {
    {"ready", "boolean", ""},
    {"store_reachable", "boolean", ""},
    {"journal_alive", "boolean", ""},
};
constexpr Member trigger_request[] = {
    {"params", "object=", "by name"},
    {"interval", "Interval=", "dates or instants; the flow's own where absent"},
    {"idempotency_key", "string=", "the same key makes one run, however often it is sent; or the header Idempotency-Key"},
    {"limit_rows", "integer=", "a trial: moves no cursor, deletes nothing"},
    {"full_refresh", "boolean=", "ignores the cursors"},
    {"cut_steps", "boolean=", "the interval may begin or end within a step of `every`, though loads replace rows"},
};
constexpr Member backfill_request[] = {
    {"flow", "string", ""},
    {"interval", "Interval", "dates or instants"},
    {"every", "string=", "length of a chunk, such as 1d or 1mo; the flow's `chunk`, else its `every`, where absent"},
    {"concurrency", "integer=", "chunks at once, 1 to 100; 1 where absent"},
    {"again", "boolean=", "also the chunks that an earlier run of the same interval, parameters and tasks completed"},
    {"params", "object=", "by name"},
    {"cut_steps", "boolean=", "as of a TriggerRequest"},
    {"idempotency_key", "string=", "as of a TriggerRequest"},
    {"dry_run", "boolean=", "only says which chunks there are: 200 and a BackfillPlan"},
};
constexpr Member backfill_plan[] = {
    {"flow", "string", ""},
    {"timezone", "string", "of the flow"},
    {"chunks", "BackfillChunk[]", ""},
    {"left", "integer", "how many a backfill would run"},
};
constexpr Member backfill_chunk[] = {
    {"number", "integer", "from 1"},
    {"start", "time", "inclusive"},
    {"end", "time", "exclusive"},
    {"completed_by", "integer?", "the run that did it before: it is left out"},
};
constexpr Member rerun_request[] = {
    {"from", "string=", "start, failed or task"},
    {"task", "string=", "for `task`: this one and everything after it"},
    {"allow_deletes", "integer=", "its loads may delete that many rows of each table, whatever `max_deletes` says; for this run only"},
    {"params", "object=", "parameters with other values than it had; what sees them runs again"},
    {"plan", "string=", "newest (also where absent): the flow as it is now; pinned: as it was for that run"},
};
constexpr Member decision[] = {
    {"decision", "string", "approve or reject"},
    {"comment", "string=", ""},
};
constexpr Member schedule_change[] = {
    {"paused", "boolean", ""},
};
constexpr Member deploy_request[] = {
    {"folders", "string[]=", "all that are configured where absent"},
    {"dry_run", "boolean=", "only says what would change"},
};
constexpr Member validate_request[] = {
    {"files", "SourceFile[]", ""},
};
constexpr Member source_file[] = {
    {"name", "string=", "for the diagnostics"},
    {"text", "string", "YAML"},
};
constexpr Member problem[] = {
    {"type", "string", "about:blank: the status says it"},
    {"title", "string", ""},
    {"status", "integer", ""},
    {"detail", "string", "the thing and the reason"},
    {"remedy", "string=", "what to do"},
    {"instance", "string=", "the path that was asked for"},
};

constexpr std::array all{
    Document{"Flow", flow},
    Document{"FlowSchedule", flow_schedule},
    Document{"Param", param},
    Document{"FlowTask", flow_task},
    Document{"Attention", attention},
    Document{"LastRun", last_run},
    Document{"Plan", {}},
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
    Document{"Schedule", schedule},
    Document{"Limit", limit},
    Document{"Node", node},
    Document{"Doctor", doctor},
    Document{"HeldSchedule", held_schedule},
    Document{"LimitOfOthers", limit_of_others},
    Document{"Queue", queue},
    Document{"Settings", settings},
    Document{"MissingVariable", missing_variable},
    Document{"Diagnostic", diagnostic},
    Document{"Deployment", deployment},
    Document{"DeployedFlow", deployed_flow},
    Document{"SettingChange", setting_change},
    Document{"Health", health},
    Document{"Readiness", readiness},
    Document{"TriggerRequest", trigger_request},
    Document{"RerunRequest", rerun_request},
    Document{"BackfillRequest", backfill_request},
    Document{"BackfillPlan", backfill_plan},
    Document{"BackfillChunk", backfill_chunk},
    Document{"Decision", decision},
    Document{"ScheduleChange", schedule_change},
    Document{"DeployRequest", deploy_request},
    Document{"ValidateRequest", validate_request},
    Document{"SourceFile", source_file},
    Document{"Problem", problem},
};

} // namespace

std::span<const Document> documents() { return all; }

} // namespace millrace
