// The SQL of the journal.
#include "scheduler/pg_journal_statements.hpp"

#include "scheduler/backfill.hpp"
#include "scheduler/store/periods.hpp"

namespace millrace {
namespace {

// What follows in the transaction is on its way already: where there is no row to raise, this has to be an error.
constexpr const char* raise_fence = R"sql(
    with fence as (
        update millrace.node set journal_seq = $3::bigint, lease_until = clock_timestamp() + make_interval(secs => $4)
         where id = $1 and epoch = $2::uuid and journal_seq = $3::bigint - 1 returning 1)
    select 1 / count(*) from fence)sql";
constexpr const char* division_by_zero = "22012";

// With the port of the server where it is reached without a network; '' by TCP, also behind a pooler on this machine.
constexpr const char* read_sequence = R"sql(
    select journal_seq, case when inet_server_addr() is null then current_setting('port') else '' end
      from millrace.node where id = $1 and epoch = $2::uuid)sql";

// The timeline is that of the WAL being written: the control file has it only from the next checkpoint on. Any role may ask.
constexpr const char* read_position = R"sql(
    select system_identifier, substr(pg_walfile_name(at), 1, 8), (at - '0/0')::bigint
      from pg_control_system(), (select pg_current_wal_flush_lsn() as at) as wal)sql";

// `@` is the period of the runs. Through the table as a whole each update would cost three times as much with sixty periods: all of
// its partitions are locked and opened for it.
constexpr const char* insert_runs = R"sql(
    insert into millrace.run_@ (id, flow, plan_hash, staging_id, run_key, idempotency_key, request_hash, trigger, state, state_name,
                              message, params, options, interval_start, interval_end, created_at, scheduled_for, started_at, finished_at,
                              rerun_of, parent_id, chunk_number, chunk_of, summary, epoch)
    select * from unnest($1::bigint[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                         $10::text[], $11::text[], $12::jsonb[], $13::jsonb[], $14::timestamptz[], $15::timestamptz[],
                         $16::timestamptz[], $17::timestamptz[], $18::timestamptz[], $19::timestamptz[], $20::bigint[], $21::bigint[],
                         $22::int[], $23::int[], $24::jsonb[], $25::uuid[]))sql";

// Of the backfills of a flow one is written after the other, on all nodes: the second one sees the first. Until the end of the
// transaction; in the order of the keys, so that no two nodes wait for each other.
constexpr const char* one_backfills = R"sql(
    select pg_advisory_xact_lock(key)
      from (select distinct hashtextextended('millrace.backfill ' || flow, 0) as key from unnest($1::text[]) as flow order by key) keys)sql";

// An error where there is another: what is on its way in the transaction has to be undone. Those of the group see each other too.
constexpr const char* refuse_beside = R"sql(
    select 1 / (count(*) = 0)::int
      from millrace.run n join millrace.run r on r.flow = n.flow and r.params = n.params and r.id <> n.id
                         and r.interval_start < n.interval_end and n.interval_start < r.interval_end
     where n.id = any($1::bigint[]) and n.id >= (@live_from) and r.id >= (@live_from)
       and r.finished_at is null and r.parent_id is null and r.options ? 'backfill' and not r.options ? 'limit_rows')sql";

constexpr const char* insert_keys = R"sql(
    insert into millrace.idempotency (flow, key, run_id) select * from unnest($1::text[], $2::text[], $3::bigint[]))sql";

constexpr const char* update_runs = R"sql(
    update millrace.run_@ r
       set state = u.state, state_name = u.state_name, message = u.message, started_at = u.started_at, finished_at = u.finished_at,
           summary = u.summary, epoch = case when u.finished_at is null then r.epoch end
      from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::jsonb[])
           as u(id, state, state_name, message, started_at, finished_at, summary)
     where r.id = u.id and r.finished_at is null)sql";

constexpr const char* insert_task_runs = R"sql(
    insert into millrace.task_run_@ (run_id, task, item, attempts, charged, state, state_name, started_at, finished_at, due_at,
                                   message, error, result, value)
    select * from unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::int[], $6::text[], $7::text[], $8::timestamptz[],
                         $9::timestamptz[], $10::timestamptz[], $11::text[], $12::jsonb[], $13::jsonb[], $14::jsonb[]))sql";

