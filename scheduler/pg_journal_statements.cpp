// The journal's statements, and how a group of changes becomes their array parameters.
#include "scheduler/pg_journal_statements.hpp"

#include "scheduler/store/array_text.hpp"

#include <string>
#include <unordered_map>
#include <utility>

namespace millrace {
namespace {

constexpr const char* raise_fence = R"sql(
    update millrace.node set journal_seq = $3::bigint, lease_until = clock_timestamp() + interval '10 s'
     where id = $1 and epoch = $2::uuid and journal_seq = $3::bigint - 1)sql";

constexpr const char* insert_run = R"sql(
    insert into millrace.run (id, flow, plan_hash, staging_id, run_key, idempotency_key, request_hash, trigger, state, state_name,
                              message, params, options, interval_start, interval_end, created_at, scheduled_for, started_at, finished_at,
                              rerun_of, parent_id, chunk_number, chunk_of, summary, epoch)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25))sql";

constexpr const char* update_run = R"sql(
    update millrace.run
       set state = $2, state_name = $3, message = $4, started_at = $5, finished_at = $6, summary = $7,
           epoch = case when $6::timestamptz is null then epoch end
     where id = $1 and finished_at is null)sql";

constexpr const char* insert_task_runs = R"sql(
    insert into millrace.task_run (run_id, task, item, attempts, charged, state, state_name, started_at, finished_at, due_at,
                                   message, error, result, value)
    select * from unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::int[], $6::text[], $7::text[], $8::timestamptz[],
                         $9::timestamptz[], $10::timestamptz[], $11::text[], $12::jsonb[], $13::jsonb[], $14::jsonb[]))sql";

constexpr const char* update_task_runs = R"sql(
    update millrace.task_run t
       set attempts = u.attempts, charged = u.charged, state = u.state, state_name = u.state_name, started_at = u.started_at,
           finished_at = u.finished_at, due_at = u.due_at, message = u.message, error = u.error, result = u.result
      from unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::int[], $6::text[], $7::text[], $8::timestamptz[],
                  $9::timestamptz[], $10::timestamptz[], $11::text[], $12::jsonb[], $13::jsonb[])
           as u(run_id, task, item, attempts, charged, state, state_name, started_at, finished_at, due_at, message, error, result)
     where t.run_id = u.run_id and t.task = u.task and t.item = u.item and t.finished_at is null)sql";

// The common case of the above: nothing to tell, so that no text is parsed for it.
constexpr const char* insert_plain_task_runs = R"sql(
    insert into millrace.task_run (run_id, task, item, attempts, charged, state, state_name, started_at, finished_at, value)
    select * from unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::int[], $6::text[], $7::text[], $8::timestamptz[],
                         $9::timestamptz[], $10::jsonb[]))sql";

constexpr const char* update_plain_task_runs = R"sql(
    update millrace.task_run t
       set attempts = u.attempts, charged = u.charged, state = u.state, state_name = u.state_name, started_at = u.started_at,
           finished_at = u.finished_at, due_at = null, message = null, error = null, result = null
      from unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::int[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[])
           as u(run_id, task, item, attempts, charged, state, state_name, started_at, finished_at)
     where t.run_id = u.run_id and t.task = u.task and t.item = u.item and t.finished_at is null)sql";

constexpr const char* insert_attempts = R"sql(
    insert into millrace.attempt (run_id, task, item, number, state, log, started_at)
    select u.run_id, u.task, u.item, u.number, 'running', u.log, u.started_at
      from unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::text[], $6::timestamptz[]) as u(run_id, task, item, number, log, started_at))sql";

constexpr const char* update_attempts = R"sql(
    update millrace.attempt a set state = u.state, finished_at = u.finished_at, error = u.error
      from unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::text[], $6::timestamptz[], $7::jsonb[])
           as u(run_id, task, item, number, state, finished_at, error)
     where a.run_id = u.run_id and a.task = u.task and a.item = u.item and a.number = u.number and a.finished_at is null)sql";

constexpr const char* insert_event = R"sql(
    insert into millrace.event (at, run_id, flow, task, kind, message, details) values ($1, $2, $3, $4, $5, $6, $7))sql";

constexpr const char* insert_firing = R"sql(
    insert into millrace.firing (flow, schedule, nominal, local, run_id) values ($1, $2, $3, $4, $5))sql";

constexpr const char* move_schedule = R"sql(
    update millrace.schedule set next_at = $3, next_local = $4 where flow = $1 and number = $2)sql";

