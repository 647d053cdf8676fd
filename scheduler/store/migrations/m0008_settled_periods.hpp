/// Migration 8: periods of which nothing is live.
#pragma once

namespace millrace::migrations {

inline constexpr const char* m0008_settled_periods = R"sql(
-- All runs of it and of those before it have ended, and no node has an id of it in hand: none will be live again.
alter table millrace.period add column settled boolean not null default false;
)sql";

} // namespace millrace::migrations