constexpr const char* update_task_runs = R"sql(
    update millrace.task_run_@ t
       set attempts = u.attempts, charged = u.charged, state = u.state, state_name = u.state_name, started_at = u.started_at,
           finished_at = u.finished_at, due_at = u.due_at, message = u.message, error = u.error, result = u.result
      from unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::int[], $6::text[], $7::text[], $8::timestamptz[],
                  $9::timestamptz[], $10::timestamptz[], $11::text[], $12::jsonb[], $13::jsonb[])
           as u(run_id, task, item, attempts, charged, state, state_name, started_at, finished_at, due_at, message, error, result)
     where t.run_id = u.run_id and t.task = u.task and t.item = u.item and t.finished_at is null)sql";

// The common case of the above: nothing to tell, so that no text is parsed for it.
constexpr const char* insert_plain_task_runs = R"sql(
    insert into millrace.task_run_@ (run_id, task, item, attempts, charged, state, state_name, started_at, finished_at, value)
    select * from unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::int[], $6::text[], $7::text[], $8::timestamptz[],
                         $9::timestamptz[], $10::jsonb[]))sql";

constexpr const char* update_plain_task_runs = R"sql(
    update millrace.task_run_@ t
       set attempts = u.attempts, charged = u.charged, state = u.state, state_name = u.state_name, started_at = u.started_at,
           finished_at = u.finished_at, due_at = null, message = null, error = null, result = null
      from unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::int[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[])
           as u(run_id, task, item, attempts, charged, state, state_name, started_at, finished_at)
     where t.run_id = u.run_id and t.task = u.task and t.item = u.item and t.finished_at is null)sql";

constexpr const char* insert_attempts = R"sql(
    insert into millrace.attempt_@ (run_id, task, item, number, state, log, started_at)
    select u.run_id, u.task, u.item, u.number, 'running', u.log, u.started_at
      from unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::text[], $6::timestamptz[]) as u(run_id, task, item, number, log, started_at))sql";

constexpr const char* update_attempts = R"sql(
    update millrace.attempt_@ a set state = u.state, finished_at = u.finished_at, error = u.error
      from unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::text[], $6::timestamptz[], $7::jsonb[])
           as u(run_id, task, item, number, state, finished_at, error)
     where a.run_id = u.run_id and a.task = u.task and a.item = u.item and a.number = u.number and a.finished_at is null)sql";

constexpr const char* insert_event = R"sql(
    insert into millrace.event (at, run_id, flow, task, kind, message, details) values ($1, $2, $3, $4, $5, $6, $7))sql";

// Whoever inserts a nominal instant first makes its run. All nodes insert in the order of the key, so that none waits for one
// that waits for it.
// None of a schedule that is held meanwhile, on another node perhaps: what passes then is meant to pass. None of one that was deployed
// anew either, or whose flow is gone, which this node has not heard yet.
constexpr const char* claim_firings = R"sql(
    insert into millrace.firing (flow, schedule, nominal, local, run_id)
    select u.flow, u.number, u.nominal, u.local, u.run_id
      from unnest($1::text[], $2::int[], $3::timestamptz[], $4::text[], $5::bigint[], $6::timestamptz[])
           as u(flow, number, nominal, local, run_id, changed_at)
     where not exists (select 1 from millrace.flow f left join millrace.schedule s on s.flow = f.name and s.number = u.number
                        where f.name = u.flow and (f.archived or f.paused or s.held_at is not null
                                                   or (u.changed_at is not null and s.changed_at is distinct from u.changed_at)))
    on conflict do nothing returning flow, schedule, (extract(epoch from nominal) * 1000000)::bigint, run_id)sql";

constexpr const char* move_schedules = R"sql(
    update millrace.schedule s set next_at = u.next_at, next_local = u.next_local
      from unnest($1::text[], $2::int[], $3::timestamptz[], $4::text[], $5::timestamptz[])
           as u(flow, number, next_at, next_local, changed_at)
     where s.flow = u.flow and s.number = u.number and coalesce(s.changed_at = u.changed_at, true))sql";

