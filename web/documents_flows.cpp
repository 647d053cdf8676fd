// Documents about flows, their schedules and what a deploy says of them.
#include "web/document_tables.hpp"

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
    {"events", "NodeEvent[]=", "of one flow alone: what belongs to no run, such as `missed` and `not_fired`; of seven days, newest first"},
};
constexpr Member attention[] = {
    {"kind", "string", "late, stale, rows_out_of_range"},
    {"expectation", "string", "start_within, finish_within, fresh, new_rows, or rows.TASK"},
    {"since", "time?", "of the first of them"},
    {"run_id", "integer?", "the newest of them; null: it is about no run"},
    {"message", "string", "of the newest, and how many there are since when"},
    {"count", "integer", "how many runs, or times that made none, are not as expected"},
};
constexpr Member flow_schedule[] = {
    {"cron", "string=", "5 or 6 fields"},
    {"every", "string=", "a span, where there is no cron"},
    {"timezone", "string", ""},
    {"paused", "boolean", "by somebody, by the flow's file, or after failures"},
    {"paused_in_file", "boolean", "`paused: true` stands in the flow's file"},
    {"paused_after_failures", "integer?", "runs in a row that failed, where `pause_after` of them paused it"},
    {"message", "string?", "why it starts nothing although nobody paused it: the node that answers lacks its time zone"},
    {"next", "time?", "the next start; null while paused, or where `message` is not null"},
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
constexpr Member schedule[] = {
    {"flow", "string", ""},
    {"number", "integer", "from 0, in the order of the file"},
    {"cron", "string=", "5 or 6 fields"},
    {"every", "string=", "a span, where there is no cron"},
    {"timezone", "string", ""},
    {"params", "object", "what its runs are given instead of the defaults"},
    {"next", "time?", "null while paused, or where `message` is not null"},
    {"next_local", "string?", "the same on the clock of its zone"},
    {"missed", "string", "last, all or none: what happens to starts that passed while the daemon was down"},
    {"paused", "boolean", "by somebody, by the flow's file, or after failures"},
    {"paused_in_file", "boolean", "`paused: true` stands in the flow's file"},
    {"paused_after_failures", "integer?", "runs in a row that failed, where `pause_after` of them paused it"},
    {"message", "string?", "why it starts nothing although nobody paused it: the node that answers lacks its time zone"},
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

constexpr std::array all{
    Document{"Flow", flow},
    Document{"FlowSchedule", flow_schedule},
    Document{"Param", param},
    Document{"FlowTask", flow_task},
    Document{"Attention", attention},
    Document{"LastRun", last_run},
    Document{"Plan", {}},
    Document{"Schedule", schedule},
    Document{"Diagnostic", diagnostic},
    Document{"Deployment", deployment},
    Document{"DeployedFlow", deployed_flow},
    Document{"SettingChange", setting_change},
};

} // namespace

std::span<const Document> flow_documents() { return all; }

} // namespace millrace
