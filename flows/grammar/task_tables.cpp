/// What every task, and every dataset, may have.
#include "flows/grammar/flow_tables.hpp"

#include <array>

namespace millrace {
namespace {

using enum Shape;

const std::array task_fields{
    Field{.key = "needs",
          .shape = Tasks,
          .doc = "Tasks that must have completed first, where the SQL and the references do not say so already. What needs a task that "
                 "failed or was skipped is skipped, and so is what needs that.",
          .example = "[projects]"},
    Field{.key = "when",
          .shape = Sql,
          .doc = "Runs only if this SQL condition is true; it may use `$params` and scalar sub-queries over upstream tables. Else the "
                 "task is skipped, with all that needs it; the run completes, and says how many were skipped.",
          .example = "(select count(*) from entries) > 0"},
    Field{.key = "retry",
          .shape = Whole | Mapping,
          .doc = "Attempts: a number, or how and for what. Without it `extract` and `load` have three when the other side is away "
                 "(transient, rate_limited; after 5 s and 10 s), other verbs one. An attempt whose host dies, or whose daemon ends, begins "
                 "again at once and does not count (a host three times); but where `retry` is written it counts for a `run`, so that "
                 "`retry: 1` runs a command once at most.",
          .example = "3",
          .table = &retry_table},
    Field{
        .key = "timeout",
        .shape = Duration,
        .doc =
            "An attempt that takes longer is killed, and so is the query of its `when` or `for_each`, without `timeout` after 10 minutes.",
        .example = "30m"},
    Field{.key = "memory",
          .shape = Memory,
          .doc = "The most that an attempt may use, in kB, MB or GB (thousands) or in KiB, MiB or GiB (1,024s).",
          .example = "512MB"},
    Field{.key = "limits",
          .shape = Slots,
          .doc = "Slots that it holds while it runs, by the name of a limit in millrace.yaml.",
          .example = "{warehouse_writers: 1}"},
    Field{.key = "tags", .shape = Texts, .doc = "Words to find it by."},
    Field{.key = "on_failure",
          .shape = Choice,
          .doc = "Whether the flow fails with it. With `continue` tasks that only need it run all the same; those that read its dataset "
                 "are skipped, with all that needs them. The run completes, and says how many failed.",
          .choices = "fail|continue",
          .fallback = "fail"},
};

const std::array dataset_fields{
    Field{.key = "columns",
          .shape = Strings,
          .doc =
              "The contract: `name: type [null] [unique] [check (..)] [references task(column)]`, with these [types](#types-of-columns). "
              "Of an extract it also names the columns to read; what SQL or a command gives has just these columns.",
          .example = "{id: text unique, hours: \"decimal(9,4) check (hours >= 0)\"}"},
    Field{.key = "checks",
          .shape = Mappings,
          .doc = "SQL that returns the rows that break a rule; `this` is the dataset. `millrace data head RUN.TASK --rejected` shows "
                 "them, up to ten thousand of each check.",
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
    Field{.key = "severity",
          .shape = Choice,
          .doc = "Whether violations fail the task, or are only warned of: then the rows stay in the dataset.",
          .choices = "error|warn",
          .fallback = "error"},
};

const std::array rejects_fields{
    Field{.key = "max", .shape = Whole | Percent, .doc = "More than this many rows, or this share, fails the task.", .fallback = "0"},
    Field{.key = "min_rows", .shape = Whole, .doc = "A share counts only from this many rows on.", .fallback = "0"},
    Field{.key = "to",
          .shape = Choice,
          .doc = "Keep them for replay, forget them, or fail at the first. A dataset that lacks rejected rows is not loaded with "
                 "`delete: missing` or mode replace, since they would look like deleted ones.",
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

const std::array wait_fields{
    Field{.key = "until",
          .shape = Template,
          .doc = "An instant, or a date: its midnight in the flow's zone.",
          .example = "\"${interval.end}\""},
    Field{.key = "sql",
          .shape = Sql,
          .doc =
              "Until the first column of this query's first row is a value other than false, 0 (of a type of numbers) and the empty "
              "text. No row and NULL are none; any other text, 'false' too, is one. It is one SELECT in the SQL of the connection, in a "
              "transaction that only reads, and takes $name as other SQL does, and the server's clock. Each time it has five minutes, and "
              "a place and the slots of the task's limits, which it gives back; it is asked again when the daemon begins anew. The "
              "task's `timeout` is for all of it, from the first time on. `retry` is for errors in a row: an answer begins it anew, and "
              "no try comes sooner than `every` says; without one a short outage of the server is waited for.",
          .example = "select 1 from closed_days where day = $interval_start_date"},
    Field{.key = "in",
          .shape = Template,
          .doc = "The connection that the query runs in, of type postgres. With `sql`.",
          .example = "warehouse"},
    Field{.key = "every",
          .shape = Duration,
          .doc = "From an answer to the next time that the query is asked, a second at least. With `sql`.",
          .fallback = "1m"},
};

} // namespace

const Table task_table{"task", "a task", "What every task may have beside its verb.", task_fields};
const Table dataset_table{"dataset", "a dataset", "What tasks that make a dataset may have (extract, transform, run with output).",
                          dataset_fields};
const Table check_table{"check", "a check", "A rule about a dataset.", check_fields};
const Table rejects_table{"rejects", "rejects", "What happens to rows that break the contract.", rejects_fields};
const Table raw_table{"raw", "raw", "The raw pages of an extract.", raw_fields};
const Table for_each_table{"for_each", "for_each", "The items, by a query.", for_each_fields};
const Table wait_table{"wait_until", "a wait", "What is waited for: `until` or `sql`.", wait_fields};

} // namespace millrace
