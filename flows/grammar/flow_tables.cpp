#include "flows/grammar/flow_tables.hpp"

#include <array>

namespace millrace {
namespace {

using enum Shape;

constexpr std::string_view param_types = "text|int|decimal|bool|date|timestamptz|connection|list";
constexpr std::string_view retry_classes = "transient|rate_limited|not_yet_visible|timeout|crashed|resource|any";

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
          .doc = "What else starts it: the end of a run of another flow. Of its parameters each has a default.",
          .example = "[{flow: clockify_hours}]",
          .table = &trigger_table},
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
          .doc = "What a new run does while another one is under way, on whichever node.",
          .choices = "queue|skip|cancel_previous|allow",
          .fallback = "queue"},
    Field{.key = "timeout",
          .shape = Duration,
          .doc =
              "A run that takes longer is stopped, of a run in chunks each chunk that does; while a person has paused it, its time stands.",
          .example = "2h"},
    Field{.key = "retry",
          .shape = Whole | Mapping,
          .doc = "Attempts of the flow: what failed in spite of its task's own `retry` begins again after this delay, with as many "
                 "attempts as before; what completed stands. A number, or how and for what.",
          .example = "{attempts: 3, delay: 15m}",
          .table = &retry_table},
    Field{.key = "priority",
          .shape = Choice,
          .doc = "How many turns its tasks have where places are short: high 16, normal 4, low 1; none waits for ever.",
          .choices = "low|normal|high",
          .fallback = "normal"},
    Field{.key = "limits",
          .shape = Slots,
          .doc = "Slots that a run of this flow holds, by the name of a limit in millrace.yaml.",
          .example = "{warehouse_writers: 1}"},
    Field{.key = "expect",
          .shape = Mapping,
          .doc = "What should be so. Where it is not, that is an event, told once, and shown with the run and the flow until it is again.",
          .example = "{start_within: 10m, fresh: 26h}",
          .table = &expect_table},
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
          .doc = "Five fields (minute hour day-of-month month day-of-week), six with seconds in front, or one of @hourly, @daily or "
                 "@midnight, @weekly (Sunday 00:00), @monthly, and @yearly or @annually.",
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
    Field{.key = "jitter", .shape = Duration, .doc = "A random delay of up to this long, at most until its next time.", .fallback = "0s"},
    Field{.key = "missed",
          .shape = Choice,
          .doc =
              "What happens to times that passed while the daemon was down. Those of its last minute start in any case: they are late, not "
              "missed.",
          .choices = "last|all|none",
          .fallback = "last"},
    Field{.key = "missed_within",
          .shape = Duration,
          .doc = "Of those only the ones that passed within this: what is older is left out, and told.",
          .example = "6h"},
    Field{.key = "start", .shape = Moment, .doc = "Not before this date or instant.", .example = "2026-01-01"},
    Field{.key = "end", .shape = Moment, .doc = "Before this date or instant only.", .example = "2027-01-01"},
    Field{.key = "paused", .shape = Bool, .doc = "Deployed, but does not fire; shown as `paused (file)`.", .fallback = "false"},
    Field{.key = "pause_after",
          .shape = Whole,
          .doc = "After so many runs of this schedule in a row that failed or crashed it pauses, shown as `paused (3 failures)`, until "
                 "`millrace schedules resume FLOW`, which counts anew. Cancelled and skipped runs do not count; nor do reruns.",
          .example = "3"},
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
    Field{.key = "flow",
          .shape = Name,
          .doc = "Each run of this flow that ends so starts one of this one, exactly once, over the same interval where both have one. "
                 "Trials (`--limit-rows`) and chunks start nothing.",
          .example = "clockify_hours",
          .required = true},
    Field{.key = "state",
          .shape = Choice,
          .doc = "How it ended; a run that crashed has failed, one that was cancelled or skipped has not.",
          .choices = "completed|failed",
          .fallback = "completed"},
    Field{.key = "webhook", .shape = Name, .doc = "The name of the hook: POST /hooks/NAME.", .later = true},
    Field{.key = "events", .shape = Texts, .doc = "Only these kinds of event.", .later = true},
    Field{.key = "key", .shape = Template, .doc = "Events of one key are collected into one run.", .later = true},
    Field{.key = "debounce", .shape = Duration, .doc = "Wait for this much quiet.", .later = true},
    Field{.key = "max_wait", .shape = Duration, .doc = "But no longer than this.", .later = true},
    Field{.key = "pubsub", .shape = Name, .doc = "The name of a Pub/Sub subscription.", .later = true},
    Field{.key = "files", .shape = Name, .doc = "A connection of type files.", .later = true},
    Field{.key = "path", .shape = Text, .doc = "Which files, as a pattern.", .later = true},
};

