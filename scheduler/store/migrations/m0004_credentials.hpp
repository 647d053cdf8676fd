/// Migration 4: what nodes share beside slots: whose turn it is at a limit.
#pragma once

namespace millrace::migrations {

inline constexpr const char* m0004_credentials = R"sql(
-- A node whose runs wait for slots of a limit. Others leave it as many as it needs when it has waited for long, and longer than
-- they. A hint that is written again every second: it may be lost.
create unlogged table millrace.slot_wait (
    key      text not null,
    epoch    uuid not null,
    slots    int not null,
    since    timestamptz not null,
    asked_at timestamptz not null,
    primary key (key, epoch)
);
)sql";

} // namespace millrace::migrations
