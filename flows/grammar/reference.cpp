#include "flows/grammar/flow_tables.hpp"
#include "flows/grammar/schema.hpp"
#include "flows/grammar/shapes.hpp"
#include "flows/grammar/source_tables.hpp"
#include "flows/guarantees.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace millrace {
namespace {

/// A cell of a Markdown table: bars would end it.
std::string cell(std::string_view text) {
    std::string safe;
    for (const char c : text) safe += c == '|' ? std::string("\\|") : std::string(1, c);
    return safe;
}

std::string quoted(std::string_view yaml) { return yaml.empty() ? "" : "`" + cell(yaml) + "`"; }

std::string rows(const Table& table) {
    std::string text = "| key | takes | default | |\n|---|---|---|---|\n";
    for (const auto& field : table.fields) {
        std::string what(field.doc);
        if (field.required) what = "**Required.** " + what;
        if (field.later) what = "*Not available yet.* " + what;
        if (!field.example.empty()) what += " For example `" + std::string(field.example) + "`.";
        const auto link = field.table != nullptr ? fmt::format(" ([{}](#{}))", field.table->name, field.table->name) : "";
        text += fmt::format("| `{}` | {}{} | {} | {} |\n", field.key, cell(describe(field)), link, quoted(field.fallback), cell(what));
    }
    return text + "\n";
}

std::string section(const Table& table, const char* level) {
    return fmt::format("{} {}\n\n{}\n\n{}", level, table.name, table.doc, rows(table));
}

/// The tables below a table, each once, in the order in which a reader meets them.
void collect(const Table& table, std::vector<const Table*>& found) {
    for (const auto& field : table.fields)
        if (field.table != nullptr && field.table != &task_table && std::find(found.begin(), found.end(), field.table) == found.end()) {
            found.push_back(field.table);
            collect(*field.table, found);
        }
}

std::string promises() {
    std::string text = "| target | append | insert_new | upsert | replace | delete: missing | how |\n|---|---|---|---|---|---|---|\n";
    const auto said = [](std::string_view promise) { return promise.empty() ? std::string_view("refused") : promise; };
    for (const auto& g : guarantees()) {
        std::string targets;
        for (const auto& type : choices_of(g.targets)) targets += (targets.empty() ? "" : ", ") + type;
        text += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", targets, said(g.append), said(g.insert_new), said(g.upsert),
                            said(g.replace), said(g.delete_missing), g.how);
    }
    return text + "\nLoading into targets other than postgres is not available yet.\n";
}

constexpr const char* opening = R"(# The flow language

Written by the program from the tables of its grammar (`flows/grammar`): do not edit it by hand. An editor completes and
checks flow files with `millrace flows schema`; `millrace flows validate` says everything that is wrong at once.

A flow is one YAML file. **A task is one verb with its object; everything else is an option.**

* **Names** of flows, tasks, parameters and connections: a lower-case letter, then lower-case letters, digits and `_`.
* **`${...}` is substitution, in plain strings only**: a parameter by its name, `item.x`, `interval.start`, `interval.end`,
  `chunk.number`, `run.id`, `run.at`, and in `with` and commands `env.X`, a variable of the daemon's environment or `.env`.
  Times take a format: `${interval.start:%Y-%m-%d}`, in the flow's zone, or in UTC where the format ends in `Z`. A value that
  is one reference and nothing else keeps its type; a list is such a value only, and stands inside no text. `$${` is a literal
  `${`.
* **In SQL there is no substitution.** Values are bound: `$name` for a parameter, `$interval_start`, `$interval_end`
  (instants), `$interval_start_date`, `$interval_end_date` (dates in the flow's zone), `$run_at`, the only clock.
* **SQL's zone is the flow's**: `"timeInterval".start::date` is the day of the flow's zone, and so is what `date_trunc`,
  `extract` and `strftime` read off an instant; `timezone('Asia/Tokyo', an_instant)` is the clock of another zone. The flow's
  zone is its first schedule's, without one UTC; a flow that runs only by hand has it from a schedule with `paused: true`.
* **Edges come from what a task reads**: the tables in its SQL, `load`, `inputs`, `for_each`. `needs` adds others.
* **Time**: an interval's start belongs to it, its end does not. Days and longer begin at midnight of the schedule's zone;
  hours and less are elapsed time; a day that a month lacks is its last; a local time that does not exist is the first
  instant after the gap.

)";

constexpr const char* about_project = R"(# millrace.yaml

The project's configuration: `--config FILE`, else that of the folder where a command is called or of one above; of a service it is
`/etc/millrace/millrace.yaml`. `millrace deploy` puts changes in force and says what they are.

)";

constexpr const char* about_connections = R"(
Values take `${secret.NAME}` and `${env.NAME}`: from the environment, from `.env` beside the file, or, secrets, from a systemd
credential. A connection is `NAME: {type: TYPE, ..}`. The type `postgres` has the field `url`; that of a source has those that
`millrace sources show SOURCE` lists, also with the variables that fill in the one of its own name, which needs no entry.
`millrace connections check` tries them all.

Nor does `warehouse` need an entry: it is the PostgreSQL that keeps the state. Another server for it, and a second account:

```yaml
connections:
  warehouse: {type: postgres, url: "${secret.WAREHOUSE_URL}"}
  agency_b: {type: clockify, api_key: "${secret.CLOCKIFY_B_KEY}", workspace_id: 64ab12}
```

)";

constexpr const char* column_types = R"(# Types of columns

What `columns` and casts in SQL say, and what a column of a PostgreSQL table becomes that a load creates. Other names that
DuckDB has for them (`varchar`, `integer`, `int8`, `numeric`, `real`, `bytea`) are taken too.

| type | in PostgreSQL |
|---|---|
| `text` | `text` |
| `bool` | `boolean` |
| `tinyint`, `smallint` | `smallint` |
| `int` | `integer` |
| `bigint` | `bigint` |
| `hugeint` | `numeric(38,0)` |
| `decimal(p,s)` | `numeric(p,s)`; values are never rounded to fit |
| `float`, `double` | `real`, `double precision` |
| `date`, `time` | the same |
| `timestamp` | `timestamp without time zone`: a local time |
| `timestamptz` | `timestamp with time zone`: an instant |
| `uuid` | `uuid` |
| `blob` | `bytea` |
| `json`, `struct(a int, b text)`, `map(text, int)`, `int[]` | `jsonb` |
| `interval` | `text` |

)";

} // namespace

std::string flow_reference() {
    std::vector<const Table*> tables;
    collect(flow_table, tables);
    std::string text = opening + section(flow_table, "##");
    for (const Table* table : tables) text += section(*table, "##");
    text += section(task_table, "##") + section(dataset_table, "##");
    std::vector<const Table*> below;
    collect(dataset_table, below);
    for (const auto& row : verb_table) {
        text +=
            fmt::format("## {}\n\n{}{}\n\n{}", row.table->name, row.table->doc, row.later ? " *Not available yet.*" : "", rows(*row.table));
        collect(*row.table, below);
    }
    text += "# Mappings of tasks\n\n";
    for (const Table* table : below)
        if (std::find(tables.begin(), tables.end(), table) == tables.end()) text += section(*table, "##");
    text += column_types;
    text += "# What a load promises\n\nBy target and mode. After any crash the target holds the same rows as after an undisturbed run over "
            "the same data.\n\n" +
            promises();
    text += "\n" + std::string(about_project) + rows(project_table) + about_connections + section(retention_table, "##");
    text.pop_back();
    return text;
}

} // namespace millrace
