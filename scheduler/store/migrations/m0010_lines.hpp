/// Migration 10: whose turn it is among the runs of a flow.
#pragma once

namespace millrace::migrations {

inline constexpr const char* m0010_lines = R"sql(
-- Runs of a flow that wait for each other: the one that may go on, over all nodes. The journal writes it, with the end of a run and with
-- what asks: nobody has it who is not live. `next_run` is the oldest that has asked in vain; whoever has not asked for seconds does not count.
create table millrace.line (
    flow            text primary key,
    run_id          bigint,
    next_run        bigint,
    next_created_at timestamptz,
    next_asked_at   timestamptz
) with (fillfactor = 50);

-- What is under way has the turn already.
insert into millrace.line (flow, run_id)
select r.flow, min(r.id) from millrace.run r join millrace.plan p on p.hash = r.plan_hash
 where r.finished_at is null and r.state <> 'pending' and r.parent_id is null and not r.options ? 'backfill'
   and p.plan ->> 'overlap' <> 'allow'
 group by r.flow;
)sql";

} // namespace millrace::migrations
