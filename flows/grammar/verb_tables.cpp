/// The verbs, and what each takes.
#include "flows/grammar/flow_tables.hpp"

#include <array>

namespace millrace {
namespace {

using enum Shape;

const std::array delete_fields{
    Field{.key = "when", .shape = Sql, .doc = "A condition over the dataset's row: where it holds, the row is deleted.", .required = true},
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
          .doc = "`append` adds every row (again in each run and rerun; of one interval and the same parameters the last run's stand; a "
                 "column `_batch_id` says which load added it), "
                 "`insert_new` adds new keys, `upsert` inserts and updates by key, `replace` makes the table the dataset.",
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
          .doc = "Which rows of the target the dataset speaks for: comparisons (`= <> < <= > >=`, `in (..)`, `is null`, `is not null`) "
                 "joined with `and`, of a column with a literal, `$name` or a cast of one (`day = $run_at::date`). It bounds what is "
                 "deleted; a row of the dataset outside of it is written like any other, with a warning.",
          .example = "date >= $interval_start_date and date < $interval_end_date"},
    Field{.key = "max_deletes",
          .shape = Percent,
          .doc =
              "A load that would delete more than this share of the scope stops before it loads anything. `mode: replace` is stopped by an "
              "empty dataset alone, unless this is `100%`. `millrace data head RUN.TASK --rejected` shows the rows, `millrace runs rerun "
              "RUN --failed "
              "--allow-deletes ROWS` deletes up to that many in that run only, and records who allowed it.",
          .fallback = "10%"},
    Field{.key = "create",
          .shape = Choice,
          .doc =
              "Create the table and add columns, or never. In a table that it creates every column is NOT NULL that the dataset's contract "
              "(or, of an extract, the source's spec) never lets be null; a column that is added to a table may be NULL.",
          .choices = "auto|never",
          .fallback = "auto"},
    Field{.key = "stamp",
          .shape = Texts,
          .doc =
              "run_id, batch_id, loaded_at add the technical columns `_run_id`, `_batch_id`, `_loaded_at`; a table of `mode: append` has "
              "`_batch_id` in any case. Other names are columns of the dataset that are written but never compared.",
          .example = "[run_id, loaded_at]"},
    Field{.key = "via", .shape = Template, .doc = "Where a staging object is kept.", .later = true},
    Field{.key = "path", .shape = Template, .doc = "Of a file target.", .later = true},
    Field{.key = "format", .shape = Choice, .doc = "Of a file target.", .choices = "parquet|json|ndjson|csv", .later = true},
};

const std::array run_verb{
    Field{.key = "run",
          .shape = Template | Texts,
          .doc = "A command for /bin/sh -c, or a list of arguments (without a shell; only there `${}` is substituted). It runs in the "
                 "project's folder, where millrace.yaml is; HOME and TMPDIR are a folder of its own. Inputs are Parquet files named in "
                 "MILLRACE_INPUT_<task>, the output goes to MILLRACE_OUTPUT.",
          .example = "[python3, score.py, \"${interval.start:%Y-%m-%d}\"]",
          .required = true},
    Field{.key = "env",
          .shape = Strings,
          .doc = "Its environment; nothing else of the daemon's is passed on.",
          .example = "{DAY: \"${interval.start:%Y-%m-%d}\"}"},
    Field{.key = "inputs", .shape = Tasks, .doc = "Datasets that it reads."},
    Field{.key = "output",
          .shape = Choice,
          .doc = "What it writes to MILLRACE_OUTPUT. CSV has commas, a first line of names, and as many fields in each row; a text with a "
                 "comma, a quote or a line break stands in double quotes, a quote in it is doubled. An empty field is NULL; \"\" is the "
                 "empty text, and NULL in a column that holds no texts. Without `columns` the types are guessed; what "
                 "has a fraction becomes a double, which keeps about 15 digits, with a warning. JSON is a list of objects, or one object "
                 "after the other; an empty file is no rows where `columns` are declared, else a mistake (`[]` is none).",
          .choices = "parquet|csv|json|none",
          .fallback = "none"},
    Field{.key = "for_each", .shape = Task | Mapping, .doc = "One task run per row of a task or a query.", .table = &for_each_table},
    Field{.key = "concurrency", .shape = Whole, .doc = "Items under way at once."},
};

const std::array flow_verb{
    Field{.key = "flow",
          .shape = Name,
          .doc = "Run another flow and wait for its end: where it does not complete, this task fails. It runs over the interval of this "
                 "run where both have one, as a trial where this run is one, and is cancelled, paused and resumed with it. Its `overlap` "
                 "holds. Waiting takes no place.",
          .example = "clockify_hours",
          .required = true},
    Field{.key = "with", .shape = Values, .doc = "Its parameters; the others have their defaults.", .example = "{client: \"${item.id}\"}"},
    Field{.key = "for_each", .shape = Task | Mapping, .doc = "One run per row.", .table = &for_each_table},
    Field{.key = "concurrency", .shape = Whole, .doc = "Runs under way at once."},
    Field{.key = "detach", .shape = Bool, .doc = "Start it and go on: its end concerns nobody here.", .fallback = "false"},
    Field{.key = "allow_failed",
          .shape = Whole | Percent,
          .doc = "So many runs of a `for_each` may fail, be cancelled or be skipped.",
          .fallback = "0"},
};

const std::array approve_verb{
    Field{.key = "approve",
          .shape = Template,
          .doc = "Wait until a person agrees; the text says to what.",
          .example = "\"Publish the hours of ${interval.start:%Y-%m-%d}?\"",
          .required = true},
    Field{.key = "by",
          .shape = Texts,
          .doc = "Who may decide: users of the daemon's machine, by name, or keys. Without it, whoever may start runs."},
    Field{.key = "timeout", .shape = Duration, .doc = "How long it waits.", .fallback = "7d"},
    Field{
        .key = "on_timeout", .shape = Choice, .doc = "What holds when nobody answers.", .choices = "cancel|approve", .fallback = "cancel"},
};

const std::array wait_verb{
    Field{.key = "wait",
          .shape = Duration | Mapping,
          .doc = "Wait this long, until a moment, or until a query has an answer. Holds no thread and no slot.",
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
    VerbRow{Verb::Flow, &subflow_table, false, false},   VerbRow{Verb::Approve, &approve_table, false, false},
    VerbRow{Verb::Wait, &wait_verb_table, false, false}, VerbRow{Verb::Notify, &notify_verb_table, false, true},
};

} // namespace

const Table delete_table{"delete", "delete", "Which rows are deleted.", delete_fields};
const std::span<const VerbRow> verb_table{verbs};

} // namespace millrace