const std::array interval_fields{
    Field{.key = "every",
          .shape = Span,
          .doc = "The grain; a run is about the last whole one. Days and longer begin at midnight of the zone, `7d` on a Monday.",
          .example = "1d",
          .required = true},
    Field{.key = "lookback",
          .shape = Span,
          .doc =
              "How much before it is read again, for late changes; in steps of `every`, since a part of a grain would replace the whole.",
          .fallback = "0d",
          .example = "7d"},
    Field{.key = "chunk",
          .shape = Span,
          .doc = "Cut the interval into child runs of this length, whole steps of `every`; each extracts, checks and loads on its own.",
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
    Field{.key = "type",
          .shape = Choice,
          .doc = "What it holds. In SQL a decimal is `decimal(38,9)` whatever its value, so it has at most 29 digits before the point and "
                 "9 behind it; in `${}` it stays as it was given.",
          .choices = param_types,
          .fallback = "text"},
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
    Field{.key = "within",
          .shape = Duration,
          .doc = "A ceiling on the whole: no attempt begins later than this after the first one of the task run began, whatever its delay, "
                 "the service's `Retry-After` or a line of others says. Where the flow has a `retry`, that of a task bounds its first "
                 "round, and that of the flow the later ones.",
          .example = "1h"},
    Field{.key = "for",
          .shape = Choices,
          .doc = "Which errors are worth another attempt.",
          .choices = retry_classes,
          .fallback = "[transient, rate_limited, not_yet_visible, timeout, crashed, resource]"},
};

const std::array expect_fields{
    Field{.key = "start_within",
          .shape = Duration,
          .doc = "A run of its schedule begins its first task within this of its time (with its `jitter`). A time at which no run begins "
                 "counts too: where the daemon was down, that is told when it is back.",
          .example = "10m"},
    Field{.key = "finish_within",
          .shape = Duration,
          .doc = "A run ends, however it ends, within this of the time of its schedule, or of the moment when somebody asked for it. "
                 "Backfills take what they take.",
          .example = "2h"},
    Field{.key = "fresh",
          .shape = Duration,
          .doc = "The flow's last completed load is not older than this, also where it found nothing to change; before the first one it "
                 "counts from the deploy. Backfills and trials (`--limit-rows`) do not count.",
          .example = "26h"},
    Field{.key = "new_rows",
          .shape = Duration,
          .doc = "The same for loads that inserted, updated or deleted rows: a source that gives the same for ever is noticed.",
          .example = "3d"},
    Field{.key = "rows",
          .shape = Named,
          .doc = "How many rows the datasets of these tasks have in each run that made them; those of a run in chunks are added up.",
          .example = "{hours: {min: 1}}",
          .table = &expected_rows_table},
};

const std::array expected_rows_fields{
    Field{.key = "min", .shape = Whole, .doc = "At least so many."},
    Field{.key = "max", .shape = Whole, .doc = "At most so many."},
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

} // namespace

const Table flow_table{"flow", "a flow", "One file, one flow.", flow_fields};
const Table schedule_table{"schedule", "a schedule", "When a flow runs by itself.", schedule_fields};
const Table dst_table{"dst", "dst", "What happens when the clocks change.", dst_fields};
const Table trigger_table{"trigger", "a trigger", "What else starts a flow.", trigger_fields};
const Table interval_table{"interval", "an interval", "The span of data time that a run is about.", interval_fields};
const Table param_table{"param", "a parameter", "A parameter of a flow.", param_fields};
const Table retry_table{"retry", "a retry policy", "When a failed attempt is tried again.", retry_fields};
const Table expect_table{"expect", "expect", "What should be so of a flow's runs and loads.", expect_fields};
const Table expected_rows_table{"expected_rows", "expected rows", "How many rows a task's dataset should have.", expected_rows_fields};
const Table notify_table{"notify", "notify", "Which channel hears of what.", notify_fields};
const Table defaults_table{"defaults", "defaults", "Options of every task.", defaults_fields};

} // namespace millrace
