/// Migration 1: the tables of the store. Invariants that must hold whatever the program does are CHECKs and unique indexes.
#pragma once

namespace millrace::migrations {

inline constexpr const char* m0001_tables = R"sql(
-- A running daemon. `epoch` is its fencing token: random, compared for equality only. Every flush of its journal raises
-- `journal_seq` by one, which fences the flush and tells after a lost connection whether the last commit arrived.
create table millrace.node (
    id          text primary key,
    epoch       uuid not null unique,
    lease_until timestamptz not null,
    journal_seq bigint not null default 0,
    started_at  timestamptz not null,
    version     text not null,
    pid         int not null
) with (fillfactor = 20);

create table millrace.plan (
    hash       text primary key check (hash ~ '^[0-9a-f]{64}$'),
    flow       text not null,
    plan       jsonb not null,
    created_at timestamptz not null
);

create table millrace.flow (
    name        text primary key,
    plan_hash   text not null references millrace.plan,
    folder      text not null,
    deployed_at timestamptz not null,
    archived    boolean not null default false,
    paused      boolean not null default false
);

-- `changed_at` is where catching up after downtime begins at the earliest; `next_at` is null when nothing will fire again.
create table millrace.schedule (
    flow       text not null references millrace.flow,
    number     int not null check (number >= 0),
    spec       jsonb not null,
    changed_at timestamptz not null,
    next_at    timestamptz,
    next_local text,
    primary key (flow, number)
);

-- At most one run for each nominal instant of a schedule.
create table millrace.firing (
    flow     text not null,
    schedule int not null,
    nominal  timestamptz not null,
    local    text not null,
    run_id   bigint not null,
    primary key (flow, schedule, nominal)
);

create sequence millrace.run_id increment by 64 cache 1;

-- One execution of a flow. `epoch` is of the node that drives it; null until one does and after the end.
create table millrace.run (
    id              bigint primary key,
    flow            text not null,
    plan_hash       text not null references millrace.plan,
    staging_id      uuid not null unique,
    run_key         text not null,
    idempotency_key text,
    request_hash    text,
    trigger         text not null check (trigger in ('schedule', 'api', 'cli', 'rerun', 'backfill', 'flow')),
    state           text not null check (state in ('scheduled', 'pending', 'running', 'retrying', 'paused', 'cancelling',
                                                   'completed', 'failed', 'crashed', 'cancelled', 'skipped')),
    state_name      text not null,
    message         text not null default '',
    params          jsonb not null,
    options         jsonb not null,
    summary         jsonb,
    interval_start  timestamptz,
    interval_end    timestamptz check (interval_end > interval_start),
    created_at      timestamptz not null,
    scheduled_for   timestamptz,
    started_at      timestamptz,
    finished_at     timestamptz,
    rerun_of        bigint,
    parent_id       bigint,
    chunk_number    int,
    chunk_of        int,
    epoch           uuid,
    constraint run_final_iff_finished
        check ((finished_at is not null) = (state in ('completed', 'failed', 'crashed', 'cancelled', 'skipped')))
) with (fillfactor = 50);
create unique index run_idempotency on millrace.run (flow, idempotency_key) where idempotency_key is not null;
create index run_by_flow on millrace.run (flow, id);
create index run_by_parent on millrace.run (parent_id) where parent_id is not null;
create index run_live on millrace.run (id) where finished_at is null;

-- `item` -1 is the task itself, 0.. are the items of a mapped one. No index beside the key, so that an update stays on its page.
create table millrace.task_run (
    run_id      bigint not null,
    task        int not null check (task >= 0),
    item        int not null check (item >= -1),
    attempts    int not null check (attempts >= 0),
    charged     int not null check (charged >= 0),
    state       text not null check (state in ('scheduled', 'pending', 'running', 'retrying', 'paused', 'cancelling',
                                               'completed', 'failed', 'crashed', 'cancelled', 'skipped')),
    state_name  text not null,
    started_at  timestamptz,
    finished_at timestamptz,
    due_at      timestamptz,
    message     text,
    error       jsonb,
    value       jsonb,
    result      jsonb,
    primary key (run_id, task, item),
    constraint task_run_final_iff_finished
        check ((finished_at is not null) = (state in ('completed', 'failed', 'crashed', 'cancelled', 'skipped')))
) with (fillfactor = 60);

create table millrace.attempt (
    run_id      bigint not null,
    task        int not null,
    item        int not null,
    number      int not null check (number >= 1),
    state       text not null check (state in ('running', 'completed', 'failed', 'crashed', 'cancelled')),
    log         text not null,
    started_at  timestamptz not null,
    finished_at timestamptz,
    error       jsonb,
    primary key (run_id, task, item, number),
    constraint attempt_final_iff_finished check ((finished_at is not null) = (state <> 'running'))
) with (fillfactor = 60);

create table millrace.event (
    id      bigint generated always as identity primary key,
    at      timestamptz not null,
    run_id  bigint,
    flow    text,
    task    text,
    kind    text not null,
    message text not null,
    details jsonb not null
);
create index event_by_run on millrace.event (run_id) where run_id is not null;

-- A unit of a limit. It is held while `epoch` is a node's; else it is free, whatever the other columns say.
create table millrace.slot (
    key    text not null,
    number int not null check (number >= 1),
    epoch  uuid,
    run_id bigint,
    task   int,
    item   int,
    since  timestamptz,
    primary key (key, number)
) with (fillfactor = 50);
create index slot_held on millrace.slot (run_id) where run_id is not null;
)sql";

} // namespace millrace::migrations
