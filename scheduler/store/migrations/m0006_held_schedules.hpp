/// Migration 6: schedules that pause after failures.
#pragma once

namespace millrace::migrations {

inline constexpr const char* m0006_held_schedules = R"sql(
-- Runs in a row that failed or crashed; held since `pause_after` of them, until somebody resumes the flow.
alter table millrace.schedule add column failures int not null default 0 check (failures >= 0);
alter table millrace.schedule add column held_at timestamptz;
create index schedule_held on millrace.schedule (flow) where held_at is not null;
)sql";

} // namespace millrace::migrations
