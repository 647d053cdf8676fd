/// Migration 11: the clocks of nodes.
#pragma once

namespace millrace::migrations {

inline constexpr const char* m0011_clocks = R"sql(
-- Seconds that the node's wall clock shows more than the store's, when they were compared last.
alter table millrace.node add column clock_ahead double precision not null default 0;
)sql";

} // namespace millrace::migrations
