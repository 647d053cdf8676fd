/// Migration 3: history in partitions, so that what is old is dropped and not deleted.
#pragma once

namespace millrace::migrations {

inline constexpr const char* m0003_periods = R"sql(
-- A span of run ids. The rows of its runs are partitions of their own: run_<first>, task_run_<first> and so on. A period is made
-- before the first id of it is handed out, so that every row has its place and none ever moves. Without gaps: the next one begins
-- at `beyond`. The oldest takes all ids before it too.
create table millrace.period (
    first  bigint primary key,
    beyond bigint not null unique check (beyond > first)
);

-- Of runs that are kept. A unique index of millrace.run would have to contain the id.
create table millrace.idempotency (
    flow   text not null,
    key    text not null,
    run_id bigint not null,
    primary key (flow, key)
);
create index idempotency_by_run on millrace.idempotency (run_id);
insert into millrace.idempotency select flow, idempotency_key, id from millrace.run where idempotency_key is not null;

drop index millrace.run_idempotency;
alter table millrace.run drop constraint run_staging_id_key;
alter table millrace.run rename to run_0;
alter table millrace.task_run rename to task_run_0;
alter table millrace.attempt rename to attempt_0;
alter table millrace.event rename to event_0;
alter index millrace.run_pkey rename to run_0_pkey;
alter index millrace.run_by_flow rename to run_0_by_flow;
alter index millrace.run_by_parent rename to run_0_by_parent;
alter index millrace.run_live rename to run_0_live;
alter index millrace.event_pkey rename to event_0_pkey;
alter index millrace.task_run_pkey rename to task_run_0_pkey;
alter index millrace.attempt_pkey rename to attempt_0_pkey;

create table millrace.run (like millrace.run_0 including defaults including constraints, primary key (id),
                           constraint run_plan_hash_fkey foreign key (plan_hash) references millrace.plan) partition by range (id);
create index run_by_flow on millrace.run (flow, id);
create index run_by_parent on millrace.run (parent_id) where parent_id is not null;
create index run_live on millrace.run (id) where finished_at is null;
create index run_by_staging on millrace.run (staging_id);
create table millrace.task_run (like millrace.task_run_0 including defaults including constraints,
                                primary key (run_id, task, item)) partition by range (run_id);
create table millrace.attempt (like millrace.attempt_0 including defaults including constraints,
                               primary key (run_id, task, item, number)) partition by range (run_id);
-- `run_id` 0: of no run.
create table millrace.event (
    id      bigint generated always as identity,
    at      timestamptz not null,
    run_id  bigint not null default 0 check (run_id >= 0),
    flow    text,
    task    text,
    kind    text not null,
    message text not null,
    details jsonb not null,
    primary key (run_id, id)
) partition by range (run_id);
create table millrace.event_of_no_run partition of millrace.event for values from (minvalue) to (1);

create function millrace.add_period(first bigint, beyond bigint) returns void language plpgsql as $$
declare
    since text := case when exists (select from millrace.period) then first::text else 'minvalue' end;
    filled constant jsonb := '{"run": 50, "task_run": 60, "attempt": 60, "event": 100}'; -- rows that change stay on their page
    part record;
begin
    insert into millrace.period values (first, beyond);
    for part in select key as parent, key || '_' || first as name, value as filled from jsonb_each_text(filled) order by key loop
        execute format('create table millrace.%I (like millrace.%I including defaults including constraints including indexes)'
                       ' with (fillfactor = %s)', part.name, part.parent, part.filled);
        execute format('alter table millrace.%I attach partition millrace.%I for values from (%s) to (%s)', part.parent, part.name,
                       case when part.parent = 'event' then greatest(first, 1)::text else since end, beyond);
    end loop;
end $$;

-- What is there already becomes the oldest period as it stands.
do $$
declare
    next bigint := (select last_value + case when is_called then 64 else 0 end from millrace.run_id);
begin
    if exists (select from millrace.run_0) or exists (select from millrace.event_0) then
        insert into millrace.event (id, at, flow, task, kind, message, details) overriding system value
            select id, at, flow, task, kind, message, details from millrace.event_0 where run_id is null;
        delete from millrace.event_0 where run_id is null;
        next := greatest(next, (select max(id) + 1 from millrace.run_0), 2);
        drop index millrace.event_by_run;
        alter table millrace.event_0 alter id drop identity, alter run_id set default 0, alter run_id set not null,
            drop constraint event_0_pkey, add constraint event_run_id_check check (run_id >= 0);
        alter table millrace.event_0 add primary key (run_id, id);
        execute format('alter table millrace.run attach partition millrace.run_0 for values from (minvalue) to (%s)', next);
        execute format('alter table millrace.task_run attach partition millrace.task_run_0 for values from (minvalue) to (%s)', next);
        execute format('alter table millrace.attempt attach partition millrace.attempt_0 for values from (minvalue) to (%s)', next);
        execute format('alter table millrace.event attach partition millrace.event_0 for values from (1) to (%s)', next);
        perform setval(pg_get_serial_sequence('millrace.event', 'id'), (select max(id) + 1 from millrace.event), false)
           from (select from millrace.event limit 1) any_event;
        insert into millrace.period values (0, next);
    else
        drop table millrace.run_0, millrace.task_run_0, millrace.attempt_0, millrace.event_0;
    end if;
    perform millrace.add_period(next, next + 1024);
end $$;
)sql";

} // namespace millrace::migrations
