#include "web/route_table.hpp"

#include <array>

namespace millrace {

namespace {

using namespace handlers;
using enum Method;
using enum Access;

constexpr std::array run_filters{
    QueryMember{"flow", "string", "runs of this flow only; 404 where no flow has the name"},
    QueryMember{"state", "string", "one or several states, with commas between"},
    QueryMember{"parent", "integer", "the chunks of this run"},
    QueryMember{"limit", "integer", "1 to 500, 50 without it"},
    QueryMember{"after", "string", "`next` of the page before"},
};
constexpr std::array task_filters{
    QueryMember{"task", "string", "task runs of this task only"},
    QueryMember{"state", "string", "one or several states, with commas between"},
    QueryMember{"items", "string", "none: the tasks themselves only, without the items of `for_each`"},
    QueryMember{"limit", "integer", "1 to 10000, 1000 without it"},
    QueryMember{"after", "string", "`next` of the page before"},
};
constexpr std::array log_filters{
    QueryMember{"task", "string", "lines of this task only"},
    QueryMember{"attempt", "integer", "lines of this attempt only"},
    QueryMember{"search", "string", "only lines with this text, upper and lower case alike"},
    QueryMember{"level", "string", "only lines of this level or a higher one: debug, info, warning or error; what a command wrote is info"},
    QueryMember{"after", "string", "`next` of the answer before"},
    QueryMember{"limit", "integer", "1 to 10000, 1000 without it"},
};
constexpr std::array run_event_filters{
    QueryMember{"only", "string", "warnings: what the run's document has as `warnings`, and no other events"},
    QueryMember{"limit", "integer", "1 to 10000, 1000 without it"},
    QueryMember{"after", "string", "`next` of the page before"},
};
constexpr std::array dataset_filters{
    QueryMember{"limit", "integer", "1 to 1000 rows, 20 without it"},
};
constexpr std::array rejected_filters{
    QueryMember{"limit", "integer", "1 to 10000 rows, 20 without it; 8 MB of them at most"},
};
constexpr std::array event_filters{
    QueryMember{"run", "integer", "events of this run only"},
    QueryMember{"types", "string", "run, task_run, progress, flow; with commas between"},
};

constexpr std::span<const QueryMember> none{};

constexpr std::array table{
    // clang-format off
    Route{Get,   "/api/v1/flows",                           Read,    list_flows,       "All deployed flows",                        "Flow[]",     "",                none},
    Route{Post,  "/api/v1/flows/validate",                  Read,    validate_flows,   "Mistakes in flow files, without storing them", "Diagnostic[]", "ValidateRequest", none},
    Route{Get,   "/api/v1/flows/{name}",                    Read,    show_flow,        "One flow",                                  "Flow",       "",                none},
    Route{Get,   "/api/v1/flows/{name}/plan",               Read,    show_plan,        "The compiled plan of a flow",               "Plan",       "",                none},
    Route{Post,  "/api/v1/flows/{name}/runs",               Trigger, trigger_run,      "Start a run",                               "TriggeredRun", "TriggerRequest", none},
    Route{Get,   "/api/v1/runs",                            Read,    list_runs,        "Runs, newest first",                        "Run[]",      "",                run_filters},
    Route{Get,   "/api/v1/runs/{id}",                       Read,    show_run,         "One run with its task runs and chunks",     "RunDetail",      "",                none},
    Route{Get,   "/api/v1/runs/{id}/tasks",                 Read,    list_tasks,       "Task runs of a run",                        "TaskRun[]",  "",                task_filters},
    Route{Get,   "/api/v1/runs/{id}/graph",                 Read,    show_graph,       "Tasks and the edges between them",          "Graph",      "",                none},
    Route{Get,   "/api/v1/runs/{id}/logs",                  Read,    list_logs,        "Log lines; ask again with `after` until `end`", "LogLines", "",               log_filters},
    Route{Get,   "/api/v1/runs/{id}/events",                Read,    list_run_events,  "What happened to a run",                    "RunEvent[]", "",                run_event_filters},
    Route{Get,   "/api/v1/runs/{id}/datasets/{task}",       Read,    show_dataset,     "The first rows of a task's dataset",        "Dataset",    "",                dataset_filters},
    Route{Get,   "/api/v1/runs/{id}/datasets/{task}/rejected", Read, show_rejected,    "The first rows that break a task's rules", "RejectedRows", "",                    rejected_filters},
    Route{Post,  "/api/v1/runs/{id}/cancel",                Trigger, cancel_run,       "Stop a run",                                "Run",        "",                none},
    Route{Post,  "/api/v1/runs/{id}/pause",                 Trigger, pause_run,        "Start no more tasks of a run",              "Run",        "",                none},
    Route{Post,  "/api/v1/runs/{id}/resume",                Trigger, resume_run,       "Let a paused run go on",                    "Run",        "",                none},
    Route{Post,  "/api/v1/runs/{id}/rerun",                 Trigger, rerun_run,        "Run again, wholly, from what failed or from a task", "TriggeredRun", "RerunRequest", none},
    Route{Post,  "/api/v1/runs/{id}/tasks/{task}/approve",  Trigger, approve_task,     "Decide an approval",                        "Run",        "Decision",        none},
    Route{Post,  "/api/v1/backfills",                       Trigger, start_backfill,   "Run a span of the past in chunks; or, with `dry_run`, list them (BackfillPlan)", "TriggeredRun", "BackfillRequest", none},
    Route{Get,   "/api/v1/schedules",                       Read,    list_schedules,   "Schedules and their next instants",         "Schedule[]", "",                none},
    Route{Patch, "/api/v1/schedules/{flow}",                Admin,   change_schedules, "Pause or resume the schedules of a flow",   "Flow",       "ScheduleChange",  none},
    Route{Post,  "/api/v1/deploy",                          Admin,   deploy_flows,     "Read the flow folders and store what compiled", "Deployment", "DeployRequest", none},
    Route{Get,   "/api/v1/limits",                          Read,    list_limits,      "Limits and who holds their slots",          "Limit[]",    "",                none},
    Route{Get,   "/api/v1/nodes",                           Read,    list_nodes,       "Running daemons",                           "Node[]",     "",                none},
    Route{Get,   "/api/v1/doctor",                          Admin,   show_doctor,      "Facts about the store, the node and its hosts", "Doctor", "",                none},
    Route{Get,   "/api/v1/events",                          Read,    follow_events,    "Changes as Server-Sent Events; who reconnects reads the state anew", "",           "",                event_filters},
    Route{Get,   "/api/v1/openapi.json",                    Public,  show_openapi,     "This description",                          "",           "",                none},
    Route{Get,   "/healthz",                                Public,  healthz,          "The daemon answers",                        "Health",     "",                none},
    Route{Get,   "/readyz",                                 Public,  readyz,           "The daemon can record and run",             "Readiness",  "",                none},
    Route{Get,   "/metrics",                                Read,    show_metrics,     "Figures as OpenMetrics",                    "",           "",                none},
    Route{Get,   "/assets/{file}",                          Public,  show_asset,       "Files of the dashboard",                    "",           "",                none},
    Route{Get,   "/",                                       Public,  show_dashboard,   "The dashboard",                             "",           "",                none},
    Route{Get,   "/flows",                                  Public,  show_dashboard,   "The dashboard, at the flows",               "",           "",                none},
    Route{Get,   "/flows/{name}",                           Public,  show_dashboard,   "The dashboard, at a flow",                  "",           "",                none},
    Route{Get,   "/runs",                                   Public,  show_dashboard,   "The dashboard, at the runs",                "",           "",                none},
    Route{Get,   "/runs/{id}",                              Public,  show_dashboard,   "The dashboard, at a run",                   "",           "",                none},
    // clang-format on
};

} // namespace

std::span<const Route> routes() { return table; }

} // namespace millrace
