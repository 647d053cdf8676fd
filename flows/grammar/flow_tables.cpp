#include "flows/grammar/flow_tables.hpp"

#include <array>

namespace millrace {
namespace {

using enum Shape;

constexpr std::string_view param_types = "text|int|decimal|bool|date|timestamptz|connection|list";
constexpr std::string_view retry_classes = "transient|rate_limited|not_yet_visible|timeout|crashed|any";

const std::array flow_fields{
    Field{.key = "flow", .shape = Name, .doc = "The flow's name, unique in the project.", .example = "clockify_hours", .required = true},
    Field{.key = "description", .shape = Text, .doc = "What the flow is for, in a sentence."},
    Field{.key = "owner", .shape = Text, .doc = "Who answers for it: a team or a person."},
    Field{.key = "tags", .shape = Texts, .doc = "Words to find it by.", .example = "[clockify, finance]"},
    Field{.key = "version", .shape = Choice, .doc = "The version of this grammar.", .choices = "1", .fallback = "1"},
    Field{.key = "schedule",
          .shape = Mapping | Mappings,
          .doc = "When it runs by itself; a list for several schedules.",
          .example = "{cron: \"0 6 * * 1-5\", timezone: America/Sao_Paulo}",
          .table = &schedule_table},
    Field{.key = "triggers",
          .shape = Mappings,
          .doc = "What else starts it: webhooks, Pub/Sub, other flows, files. Events arrive as the table `events`.",
          .table = &trigger_table,
          .later = true},
    Field{.key = "interval",
          .shape = Mapping,
          .doc = "The span of data time that a run is about: `${interval.start}` inclusive, `${interval.end}` exclusive.",
          .example = "{every: 1d, lookback: 7d}",
          .table = &interval_table},
    Field{.key = "params",
          .shape = Named,
          .doc = "What may differ from run to run, with types.",
          .example = "{day: {type: date}}",
          .table = &param_table},
    Field{.key = "overlap",
          .shape = Choice,
          .doc = "What a new run does while another one is under way.",
          .choices = "queue|skip|cancel_previous|allow",
          .fallback = "queue"},
    Field{.key = "timeout", .shape = Duration, .doc = "A run that takes longer is stopped.", .example = "2h"},
    Field{.key = "retry",
          .shape = Whole | Mapping,
          .doc = "Attempts of the whole flow: a number, or how and for what.",
          .table = &retry_table,
          .later = true},
    Field{.key = "priority",
          .shape = Choice,
          .doc = "Which runs go first when slots are short.",
          .choices = "low|normal|high",
          .fallback = "normal"},
    Field{.key = "limits",
          .shape = Slots,
          .doc = "Slots that a run of this flow holds, by the name of a limit in millrace.yaml.",
          .example = "{warehouse_writers: 1}"},
    Field{
        .key = "expect", .shape = Mapping, .doc = "When someone should be told that a run is late.", .table = &expect_table, .later = true},
    Field{.key = "notify", .shape = Mapping, .doc = "Which channel hears of what.", .table = &notify_table, .later = true},
    Field{.key = "defaults", .shape = Mapping, .doc = "Options that every task has unless it says otherwise.", .table = &defaults_table},
    Field{.key = "tasks",
          .shape = Named,
          .doc = "The tasks by name. Each is one verb with its object; everything else is an option.",
          .example = "{clients: {extract: clockify.clients}}",
          .table = &task_table,
          .required = true},
};

const std::array schedule_fields{
    Field{.key = "cron",
          .shape = Text,
          .doc = "Five fields (minute hour day-of-month month day-of-week), or six with seconds in front.",
          .example = "\"0 6 * * 1-5\""},
    Field{.key = "every",
          .shape = Span,
          .doc = "Instead of cron: at equal distances, from `start` or from Monday 1970-01-05.",
          .example = "15m"},
    Field{.key = "timezone",
          .shape = Text,
          .doc = "The zone of the times and of the flow's days.",
          .fallback = "UTC",
          .example = "America/Sao_Paulo"},
    Field{.key = "jitter", .shape = Duration, .doc = "A random delay of up to this long.", .fallback = "0s"},
    Field{.key = "missed",
          .shape = Choice,
          .doc = "What happens to times that passed while the daemon was down.",
          .choices = "last|all|none",
          .fallback = "last"},
    Field{.key = "start", .shape = Moment, .doc = "Not before this date or instant.", .example = "2026-01-01"},
    Field{.key = "end", .shape = Moment, .doc = "Before this date or instant only.", .example = "2027-01-01"},
    Field{.key = "paused", .shape = Bool, .doc = "Deployed, but does not fire.", .fallback = "false"},
    Field{.key = "params", .shape = Values, .doc = "Parameters of the runs that this schedule starts."},
    Field{.key = "dst", .shape = Mapping, .doc = "What a fixed hour does when the clocks change.", .table = &dst_table},
};

const std::array dst_fields{
    Field{.key = "gap",
          .shape = Choice,
          .doc = "A time that does not exist: run after the gap, or not at all.",
          .choices = "after|skip",
          .fallback = "after"},
    Field{.key = "overlap",
          .shape = Choice,
          .doc = "A time that comes twice: run the first time, the second, or both.",
          .choices = "first|second|both",
          .fallback = "first"},
};

const std::array trigger_fields{
    Field{.key = "webhook", .shape = Name, .doc = "The name of the hook: POST /hooks/NAME."},
    Field{.key = "events", .shape = Texts, .doc = "Only these kinds of event."},
    Field{.key = "key", .shape = Template, .doc = "Events of one key are collected into one run."},
    Field{.key = "debounce", .shape = Duration, .doc = "Wait for this much quiet."},
    Field{.key = "max_wait", .shape = Duration, .doc = "But no longer than this."},
    Field{.key = "pubsub", .shape = Name, .doc = "The name of a Pub/Sub subscription."},
    Field{.key = "flow", .shape = Name, .doc = "A run of this flow that ended."},
    Field{.key = "state", .shape = Choice, .doc = "How it ended.", .choices = "completed|failed", .fallback = "completed"},
    Field{.key = "files", .shape = Name, .doc = "A connection of type files."},
    Field{.key = "path", .shape = Text, .doc = "Which files, as a pattern."},
};

const std::array interval_fields{
    Field{.key = "every",
          .shape = Span,
          .doc = "The grain; a run is about the last whole one. Days and longer begin at midnight of the zone, `7d` on a Monday.",
          .example = "1d",
          .required = true},
    Field{
        .key = "lookback", .shape = Span, .doc = "How much before it is read again, for late changes.", .fallback = "0d", .example = "7d"},
    Field{.key = "chunk",
          .shape = Span,
          .doc = "Cut the interval into child runs of this length; each extracts, checks and loads on its own.",
          .example = "28d"},
    Field{.key = "from",
          .shape = Moment | Choice,
          .doc = "Where it begins: a date for \"everything since\".",
          .choices = "schedule",
          .fallback = "schedule",
          .example = "2019-01-01",
          .later_choices = "cursor"},
};

const std::array param_fields{
    Field{.key = "type", .shape = Choice, .doc = "What it holds.", .choices = param_types, .fallback = "text"},
    Field{.key = "default", .shape = Any, .doc = "Its value when nobody gives one."},
    Field{.key = "enum", .shape = Texts, .doc = "The only values that it takes.", .example = "[missing, none]"},
    Field{.key = "min", .shape = Any, .doc = "The smallest number."},
    Field{.key = "max", .shape = Any, .doc = "The largest number."},
    Field{.key = "required", .shape = Bool, .doc = "A run without it is refused.", .fallback = "false"},
};

const std::array retry_fields{
    Field{.key = "attempts", .shape = Whole, .doc = "How often at most, the first one included.", .fallback = "3"},
    Field{.key = "delay", .shape = Duration, .doc = "Before the second attempt.", .fallback = "10s"},
    Field{.key = "max_delay", .shape = Duration, .doc = "Between attempts at most.", .fallback = "10m"},
    Field{.key = "backoff",
          .shape = Choice,
          .doc = "The same delay each time, or doubled.",
          .choices = "fixed|exponential",
          .fallback = "exponential"},
    Field{.key = "jitter", .shape = Percent, .doc = "Random part of the delay.", .fallback = "20%"},
    Field{.key = "for",
          .shape = Choices,
          .doc = "Which errors are worth another attempt.",
          .choices = retry_classes,
          .fallback = "[transient, rate_limited, not_yet_visible, timeout, crashed]"},
};

const std::array expect_fields{
    Field{.key = "start_within", .shape = Duration, .doc = "Of its nominal time."},
    Field{.key = "finish_within", .shape = Duration, .doc = "Of its nominal time."},
    Field{.key = "fresh", .shape = Duration, .doc = "No load of the flow is older than this."},
};

const std::array notify_fields{
    Field{.key = "failed", .shape = Name, .doc = "A run failed."},
    Field{.key = "recovered", .shape = Name, .doc = "A run completed after a failed one."},
    Field{.key = "late", .shape = Name, .doc = "An expectation was missed."},
    Field{.key = "quarantined", .shape = Name, .doc = "Rows went to the quarantine."},
    Field{.key = "drifted", .shape = Name, .doc = "A source changed its shape."},
};

const std::array defaults_fields{
    Field{.key = "retry", .shape = Whole | Mapping, .doc = "As in a task.", .table = &retry_table},
    Field{.key = "timeout", .shape = Duration, .doc = "As in a task."},
    Field{.key = "memory", .shape = Memory, .doc = "As in a task."},
};

const std::array task_fields{
    Field{.key = "needs",
          .shape = Tasks,
          .doc = "Tasks that must be done first, where the SQL and the references do not say so already.",
          .example = "[projects]"},
    Field{.key = "when",
          .shape = Sql,
          .doc = "Runs only if this SQL condition is true; it may use `$params` and scalar sub-queries over upstream tables.",
          .example = "(select count(*) from entries) > 0"},
    Field{.key = "retry",
          .shape = Whole | Mapping,
          .doc = "Attempts: a number, or how and for what. Without it `extract` and `load` have three when the other side is away "
                 "(transient, rate_limited; after 5 s and 10 s), other verbs one.",
          .example = "3",
          .table = &retry_table},
    Field{.key = "timeout", .shape = Duration, .doc = "An attempt that takes longer is killed.", .example = "30m"},
    Field{.key = "memory", .shape = Memory, .doc = "The most that an attempt may use.", .example = "512MB"},
    Field{.key = "limits",
          .shape = Slots,
          .doc = "Slots that it holds while it runs, by the name of a limit in millrace.yaml.",
          .example = "{warehouse_writers: 1}"},
    Field{.key = "tags", .shape = Texts, .doc = "Words to find it by."},
    Field{.key = "on_failure", .shape = Choice, .doc = "Whether the flow fails with it.", .choices = "fail|continue", .fallback = "fail"},
};

const std::array dataset_fields{
    Field{.key = "columns",
          .shape = Strings,
          .doc = "Projection and contract at once: `name: type [null] [unique] [check (..)] [references task(column)]`.",
          .example = "{id: text unique, hours: decimal(9,4) check (hours >= 0)}"},
    Field{.key = "checks",
          .shape = Mappings,
          .doc = "SQL that returns the rows that break a rule; `this` is the dataset.",
          .table = &check_table},
    Field{.key = "rejects",
          .shape = Mapping,
          .doc = "What happens to rows that break the contract.",
          .example = "{max: 1%, to: quarantine}",
          .table = &rejects_table},
};

const std::array check_fields{
    Field{.key = "name", .shape = Name, .doc = "How messages call it.", .required = true},
    Field{.key = "sql",
          .shape = Sql,
          .doc = "A query whose rows are the violations.",
          .example = "select * from this where hours > 24",
          .required = true},
    Field{.key = "severity", .shape = Choice, .doc = "Whether violations fail the task.", .choices = "error|warn", .fallback = "error"},
};

const std::array rejects_fields{
    Field{.key = "max", .shape = Whole | Percent, .doc = "More than this many rows, or this share, fails the task.", .fallback = "0"},
    Field{.key = "min_rows", .shape = Whole, .doc = "A share counts only from this many rows on.", .fallback = "0"},
    Field{.key = "to",
          .shape = Choice,
          .doc = "Keep them for replay, forget them, or fail at the first.",
          .choices = "quarantine|drop|fail",
          .fallback = "fail"},
};

const std::array raw_fields{
    Field{.key = "keep", .shape = Duration, .doc = "How long the raw pages are kept.", .fallback = "7d"},
    Field{.key = "sensitive", .shape = Bool, .doc = "Mask values wherever raw records are shown.", .fallback = "false"},
};

const std::array for_each_fields{
    Field{.key = "sql",
          .shape = Sql,
          .doc = "A query over upstream tables; each row is an item.",
          .example = "select id from projects where not archived",
          .required = true},
};

const std::array delete_fields{
    Field{.key = "when", .shape = Sql, .doc = "A condition over the dataset's row: where it holds, the row is deleted.", .required = true},
};

const std::array wait_fields{
    Field{.key = "until", .shape = Template, .doc = "An instant or a date.", .example = "\"${interval.end}\"", .required = true},
    Field{.key = "sql", .shape = Sql, .doc = "Until this query gives true.", .later = true},
    Field{.key = "in", .shape = Template, .doc = "The connection that the query runs in.", .later = true},
    Field{.key = "every", .shape = Duration, .doc = "How often the query is asked.", .fallback = "30s", .later = true},
};

const std::array extract_verb{
    Field{.key = "extract",
          .shape = Template,
          .doc = "CONNECTION.RESOURCE: read a resource of a source.",
          .example = "clockify.projects",
          .required = true},
    Field{.key = "with", .shape = Values, .doc = "The resource's parameters.", .example = "{archived: false}"},
    Field{.key = "for_each",
          .shape = Task | Mapping,
          .doc = "One series of requests per row of a task or a query; `${item.x}` is a column of the row. Stays one task run.",
          .example = "projects",
          .table = &for_each_table},
    Field{.key = "concurrency", .shape = Whole, .doc = "Slices under way at once.", .fallback = "as the source says"},
    Field{.key = "allow_failed", .shape = Whole | Percent, .doc = "So many items, or such a share, may fail.", .fallback = "0"},
    Field{.key = "incremental", .shape = Text | False, .doc = "The column whose highest value is remembered.", .later = true},
    Field{.key = "lookback", .shape = Span, .doc = "How far before the cursor it reads again.", .later = true},
    Field{.key = "raw", .shape = Mapping, .doc = "How long the raw pages are kept.", .table = &raw_table, .later = true},
    Field{.key = "on_drift",
          .shape = Choice,
          .doc = "When the source sends another shape: take what fits, fail, or quarantine.",
          .choices = "evolve|freeze|quarantine",
          .fallback = "evolve"},
    Field{.key = "query", .shape = Sql, .doc = "The query to read from a database.", .later = true},
    Field{.key = "table", .shape = Text, .doc = "The table to read from a database.", .later = true},
    Field{.key = "path", .shape = Template, .doc = "Which files to read.", .later = true},
    Field{.key = "format", .shape = Choice, .doc = "Of the files.", .choices = "csv|json|parquet|xlsx", .later = true},
};

const std::array transform_verb{
    Field{.key = "transform",
          .shape = Sql,
          .doc = "A DuckDB query over the tables of other tasks. Parameters are bound as `$name`, `$interval_start`, `$run_at`; there is "
                 "no `${}` in SQL.",
          .example = "select id, name from clients where not archived",
          .required = true},
    Field{.key = "in", .shape = Template, .doc = "Run it in this connection's database instead of here.", .later = true},
};

const std::array load_verb{
    Field{.key = "load",
          .shape = Task | Strings,
          .doc = "The task whose dataset is loaded; or tables, each with its task, in one transaction.",
          .example = "hours",
          .required = true},
    Field{.key = "into",
          .shape = Template,
          .doc = "CONNECTION.[SCHEMA.]TABLE; with several tables CONNECTION[.SCHEMA].",
          .example = "warehouse.clockify.hours",
          .required = true},
    Field{.key = "mode",
          .shape = Choice | ByTable,
          .doc = "append every row, insert new keys, insert and update by key, or replace the table.",
          .choices = "append|insert_new|upsert|replace",
          .required = true},
    Field{.key = "key",
          .shape = Texts | ByTable,
          .doc = "The columns that identify a row; for insert_new and upsert.",
          .example = "[user_id, date]"},
    Field{.key = "newest_by", .shape = Text, .doc = "Of two versions of a row the one with the larger value of this column stays."},
    Field{.key = "delete",
          .shape = Choice | Template | Mapping,
          .doc = "Delete rows whose key is missing from a complete dataset, or where a condition holds.",
          .choices = "none|missing",
          .fallback = "none",
          .table = &delete_table},
    Field{.key = "scope",
          .shape = Sql,
          .doc = "Which rows of the target the dataset speaks for: comparisons joined with `and`. It bounds what is deleted; a row of the "
                 "dataset outside of it is written like any other, with a warning.",
          .example = "date >= $interval_start_date and date < $interval_end_date"},
    Field{
        .key = "max_deletes",
        .shape = Percent,
        .doc =
            "More than this share of the scope is not deleted without an approval; with `100%` an empty dataset may also replace a table.",
        .fallback = "10%"},
    Field{.key = "create",
          .shape = Choice,
          .doc = "Create the table and add columns, or never.",
          .choices = "auto|never",
          .fallback = "auto"},
    Field{.key = "stamp",
          .shape = Texts,
          .doc = "run_id, batch_id, loaded_at add technical columns; other names are columns of the dataset that are written but never "
                 "compared.",
          .example = "[run_id, loaded_at]"},
    Field{.key = "via", .shape = Template, .doc = "Where a staging object is kept.", .later = true},
    Field{.key = "path", .shape = Template, .doc = "Of a file target.", .later = true},
    Field{.key = "format", .shape = Choice, .doc = "Of a file target.", .choices = "parquet|json|ndjson|csv", .later = true},
};

const std::array run_verb{
    Field{.key = "run",
          .shape = Template | Texts,
          .doc = "A command for /bin/sh -c, or a list of arguments (without a shell; only there `${}` is substituted). Inputs are Parquet "
                 "files named in MILLRACE_INPUT_<task>, the output goes to MILLRACE_OUTPUT.",
          .example = "[python3, score.py, \"${interval.start:%Y-%m-%d}\"]",
          .required = true},
    Field{.key = "env",
          .shape = Strings,
          .doc = "Its environment; nothing else of the daemon's is passed on.",
          .example = "{DAY: \"${interval.start:%Y-%m-%d}\"}"},
    Field{.key = "inputs", .shape = Tasks, .doc = "Datasets that it reads."},
    Field{.key = "output",
          .shape = Choice,
          .doc = "What it writes to MILLRACE_OUTPUT.",
          .choices = "parquet|csv|json|none",
          .fallback = "none"},
    Field{.key = "for_each", .shape = Task | Mapping, .doc = "One task run per row of a task or a query.", .table = &for_each_table},
    Field{.key = "concurrency", .shape = Whole, .doc = "Items under way at once."},
};

const std::array flow_verb{
    Field{.key = "flow", .shape = Name, .doc = "Run another flow.", .required = true},
    Field{.key = "with", .shape = Values, .doc = "Its parameters."},
    Field{.key = "for_each", .shape = Task | Mapping, .doc = "One run per row.", .table = &for_each_table},
    Field{.key = "concurrency", .shape = Whole, .doc = "Runs under way at once."},
    Field{.key = "detach", .shape = Bool, .doc = "Start it and go on.", .fallback = "false"},
    Field{.key = "allow_failed", .shape = Whole | Percent, .doc = "So many runs may fail.", .fallback = "0"},
};

const std::array approve_verb{
    Field{.key = "approve",
          .shape = Template,
          .doc = "Wait until a person agrees; the text says to what.",
          .example = "\"Publish the hours of ${interval.start:%Y-%m-%d}?\"",
          .required = true},
    Field{.key = "by", .shape = Texts, .doc = "The names of the keys that may decide."},
    Field{.key = "timeout", .shape = Duration, .doc = "How long it waits.", .fallback = "7d"},
    Field{
        .key = "on_timeout", .shape = Choice, .doc = "What holds when nobody answers.", .choices = "cancel|approve", .fallback = "cancel"},
};

const std::array wait_verb{
    Field{.key = "wait",
          .shape = Duration | Mapping,
          .doc = "Wait this long, or until a moment. Holds no thread and no slot.",
          .example = "5m",
          .table = &wait_table,
          .required = true},
    Field{.key = "for_each", .shape = Task | Mapping, .doc = "One task run per row.", .table = &for_each_table},
};

const std::array notify_verb{
    Field{.key = "notify", .shape = Name, .doc = "Tell a channel.", .required = true},
    Field{.key = "text", .shape = Template, .doc = "What to say."},
};

const Table extract_table{"extract", "an extract task", "Reads from a source into a dataset.", extract_verb};
const Table transform_table{"transform", "a transform task", "Makes a dataset of others, with SQL.", transform_verb};
const Table load_table{"load", "a load task", "Merges datasets into tables of a target, exactly once in effect.", load_verb};
const Table run_table{"run", "a run task", "Runs a command.", run_verb};
const Table subflow_table{"subflow", "a flow task", "Runs another flow.", flow_verb};
const Table approve_table{"approve", "an approve task", "Waits for a person.", approve_verb};
const Table wait_verb_table{"wait", "a wait task", "Waits.", wait_verb};
const Table notify_verb_table{"notify_task", "a notify task", "Tells a channel.", notify_verb};

const std::array verbs{
    VerbRow{Verb::Extract, &extract_table, true, false}, VerbRow{Verb::Transform, &transform_table, true, false},
    VerbRow{Verb::Load, &load_table, false, false},      VerbRow{Verb::Run, &run_table, true, false},
    VerbRow{Verb::Flow, &subflow_table, false, true},    VerbRow{Verb::Approve, &approve_table, false, false},
    VerbRow{Verb::Wait, &wait_verb_table, false, false}, VerbRow{Verb::Notify, &notify_verb_table, false, true},
};

} // namespace

const Table flow_table{"flow", "a flow", "One file, one flow.", flow_fields};
const Table schedule_table{"schedule", "a schedule", "When a flow runs by itself.", schedule_fields};
const Table dst_table{"dst", "dst", "What happens when the clocks change.", dst_fields};
const Table trigger_table{"trigger", "a trigger", "What else starts a flow.", trigger_fields};
const Table interval_table{"interval", "an interval", "The span of data time that a run is about.", interval_fields};
const Table param_table{"param", "a parameter", "A parameter of a flow.", param_fields};
const Table retry_table{"retry", "a retry policy", "When a failed attempt is tried again.", retry_fields};
const Table expect_table{"expect", "expect", "When a run counts as late.", expect_fields};
const Table notify_table{"notify", "notify", "Which channel hears of what.", notify_fields};
const Table defaults_table{"defaults", "defaults", "Options of every task.", defaults_fields};
const Table task_table{"task", "a task", "What every task may have beside its verb.", task_fields};
const Table dataset_table{"dataset", "a dataset", "What tasks that make a dataset may have (extract, transform, run with output).",
                          dataset_fields};
const Table check_table{"check", "a check", "A rule about a dataset.", check_fields};
const Table rejects_table{"rejects", "rejects", "What happens to rows that break the contract.", rejects_fields};
const Table raw_table{"raw", "raw", "The raw pages of an extract.", raw_fields};
const Table for_each_table{"for_each", "for_each", "The items, by a query.", for_each_fields};
const Table delete_table{"delete", "delete", "Which rows are deleted.", delete_fields};
const Table wait_table{"wait_until", "wait", "What is waited for.", wait_fields};
const std::span<const VerbRow> verb_table{verbs};

} // namespace millrace
