/// Migration 13: what was told of a flow and belongs to no run.
#pragma once

namespace millrace::migrations {

inline constexpr const char* m0013_told = R"sql(
-- Of this partition alone: the key of events does for all others, and for the newest of this one.
create index event_of_no_run_by_flow on millrace.event_of_no_run (flow, id) where flow is not null;
)sql";

} // namespace millrace::migrations
