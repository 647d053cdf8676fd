/// Migration 2: slots that are not given out again.
#pragma once

namespace millrace::migrations {

inline constexpr const char* m0002_retired_slots = R"sql(
-- Its limit was lowered or removed while it was held. Whoever holds it keeps it; as long as it is held, one of the slots that
-- remain is not given out for it.
alter table millrace.slot add column retired boolean not null default false;
)sql";

} // namespace millrace::migrations
