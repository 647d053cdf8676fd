/// Migration 12: what is looked for among many rows.
#pragma once

namespace millrace::migrations {

inline constexpr const char* m0012_bounds = R"sql(
-- Read each second by who is to answer, and by a run that takes the place of others.
create index request_unanswered on millrace.request (id) where answered_at is null;
create index request_by_run on millrace.request (run_id);

-- How firings go: with the period of their run, or by their age where they made none.
create index firing_by_run on millrace.firing (run_id) where run_id > 0;
create index firing_of_no_run on millrace.firing (nominal) where run_id = 0;
)sql";

} // namespace millrace::migrations