constexpr const char* release_slots = R"sql(
    update millrace.slot s set epoch = null, run_id = null, task = null, item = null, since = null
      from unnest($1::bigint[], $2::int[], $3::int[]) as u(run_id, task, item)
     where s.run_id = u.run_id and s.task = u.task and s.item = u.item)sql";

using Text = std::optional<std::string>;

Text when(std::optional<Instant> t) { return t ? Text(timestamp_text(*t)) : std::nullopt; }
Text unless_empty(const std::string& text) { return text.empty() ? std::nullopt : Text(fit_text(text)); }
Text number(std::optional<std::int64_t> n) { return n ? Text(std::to_string(*n)) : std::nullopt; }
Text json(const Json& j) { return j.is_null() ? std::nullopt : Text(fit_json(j.dump(-1, ' ', false, Json::error_handler_t::replace))); }

/// The columns of task-run rows as arrays.
struct TaskRunArrays {
    ArrayText run_id, task, item, attempts, charged, state, state_name, started_at, finished_at, due_at, message, error, result, value;
    std::size_t rows = 0;

    void add(std::int64_t run, const TaskRunRow& row, bool plain) {
        ++rows;
        run_id.add(run);
        task.add(row.key.task);
        item.add(row.key.item);
        attempts.add(row.attempts);
        charged.add(row.charged);
        state.add_word(to_string(row.state));
        state_name.add_word(row.state_name);
        started_at.add_instant(row.started_at);
        finished_at.add_instant(row.finished_at);
        if (row.is_new) value.add_json(row.value);
        if (plain) return;
        due_at.add_instant(row.due_at);
        if (row.message.empty())
            message.add_null();
        else
            message.add_text(row.message);
        error.add_json(row.error);
        result.add_json(row.result);
    }
};

bool is_plain(const TaskRunRow& row) { return !row.due_at && row.message.empty() && row.error.empty() && row.result.empty(); }

struct KeyHash {
    std::size_t operator()(const std::pair<std::int64_t, TaskKey>& k) const {
        return static_cast<std::size_t>(k.first) * 0x9e3779b97f4a7c15ULL ^
               (static_cast<std::size_t>(k.second.task) << 32 ^ static_cast<std::size_t>(k.second.item + 1)) * 0xbf58476d1ce4e5b9ULL;
    }
};

/// The last row of each task run in the group: an update of a row that the group itself inserts becomes part of the insert.
std::size_t write_task_runs(pqxx::work& work, std::span<RunChanges> group) {
    std::vector<std::pair<std::int64_t, TaskRunRow*>> last;
    std::unordered_map<std::pair<std::int64_t, TaskKey>, std::size_t, KeyHash> place;
    std::size_t total = 0;
    for (auto& changes : group) total += changes.task_runs.size();
    last.reserve(total);
    const bool one = group.size() == 1; // the runner lists a task run once in its changes
    if (!one) place.reserve(total);
    for (auto& changes : group)
        for (auto& row : changes.task_runs) {
            if (!one) {
                const auto [at, fresh] = place.try_emplace({changes.run_id, row.key}, last.size());
                if (!fresh) {
                    auto& earlier = *last[at->second].second;
                    if (earlier.is_new && !std::exchange(row.is_new, true))
                        row.value = std::move(earlier.value); // once: a group may be written again
                    last[at->second].second = &row;
                    continue;
                }
            }
            last.emplace_back(changes.run_id, &row);
        }
    TaskRunArrays inserts, plain_inserts, updates, plain_updates;
    for (const auto& [run, row] : last) {
        const bool plain = is_plain(*row);
        auto& arrays = row->is_new ? (plain ? plain_inserts : inserts) : (plain ? plain_updates : updates);
        arrays.add(run, *row, plain);
    }
    const auto common = [&](const char* name, TaskRunArrays& a, auto... more) {
        work.exec_prepared(name, a.run_id.take(), a.task.take(), a.item.take(), a.attempts.take(), a.charged.take(), a.state.take(),
                           a.state_name.take(), a.started_at.take(), a.finished_at.take(), more...);
    };
    if (auto& a = plain_inserts; a.rows) common("insert_plain_task_runs", a, a.value.take());
    if (auto& a = inserts; a.rows)
        common("insert_task_runs", a, a.due_at.take(), a.message.take(), a.error.take(), a.result.take(), a.value.take());
    if (auto& a = plain_updates; a.rows) common("update_plain_task_runs", a);
    if (auto& a = updates; a.rows) common("update_task_runs", a, a.due_at.take(), a.message.take(), a.error.take(), a.result.take());
    return last.size();
}

