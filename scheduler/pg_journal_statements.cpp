// The journal's statements, and how a group of changes becomes their array parameters.
#include "scheduler/pg_journal_statements.hpp"

#include "scheduler/store/array_text.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace millrace {
namespace {

constexpr const char* raise_fence = R"sql(
    update millrace.node set journal_seq = $3::bigint, lease_until = clock_timestamp() + make_interval(secs => $4)
     where id = $1 and epoch = $2::uuid and journal_seq = $3::bigint - 1)sql";

constexpr const char* insert_runs = R"sql(
    insert into millrace.run (id, flow, plan_hash, staging_id, run_key, idempotency_key, request_hash, trigger, state, state_name,
                              message, params, options, interval_start, interval_end, created_at, scheduled_for, started_at, finished_at,
                              rerun_of, parent_id, chunk_number, chunk_of, summary, epoch)
    select * from unnest($1::bigint[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                         $10::text[], $11::text[], $12::jsonb[], $13::jsonb[], $14::timestamptz[], $15::timestamptz[],
                         $16::timestamptz[], $17::timestamptz[], $18::timestamptz[], $19::timestamptz[], $20::bigint[], $21::bigint[],
                         $22::int[], $23::int[], $24::jsonb[], $25::uuid[]))sql";

constexpr const char* update_runs = R"sql(
    update millrace.run r
       set state = u.state, state_name = u.state_name, message = u.message, started_at = u.started_at, finished_at = u.finished_at,
           summary = u.summary, epoch = case when u.finished_at is null then r.epoch end
      from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::jsonb[])
           as u(id, state, state_name, message, started_at, finished_at, summary)
     where r.id = u.id and r.finished_at is null)sql";

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

// Whoever inserts a nominal instant first makes its run. All nodes insert in the order of the key, so that none waits for one
// that waits for it.
constexpr const char* claim_firings = R"sql(
    insert into millrace.firing (flow, schedule, nominal, local, run_id)
    select * from unnest($1::text[], $2::int[], $3::timestamptz[], $4::text[], $5::bigint[])
    on conflict do nothing returning flow, schedule, (extract(epoch from nominal) * 1000000)::bigint, run_id)sql";

constexpr const char* move_schedules = R"sql(
    update millrace.schedule s set next_at = u.next_at, next_local = u.next_local
      from unnest($1::text[], $2::int[], $3::timestamptz[], $4::text[]) as u(flow, number, next_at, next_local)
     where s.flow = u.flow and s.number = u.number)sql";

constexpr const char* release_slots = R"sql(
    update millrace.slot s set epoch = null, run_id = null, task = null, item = null, since = null
      from unnest($1::bigint[], $2::int[], $3::int[]) as u(run_id, task, item)
     where s.run_id = u.run_id and s.task = u.task and s.item = u.item)sql";

using Text = std::optional<std::string>;

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

