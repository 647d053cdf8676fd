#include "flows/grammar/source_tables.hpp"

#include <array>

namespace millrace {
namespace {

using enum Shape;

constexpr std::string_view error_classes = "transient|rate_limited|auth|bad_data|not_yet_visible|permanent";
constexpr std::string_view param_types = "text|int|decimal|bool|date|timestamptz|list";

const std::array source_fields{
    Field{.key = "source", .shape = Name, .doc = "The type that connections name.", .example = "clockify", .required = true},
    Field{.key = "description", .shape = Text, .doc = "What the API is."},
    Field{.key = "connection",
          .shape = Named,
          .doc = "The fields that a connection of this type takes; `url` is always among them.",
          .table = &source_field_table},
    Field{.key = "auth", .shape = Mapping, .doc = "How a request shows who asks.", .table = &auth_table},
    Field{.key = "rate", .shape = Mapping, .doc = "How fast requests may follow each other, per credential.", .table = &rate_table},
    Field{.key = "error_message", .shape = Text, .doc = "Dotted path to the message of an error body.", .fallback = "message"},
    Field{.key = "error_code", .shape = Text, .doc = "Dotted path to the code of an error body.", .fallback = "code"},
    Field{.key = "errors",
          .shape = Mappings,
          .doc = "What certain answers mean; the first rule that fits decides.",
          .table = &error_rule_table},
    Field{.key = "check", .shape = Mapping, .doc = "A cheap request that proves the connection.", .table = &source_check_table},
    Field{.key = "resources", .shape = Named, .doc = "What can be extracted.", .table = &resource_table, .required = true},
};

const std::array connection_field{
    Field{.key = "secret", .shape = Bool, .doc = "Never shown.", .fallback = "false"},
    Field{.key = "required", .shape = Bool, .doc = "A connection without it is refused.", .fallback = "false"},
    Field{.key = "default", .shape = Text, .doc = "Its value when the connection does not give one."},
    Field{.key = "description", .shape = Text, .doc = "What it is and where it is found."},
};

const std::array auth_fields{
    Field{.key = "kind", .shape = Choice, .doc = "How.", .choices = "none|api_key|basic|bearer", .required = true},
    Field{.key = "header", .shape = Text, .doc = "api_key: the header that carries it."},
    Field{.key = "query", .shape = Text, .doc = "api_key: the query parameter that carries it."},
    Field{.key = "value", .shape = Template, .doc = "api_key, bearer: the key or token."},
    Field{.key = "user", .shape = Template, .doc = "basic: the user."},
    Field{.key = "password", .shape = Template, .doc = "basic: the password."},
};

const std::array rate_fields{
    Field{.key = "requests", .shape = Whole, .doc = "So many requests ...", .required = true},
    Field{.key = "per", .shape = Duration, .doc = "... in this time.", .fallback = "1s"},
    Field{.key = "concurrency", .shape = Whole, .doc = "Requests under way at once.", .fallback = "1"},
};

const std::array error_rule_fields{
    Field{.key = "status", .shape = Texts, .doc = "The HTTP status, or a list of them.", .required = true},
    Field{.key = "code", .shape = Whole, .doc = "Only with this code in the body."},
    Field{.key = "class", .shape = Choice, .doc = "What it means for a retry.", .choices = error_classes, .required = true},
    Field{.key = "remedy", .shape = Text, .doc = "What the reader of the error should do."},
};

const std::array source_check_fields{
    Field{.key = "path", .shape = Template, .doc = "The path to ask with GET.", .required = true},
};

const std::array resource_fields{
    Field{.key = "description", .shape = Text, .doc = "What one record is."},
    Field{.key = "base", .shape = Text, .doc = "The connection field that holds the base URL.", .fallback = "url"},
    Field{.key = "method", .shape = Choice, .doc = "The HTTP method.", .choices = "GET|POST", .fallback = "GET"},
    Field{.key = "path",
          .shape = Template,
          .doc = "Below the base URL.",
          .example = "/workspaces/${connection.workspace_id}/clients",
          .required = true},
    Field{.key = "headers", .shape = Strings, .doc = "More headers."},
    Field{.key = "query", .shape = Values, .doc = "Query parameters; one that is null is left out."},
    Field{.key = "body", .shape = Any, .doc = "Sent as JSON."},
    Field{.key = "paging", .shape = Mapping, .doc = "How the pages follow each other.", .table = &paging_table},
    Field{.key = "window", .shape = Mapping, .doc = "The parameters `from` and `to` are asked in steps.", .table = &window_table},
    Field{.key = "records", .shape = Text, .doc = "Dotted path to the array of records; without it the answer is the array."},
    Field{.key = "total", .shape = Text, .doc = "Dotted path to the announced number of records.", .example = "totals[0].entriesCount"},
    Field{.key = "key", .shape = Texts, .doc = "What identifies a record."},
    Field{.key = "rounded",
          .shape = Texts,
          .doc = "Columns whose decimals are rounded to their scale: a service that computes in floating point sends 5.68E-14."},
    Field{.key = "complete", .shape = Bool, .doc = "A walk without narrowing parameters sees everything.", .fallback = "true"},
    Field{.key = "params", .shape = Named, .doc = "What `with` of an extract may give.", .table = &resource_param_table},
    Field{.key = "columns", .shape = Strings, .doc = "Members of a record that become columns: `name: type [null]`.", .required = true},
};

const std::array paging_fields{
    Field{.key = "kind",
          .shape = Choice,
          .doc = "How the next page is asked for.",
          .choices = "none|page_number|offset|cursor|next_url|link_header",
          .required = true},
    Field{.key = "in", .shape = Choice, .doc = "Where the parameters go.", .choices = "query|body", .fallback = "query"},
    Field{.key = "param", .shape = Text, .doc = "The parameter with the page's number; dotted in a body."},
    Field{.key = "start", .shape = Whole, .doc = "The number of the first page.", .fallback = "1"},
    Field{.key = "size_param", .shape = Text, .doc = "The parameter with the page's size."},
    Field{.key = "size", .shape = Whole, .doc = "Records per page."},
    Field{.key = "last_header", .shape = Text, .doc = "A header that says \"true\" on the last page."},
};

const std::array window_fields{
    Field{.key = "step", .shape = Span, .doc = "The length of a window; without it one window is the whole.", .example = "1d"},
};

const std::array resource_param_fields{
    Field{.key = "type", .shape = Choice, .doc = "What it holds.", .choices = param_types, .fallback = "text"},
    Field{.key = "required", .shape = Bool, .doc = "An extract without it is refused.", .fallback = "false"},
    Field{.key = "narrows", .shape = Bool, .doc = "With it the answer is not a complete snapshot.", .fallback = "false"},
    Field{.key = "default", .shape = Any, .doc = "Its value when `with` does not give one."},
};

const std::array retention_fields{
    Field{.key = "raw", .shape = Duration, .doc = "The raw pages of extracts.", .fallback = "7d"},
    Field{.key = "quarantine", .shape = Duration, .doc = "Rows that were rejected.", .fallback = "30d"},
    Field{.key = "datasets",
          .shape = Duration,
          .doc = "Datasets. `runs rerun --failed` makes again what it needs of them.",
          .fallback = "7d"},
    Field{.key = "logs", .shape = Duration, .doc = "Logs of tasks.", .fallback = "30d"},
    Field{.key = "events",
          .shape = Duration,
          .doc = "Events: warnings, and what was done to a run. As long as `history`, unless this says less."},
    Field{.key = "history",
          .shape = Duration,
          .doc =
              "The runs themselves, with their idempotency keys; a day at least. They go together with the others of about the same day.",
          .fallback = "90d"},
};

const std::array project_fields{
    Field{.key = "database",
          .shape = Template,
          .doc = "The PostgreSQL that keeps the state; without it a private one is managed here.",
          .example = "\"${secret.MILLRACE_DATABASE}\""},
    Field{.key = "listen", .shape = Template, .doc = "Where the dashboard and the API listen."},
    Field{.key = "state", .shape = Template, .doc = "The folder for logs, the socket and the private PostgreSQL."},
    Field{.key = "staging", .shape = Template, .doc = "The folder for datasets."},
    Field{.key = "retention",
          .shape = Mapping,
          .doc = "How long things are kept, by kind.",
          .example = "{raw: 7d, logs: 30d}",
          .table = &retention_table},
    Field{.key = "flows", .shape = Texts, .doc = "Folders with flow files, relative to this file.", .fallback = "[flows]"},
    Field{.key = "connections", .shape = Values, .doc = "Sources and targets by name: a mapping with `type` and that type's fields."},
    Field{.key = "channels",
          .shape = Values,
          .doc = "Where messages are to go, by name: a mapping with `type` and that type's fields. None is sent yet."},
    Field{.key = "limits",
          .shape = Slots,
          .doc =
              "How many may be under way at once, over all nodes of the store. A name of your own counts for the flows and tasks that ask "
              "for it in their `limits`. The others count by themselves, and no flow names them: `all` counts task runs, `flow.NAME` runs "
              "of that flow (of a run in chunks its chunks; what comes while another run is under way is still what `overlap` says), "
              "`tag.TAG` task runs with that tag, their own or their flow's, `connection.NAME` task runs that use that connection. Flows "
              "that wait for one limit take turns. `millrace limits` shows who holds what, and who waits.",
          .example = "{warehouse_writers: 2, all: 20, flow.hours: 1, tag.nightly: 4, connection.clockify: 2}"},
};

} // namespace

const Table source_table{"source", "a source", "One SaaS API.", source_fields};
const Table source_field_table{"source_field", "a connection field", "A field of connections of this type.", connection_field};
const Table auth_table{"auth", "auth", "How a request shows who asks.", auth_fields};
const Table rate_table{"rate", "rate", "How fast requests may follow each other.", rate_fields};
const Table error_rule_table{"error_rule", "an error rule", "What an answer means.", error_rule_fields};
const Table source_check_table{"source_check", "check", "A cheap request that proves the connection.", source_check_fields};
const Table resource_table{"resource", "a resource", "What can be extracted.", resource_fields};
const Table paging_table{"paging", "paging", "How the pages follow each other.", paging_fields};
const Table window_table{"window", "a window", "One request per step of time.", window_fields};
const Table resource_param_table{"resource_param", "a resource parameter", "What `with` may give.", resource_param_fields};
const Table retention_table{"retention", "retention",
                            "How long things are kept after their run has ended. Every hour, what is older is removed, and an event and "
                            "the daemon's log say what. A "
                            "run that has not ended, and what it goes on from, keeps everything. Nothing is kept longer than `history`: a "
                            "default that is longer than a written `history` is as long as that, the default of `history` as long as the "
                            "longest that is written, and `validate` refuses what is written and longer than a written `history`.",
                            retention_fields};
const Table project_table{"project", "millrace.yaml", "The project's configuration.", project_fields};

} // namespace millrace