void write_attempts(pqxx::work& work, std::span<RunChanges> group) {
    ArrayText run, task, item, number, log, started, e_run, e_task, e_item, e_number, e_state, e_finished, e_error;
    bool any_begun = false, any_ended = false;
    for (const auto& changes : group) {
        for (const auto& a : changes.begun) {
            any_begun = true;
            run.add(changes.run_id), task.add(a.key.task), item.add(a.key.item), number.add(a.number);
            log.add_text(a.log), started.add_instant(a.started_at);
        }
        for (const auto& a : changes.ended) {
            any_ended = true;
            e_run.add(changes.run_id), e_task.add(a.key.task), e_item.add(a.key.item), e_number.add(a.number);
            e_state.add_word(to_string(a.state)), e_finished.add_instant(a.finished_at), e_error.add_json(a.error);
        }
    }
    if (any_begun) work.exec_prepared("insert_attempts", run.take(), task.take(), item.take(), number.take(), log.take(), started.take());
    if (any_ended)
        work.exec_prepared("update_attempts", e_run.take(), e_task.take(), e_item.take(), e_number.take(), e_state.take(),
                           e_finished.take(), e_error.take());
}

void write_run(pqxx::work& work, const RunRow& r, const std::string& epoch) {
    const bool over = is_final(r.state);
    work.exec_prepared("insert_run", r.id, r.flow, r.plan_hash, r.staging_id, r.run_key, unless_empty(r.idempotency_key),
                       unless_empty(r.request_hash), r.trigger, std::string(to_string(r.state)), r.state_name, fit_text(r.message),
                       json(r.params), json(r.options), when(r.interval_start), when(r.interval_end), when(r.created_at),
                       when(r.scheduled_for), when(r.started_at), when(r.finished_at), number(r.rerun_of), number(r.parent_id),
                       r.chunk_of ? number(r.chunk_number) : std::nullopt, r.chunk_of ? number(r.chunk_of) : std::nullopt, json(r.summary),
                       over ? std::nullopt : Text(epoch));
}

} // namespace

const std::vector<Statement>& journal_statements() {
    static const std::vector<Statement> all{
        {"raise_fence", raise_fence},
        {"insert_run", insert_run},
        {"update_run", update_run},
        {"insert_task_runs", insert_task_runs},
        {"update_task_runs", update_task_runs},
        {"insert_plain_task_runs", insert_plain_task_runs},
        {"update_plain_task_runs", update_plain_task_runs},
        {"insert_attempts", insert_attempts},
        {"update_attempts", update_attempts},
        {"insert_event", insert_event},
        {"insert_firing", insert_firing},
        {"move_schedule", move_schedule},
        {"release_slots", release_slots},
    };
    return all;
}

std::size_t write_group(pqxx::work& work, std::span<RunChanges> group, const std::string& epoch) {
    std::size_t rows = 0;
    for (const auto& changes : group)
        if (changes.new_run) write_run(work, *changes.new_run, epoch), ++rows;
    for (const auto& changes : group)
        if (const auto& f = changes.firing) {
            work.exec_prepared("insert_firing", f->flow, f->schedule, timestamp_text(f->nominal), f->local, changes.run_id);
            work.exec_prepared("move_schedule", f->flow, f->schedule, when(f->next_at), unless_empty(f->next_local));
        }
    rows += write_task_runs(work, group);
    write_attempts(work, group);
    ArrayText run, task, item;
    bool any_released = false;
    for (const auto& changes : group) {
        for (const auto key : changes.released) any_released = true, run.add(changes.run_id), task.add(key.task), item.add(key.item);
        for (const auto& e : changes.events)
            work.exec_prepared("insert_event", timestamp_text(e.at), changes.run_id ? number(changes.run_id) : std::nullopt,
                               unless_empty(e.flow), unless_empty(e.task), fit_text(e.kind), fit_text(e.message), json(e.details));
    }
    if (any_released) work.exec_prepared("release_slots", run.take(), task.take(), item.take());
    for (const auto& changes : group)
        if (const auto& r = changes.run) {
            work.exec_prepared("update_run", r->id, std::string(to_string(r->state)), r->state_name, fit_text(r->message),
                               when(r->started_at), when(r->finished_at), json(r->summary));
            ++rows;
        }
    return rows;
}

} // namespace millrace
