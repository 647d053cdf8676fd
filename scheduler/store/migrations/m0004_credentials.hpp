/// Migration 4: what nodes share beside slots: the rates and pauses of credentials, and whose turn it is at a limit.
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

-- A credential of a source, by a hash of its type, address and secrets. Requests up to `next_at` are given out.
create table millrace.credential (
    name           text primary key,
    connection     text not null,
    rate           float8 not null, -- requests a second; 0: no limit
    next_at        timestamptz not null,
    paused_until   timestamptz,
    quota_limit    bigint,
    quota_left     bigint,
    quota_reset_at timestamptz,
    used_at        timestamptz not null,
    window_at      timestamptz not null, -- a span of ten seconds, and how many were given out in it and in the one before
    window_count   int not null,
    last_count     int not null default 0
) with (fillfactor = 50);
)sql";

} // namespace millrace::migrations