// With the end of the run, which is written once. A schedule that is held counts no more: what is still under way changes nothing.
constexpr const char* count_failures = R"sql(
    with counted as (
        update millrace.schedule s
           set failures = case when $3::bool then s.failures + 1 else 0 end,
               held_at = case when $3::bool and s.failures + 1 >= coalesce(nullif((s.spec->'schedules'->0->>'pause_after')::int, 0), 1000000)
                              then $4::timestamptz end
         where s.flow = $1 and s.number = $2 and s.held_at is null and ($3::bool or s.failures > 0)
        returning s.failures, s.held_at)
    insert into millrace.event (at, run_id, flow, task, kind, message, details)
    select $4::timestamptz, $5::bigint, $1::text, null, 'schedule_paused',
           format('the schedule is paused: %s of its runs in a row failed or crashed, the last one is run %s; millrace schedules resume %s starts it again',
                  failures, $5::bigint, $1::text),
           jsonb_build_object('schedule', $2::int, 'failures', failures)
      from counted where held_at is not null)sql";

// Told by whoever comes first; in the order of the key, as above.
constexpr const char* insert_breaches = R"sql(
    with told as (
        insert into millrace.breach (flow, expectation, subject, kind, run_id, since, told_at, message)
        select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::timestamptz[], $8::text[])
        on conflict do nothing returning *)
    insert into millrace.event (at, run_id, flow, task, kind, message, details)
    select told_at, coalesce(run_id, 0), flow, null, kind, message, jsonb_build_object('expectation', expectation, 'since', since) from told)sql";

// What was over long ago is forgotten: nobody asks about it any more.
constexpr const char* end_breaches = R"sql(
    with u as (select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[])
                         as u(flow, expectation, subject, at, message)),
         forgotten as (delete from millrace.breach b using u where b.flow = u.flow and b.recovered_at < u.at - interval '90 days'),
         ended as (update millrace.breach b set recovered_at = u.at from u
                    where b.flow = u.flow and b.expectation = u.expectation and b.subject = u.subject and b.recovered_at is null
                returning b.flow, b.run_id, b.expectation, u.at, u.message)
    insert into millrace.event (at, run_id, flow, task, kind, message, details)
    select at, coalesce(run_id, 0), flow, null, 'recovered', message, jsonb_build_object('expectation', expectation) from ended)sql";

constexpr const char* release_slots = R"sql(
    update millrace.slot s set epoch = null, run_id = null, task = null, item = null, since = null
      from unnest($1::bigint[], $2::int[], $3::int[]) as u(run_id, task, item)
     where s.run_id = u.run_id and s.task = u.task and s.item = u.item)sql";

} // namespace

const char* const read_position_sql = read_position;

const std::vector<Statement>& journal_statements() {
    static const std::string beside = of_live(refuse_beside);
    static const std::vector<Statement> others{
        {"begin", "begin"},
        {"commit", "commit"},
        {"raise_fence", raise_fence},
        {"read_sequence", read_sequence},
        {"all_periods", all_periods},
        {"read_position", read_position},
        {"one_backfills", one_backfills},
        {"insert_runs", insert_runs},
        {"refuse_beside", beside.c_str()},
        {"insert_keys", insert_keys},
        {"update_runs", update_runs},
        {"insert_task_runs", insert_task_runs},
        {"update_task_runs", update_task_runs},
        {"insert_plain_task_runs", insert_plain_task_runs},
        {"update_plain_task_runs", update_plain_task_runs},
        {"insert_attempts", insert_attempts},
        {"update_attempts", update_attempts},
        {"insert_event", insert_event},
        {"claim_firings", claim_firings},
        {"move_schedules", move_schedules},
        {"count_failures", count_failures},
        {"insert_breaches", insert_breaches},
        {"end_breaches", end_breaches},
        {"release_slots", release_slots},
    };
    static const auto all = [] {
        auto both = others;
        both.insert(both.end(), line_statements().begin(), line_statements().end());
        return both;
    }();
    return all;
}

std::string of_live(std::string sql) {
    constexpr std::string_view name = "@live_from";
    for (auto at = sql.find(name); at != std::string::npos; at = sql.find(name)) sql.replace(at, name.size(), first_unsettled);
    return sql;
}

std::pair<std::string, std::string> refusal_of(const std::exception& error) {
    const auto* sql = dynamic_cast<const pqxx::sql_error*>(&error);
    if (sql && sql->query() == "refuse_beside" && sql->sqlstate() == division_by_zero)
        return {beside_another, "another backfill of the flow runs over a part of its time"};
    return {sqlstate_of(error), error.what()};
}

bool is_fenced(const pqxx::sql_error& error) { return error.query() == "raise_fence" && error.sqlstate() == division_by_zero; }

} // namespace millrace