void add(ArrayText& array, const Text& text) { text ? array.add_text(*text) : array.add_null(); }
void add(ArrayText& array, std::optional<std::int64_t> n) { n ? array.add(*n) : array.add_null(); }
void add_json(ArrayText& array, const Json& j) {
    array.add_json(j.is_null() ? "" : j.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::size_t write_new_runs(pqxx::work& work, std::span<RunChanges> group, const std::string& epoch) {
    ArrayText id, flow, plan, staging, key, idempotency, request, trigger, state, name, message, params, options, start, end, created,
        scheduled, started, finished, rerun_of, parent, chunk, chunks, summary, driver;
    std::size_t rows = 0;
    for (const auto& changes : group) {
        if (!changes.new_run) continue;
        const auto& r = *changes.new_run;
        ++rows;
        id.add(r.id), flow.add_text(r.flow), plan.add_text(r.plan_hash), staging.add_text(r.staging_id), key.add_text(r.run_key);
        add(idempotency, unless_empty(r.idempotency_key)), add(request, unless_empty(r.request_hash)), trigger.add_text(r.trigger);
        state.add_word(to_string(r.state)), name.add_text(r.state_name), message.add_text(r.message);
        add_json(params, r.params), add_json(options, r.options), add_json(summary, r.summary);
        start.add_instant(r.interval_start), end.add_instant(r.interval_end), created.add_instant(r.created_at);
        scheduled.add_instant(r.scheduled_for), started.add_instant(r.started_at), finished.add_instant(r.finished_at);
        add(rerun_of, r.rerun_of), add(parent, r.parent_id);
        add(chunk, r.chunk_of ? std::optional<std::int64_t>(r.chunk_number) : std::nullopt);
        add(chunks, r.chunk_of ? std::optional<std::int64_t>(r.chunk_of) : std::nullopt);
        add(driver, is_final(r.state) ? std::nullopt : Text(epoch));
    }
    if (rows)
        work.exec_prepared("insert_runs", id.take(), flow.take(), plan.take(), staging.take(), key.take(), idempotency.take(),
                           request.take(), trigger.take(), state.take(), name.take(), message.take(), params.take(), options.take(),
                           start.take(), end.take(), created.take(), scheduled.take(), started.take(), finished.take(), rerun_of.take(),
                           parent.take(), chunk.take(), chunks.take(), summary.take(), driver.take());
    return rows;
}

/// The last row of each run in the group, except where an end is already among them.
std::size_t write_runs(pqxx::work& work, std::span<RunChanges> group) {
    std::map<std::int64_t, const RunRow*> last;
    for (const auto& changes : group)
        if (changes.run)
            if (auto& row = last[changes.run_id]; !row || !row->finished_at) row = &*changes.run;
    if (last.empty()) return 0;
    ArrayText id, state, name, message, started, finished, summary;
    for (const auto& [run, r] : last) {
        id.add(run), state.add_word(to_string(r->state)), name.add_text(r->state_name), message.add_text(r->message);
        started.add_instant(r->started_at), finished.add_instant(r->finished_at), add_json(summary, r->summary);
    }
    work.exec_prepared("update_runs", id.take(), state.take(), name.take(), message.take(), started.take(), finished.take(),
                       summary.take());
    return last.size();
}

void move_schedules_on(pqxx::work& work, std::span<RunChanges> group) {
    std::map<std::pair<std::string_view, int>, const FiringRow*> last;
    for (const auto& changes : group)
        if (changes.firing) last[{changes.firing->flow, changes.firing->schedule}] = &*changes.firing;
    if (last.empty()) return;
    ArrayText flow, number, next_at, next_local;
    for (const auto& [schedule, f] : last) {
        flow.add_text(f->flow), number.add(f->schedule), next_at.add_instant(f->next_at);
        add(next_local, unless_empty(f->next_local));
    }
    work.exec_prepared("move_schedules", flow.take(), number.take(), next_at.take(), next_local.take());
}

} // namespace

const std::vector<Statement>& journal_statements() {
    static const std::vector<Statement> all{
        {"raise_fence", raise_fence},
        {"insert_runs", insert_runs},
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
        {"release_slots", release_slots},
    };
    return all;
}

std::size_t claim_firings_of(pqxx::work& work, std::vector<RunChanges>& group) {
    using Key = std::tuple<std::string, int, std::int64_t>;
    std::map<Key, const RunChanges*> asked;
    const auto key = [](const FiringRow& f) { return Key{f.flow, f.schedule, to_micros(f.nominal)}; };
    for (const auto& changes : group)
        if (changes.firing) asked.emplace(key(*changes.firing), &changes);
    if (asked.empty()) return group.size();
    ArrayText flow, schedule, nominal, local, run;
    for (const auto& [k, changes] : asked) {
        const auto& f = *changes->firing;
        flow.add_text(f.flow), schedule.add(f.schedule), nominal.add_instant(f.nominal), local.add_text(f.local), run.add(changes->run_id);
    }
    std::map<Key, std::int64_t> taken; // by which run
    for (const auto& row : work.exec_prepared("claim_firings", flow.take(), schedule.take(), nominal.take(), local.take(), run.take()))
        taken.emplace(Key{row[0].c_str(), row[1].as<int>(), row[2].as<std::int64_t>()}, row[3].as<std::int64_t>());
    const auto fires = [&](const RunChanges& c) {
        const auto by = taken.find(key(*c.firing));
        return by != taken.end() && by->second == c.run_id;
    };
    std::set<std::int64_t> without; // runs that are not to be, and chunks of such
    for (const auto& c : group)
        if (c.run_id && ((c.firing && !fires(c)) || (c.new_run && c.new_run->parent_id && without.contains(*c.new_run->parent_id))))
            without.insert(c.run_id);
    const auto ours = [&](const RunChanges& c) { return c.firing ? fires(c) : c.run_id == 0 || !without.contains(c.run_id); };
    return static_cast<std::size_t>(std::stable_partition(group.begin(), group.end(), ours) - group.begin());
}

std::size_t write_group(pqxx::work& work, std::span<RunChanges> group, const std::string& epoch) {
    std::size_t rows = write_new_runs(work, group, epoch);
    move_schedules_on(work, group);
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
    return rows + write_runs(work, group);
}

} // namespace millrace
