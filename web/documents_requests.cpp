// What callers send, what a backfill would do, and the problem that is the answer to a mistake.
#include "web/document_tables.hpp"

#include <array>

namespace millrace {

namespace {

constexpr Member trigger_request[] = {
    {"params", "object=", "by name; a text is taken as the parameter's type, a list's as JSON"},
    {"interval", "Interval=", "dates or instants; the flow's own where absent"},
    {"idempotency_key", "string=", "the same key makes one run, however often it is sent; or the header Idempotency-Key"},
    {"limit_rows", "integer=", "a trial: moves no cursor, deletes nothing"},
    {"full_refresh", "boolean=", "ignores the cursors"},
    {"cut_steps", "boolean=", "runs an interval that cuts a step of `every`: without it that is refused where loads replace rows"},
};
constexpr Member backfill_request[] = {
    {"flow", "string", ""},
    {"interval", "Interval", "dates or instants"},
    {"every", "string=", "length of a chunk, such as 1d or 1mo; the flow's `chunk`, else its `every`, where absent"},
    {"concurrency", "integer=", "chunks at once, 1 to 100; 1 where absent"},
    {"again", "boolean=", "also the chunks that an earlier run of the same interval, parameters and tasks completed"},
    {"params", "object=", "by name"},
    {"cut_steps", "boolean=", "as of a TriggerRequest, for each chunk"},
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
    {"idempotency_key", "string=", "as of a TriggerRequest"},
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

std::span<const Document> request_documents() { return all; }

} // namespace millrace
