/// Migration 5: what of a flow's `expect` was broken.
#pragma once

namespace millrace::migrations {

inline constexpr const char* m0005_breaches = R"sql(
-- Told once: whoever inserts the key first writes the event. `run_id` is null where it is about no run; runs go before it does.
create table millrace.breach (
    flow         text not null,
    expectation  text not null,
    subject      text not null,
    kind         text not null,
    run_id       bigint,
    since        timestamptz not null,
    told_at      timestamptz not null,
    recovered_at timestamptz,
    message      text not null,
    primary key (flow, expectation, subject)
);
create index breach_open on millrace.breach (flow) where recovered_at is null;
create index breach_by_run on millrace.breach (run_id) where run_id is not null;
)sql";

} // namespace millrace::migrations
