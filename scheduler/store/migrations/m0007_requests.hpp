/// Migration 7: what is asked of runs that another node drives.
#pragma once

namespace millrace::migrations {

inline constexpr const char* m0007_requests = R"sql(
-- Few rows, for seconds: who asked takes the answer away with its row.
create table millrace.request (
    id          bigint generated always as identity primary key,
    run_id      bigint not null,
    what        text not null check (what in ('cancel', 'pause', 'resume', 'approve', 'reject')),
    task        text not null,
    comment     text not null,
    by          text not null,
    asked_at    timestamptz not null,
    answered_at timestamptz,
    refusal     text,
    remedy      text
);
)sql";

} // namespace millrace::migrations
