// How a group of changes becomes the array parameters of the journal's statements.
#include "scheduler/pg_journal_statements.hpp"

#include "scheduler/store/array_binary.hpp"
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

using Text = std::optional<std::string>;

Text unless_empty(const std::string& text) { return text.empty() ? std::nullopt : Text(fit_text(text)); }
Text number(std::optional<std::int64_t> n) { return n ? Text(std::to_string(*n)) : std::nullopt; }
Text json(const Json& j) { return j.is_null() ? std::nullopt : Text(fit_json(j.dump(-1, ' ', false, Json::error_handler_t::replace))); }

/// The columns of task-run rows as arrays.
struct TaskRunArrays {
    using Of = ArrayBinary::Of;
    ArrayBinary run_id{Of::Int8}, task{Of::Int4}, item{Of::Int4}, attempts{Of::Int4}, charged{Of::Int4}, state{Of::Text},
        state_name{Of::Text}, started_at{Of::Timestamptz}, finished_at{Of::Timestamptz}, due_at{Of::Timestamptz}, message{Of::Text},
        error{Of::Jsonb}, result{Of::Jsonb}, value{Of::Jsonb};
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

/// Runs of which a task run may be in the group twice. The runner lists a task run once in its changes, and makes its row once.
std::set<std::int64_t> runs_to_look_through(std::span<const RunChanges> group) {
    std::set<std::int64_t> seen, again;
    for (const auto& changes : group)
        if (!changes.task_runs.empty() && !seen.insert(changes.run_id).second) again.insert(changes.run_id);
    std::set<std::int64_t> changed;
    const auto is_update = [](const TaskRunRow& row) { return !row.is_new; };
    for (const auto& changes : group)
        if (again.contains(changes.run_id) && std::any_of(changes.task_runs.begin(), changes.task_runs.end(), is_update))
            changed.insert(changes.run_id);
    return changed;
}

/// The last row of each task run in the group: an update of a row that the group itself inserts becomes part of the insert.
void write_task_runs(GroupCalls& out, std::span<const RunChanges> group) {
    struct Last {
        std::int64_t run;
        const TaskRunRow *row, *inserted; ///< `inserted`: the one that is new, which has the value
    };
    std::vector<Last> last;
    std::unordered_map<std::pair<std::int64_t, TaskKey>, std::size_t, KeyHash> place;
    std::size_t total = 0;
    for (const auto& changes : group) total += changes.task_runs.size();
    last.reserve(total);
    const auto twice = runs_to_look_through(group);
    for (const auto& changes : group) {
        const bool look = twice.contains(changes.run_id);
        for (const auto& row : changes.task_runs) {
            if (look) {
                const auto [at, fresh] = place.try_emplace({changes.run_id, row.key}, last.size());
                if (!fresh) {
                    last[at->second].row = &row;
                    continue;
                }
            }
            last.push_back({changes.run_id, &row, row.is_new ? &row : nullptr});
        }
    }
    TaskRunArrays inserts, plain_inserts, updates, plain_updates;
    for (const auto& [run, row, inserted] : last) {
        const bool plain = is_plain(*row);
        auto& arrays = inserted ? (plain ? plain_inserts : inserts) : (plain ? plain_updates : updates);
        arrays.add(run, *row, plain);
        if (inserted) arrays.value.add_json(inserted->value);
    }
    const auto common = [&](const char* name, TaskRunArrays& a, auto... more) {
        out.add(name, a.run_id.take(), a.task.take(), a.item.take(), a.attempts.take(), a.charged.take(), a.state.take(),
                a.state_name.take(), a.started_at.take(), a.finished_at.take(), more...);
        out.calls.back().binary = true;
    };
    if (auto& a = plain_inserts; a.rows) common("insert_plain_task_runs", a, a.value.take());
    if (auto& a = inserts; a.rows)
        common("insert_task_runs", a, a.due_at.take(), a.message.take(), a.error.take(), a.result.take(), a.value.take());
    if (auto& a = plain_updates; a.rows) common("update_plain_task_runs", a);
    if (auto& a = updates; a.rows) common("update_task_runs", a, a.due_at.take(), a.message.take(), a.error.take(), a.result.take());
    out.rows += last.size();
}

void write_attempts(GroupCalls& out, std::span<RunChanges> group) {
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
    if (any_begun) out.add("insert_attempts", run.take(), task.take(), item.take(), number.take(), log.take(), started.take());
    if (any_ended)
        out.add("update_attempts", e_run.take(), e_task.take(), e_item.take(), e_number.take(), e_state.take(), e_finished.take(),
                e_error.take());
}

void add(ArrayText& array, const Text& text) { text ? array.add_text(*text) : array.add_null(); }
void add(ArrayText& array, std::optional<std::int64_t> n) { n ? array.add(*n) : array.add_null(); }
void add_json(ArrayText& array, const Json& j) {
    array.add_json(j.is_null() ? "" : j.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void write_new_runs(GroupCalls& out, std::span<RunChanges> group, const std::string& epoch) {
    ArrayText id, flow, plan, staging, key, idempotency, request, trigger, state, name, message, params, options, start, end, created,
        scheduled, started, finished, rerun_of, parent, chunk, chunks, summary, driver;
    std::size_t rows = 0;
    const auto write = [&](const RunRow& r) {
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
    };
    for (const auto& changes : group) {
        if (changes.new_run) write(*changes.new_run);
        for (const auto& r : changes.also_new) write(r);
    }
    if (rows)
        out.add("insert_runs", id.take(), flow.take(), plan.take(), staging.take(), key.take(), idempotency.take(), request.take(),
                trigger.take(), state.take(), name.take(), message.take(), params.take(), options.take(), start.take(), end.take(),
                created.take(), scheduled.take(), started.take(), finished.take(), rerun_of.take(), parent.take(), chunk.take(),
                chunks.take(), summary.take(), driver.take());
    out.rows += rows;
}

/// The last row of each run in the group, except where an end is already among them.
void write_runs(GroupCalls& out, std::span<RunChanges> group) {
    std::map<std::int64_t, const RunRow*> last;
    for (const auto& changes : group)
        if (changes.run)
            if (auto& row = last[changes.run_id]; !row || !row->finished_at) row = &*changes.run;
    if (last.empty()) return;
    ArrayText id, state, name, message, started, finished, summary;
    for (const auto& [run, r] : last) {
        id.add(run), state.add_word(to_string(r->state)), name.add_text(r->state_name), message.add_text(r->message);
        started.add_instant(r->started_at), finished.add_instant(r->finished_at), add_json(summary, r->summary);
    }
    out.add("update_runs", id.take(), state.take(), name.take(), message.take(), started.take(), finished.take(), summary.take());
    out.rows += last.size();
}

void move_schedules_on(GroupCalls& out, std::span<RunChanges> group) {
    std::map<std::pair<std::string_view, int>, const FiringRow*> last;
    for (const auto& changes : group)
        if (changes.firing) last[{changes.firing->flow, changes.firing->schedule}] = &*changes.firing;
    if (last.empty()) return;
    ArrayText flow, number, next_at, next_local;
    for (const auto& [schedule, f] : last) {
        flow.add_text(f->flow), number.add(f->schedule), next_at.add_instant(f->next_at);
        add(next_local, unless_empty(f->next_local));
    }
    out.add("move_schedules", flow.take(), number.take(), next_at.take(), next_local.take());
}

/// One by one: several runs of a schedule may end in one commit. In the order of the schedules, which other nodes write too.
void count_failures(GroupCalls& out, std::span<RunChanges> group) {
    std::vector<const RunChanges*> ends;
    for (const auto& changes : group)
        if (changes.schedule_end) ends.push_back(&changes);
    std::stable_sort(ends.begin(), ends.end(), [](const auto* a, const auto* b) {
        return std::tie(a->schedule_end->flow, a->schedule_end->schedule) < std::tie(b->schedule_end->flow, b->schedule_end->schedule);
    });
    for (const auto* changes : ends) {
        const auto& end = *changes->schedule_end;
        out.add("count_failures", end.flow, std::to_string(end.schedule), end.failed ? "true" : "false", timestamp_text(end.at),
                number(changes->run_id));
    }
}

void write_breaches(GroupCalls& out, std::span<RunChanges> group) {
    std::map<BreachKey, const Breach*> told;
    std::map<BreachKey, const Recovery*> over;
    for (const auto& changes : group) {
        for (const auto& b : changes.breaches) told.emplace(b.key, &b);
        for (const auto& r : changes.recoveries) over.emplace(r.key, &r);
    }
    ArrayText flow, expectation, subject, kind, run, since, at, message;
    for (const auto& [key, b] : told) {
        flow.add_text(key.flow), expectation.add_text(key.expectation), subject.add_text(key.subject), kind.add_text(b->kind);
        add(run, b->run_id ? std::optional(b->run_id) : std::nullopt), since.add_instant(b->since), at.add_instant(b->told_at);
        message.add_text(b->message);
    }
    if (!told.empty())
        out.add("insert_breaches", flow.take(), expectation.take(), subject.take(), kind.take(), run.take(), since.take(), at.take(),
                message.take());
    for (const auto& [key, r] : over) {
        flow.add_text(key.flow), expectation.add_text(key.expectation), subject.add_text(key.subject);
        at.add_instant(r->at), message.add_text(r->message);
    }
    if (!over.empty()) out.add("end_breaches", flow.take(), expectation.take(), subject.take(), at.take(), message.take());
}

using FiringKey = std::tuple<std::string, int, std::int64_t>;
FiringKey key_of(const FiringRow& f) { return {f.flow, f.schedule, to_micros(f.nominal)}; }

} // namespace

std::optional<StatementCall> claim_of(const std::vector<RunChanges>& group) {
    std::map<FiringKey, const RunChanges*> asked;
    for (const auto& changes : group)
        if (changes.firing) asked.emplace(key_of(*changes.firing), &changes);
    if (asked.empty()) return std::nullopt;
    ArrayText flow, schedule, nominal, local, run;
    for (const auto& [k, changes] : asked) {
        const auto& f = *changes->firing;
        flow.add_text(f.flow), schedule.add(f.schedule), nominal.add_instant(f.nominal), local.add_text(f.local), run.add(changes->run_id);
    }
    return StatementCall{"claim_firings", {flow.take(), schedule.take(), nominal.take(), local.take(), run.take()}};
}

std::size_t set_lost_aside(std::vector<RunChanges>& group, const PGresult& claimed) {
    std::map<FiringKey, std::int64_t> taken; // by which run
    for (int row = 0; row < PQntuples(&claimed); ++row) {
        const auto number = [&](int column) { return std::stoll(PQgetvalue(&claimed, row, column)); };
        taken.emplace(FiringKey{PQgetvalue(&claimed, row, 0), static_cast<int>(number(1)), number(2)}, number(3));
    }
    const auto fires = [&](const RunChanges& c) {
        const auto by = taken.find(key_of(*c.firing));
        return by != taken.end() && by->second == c.run_id;
    };
    std::set<std::int64_t> without; // runs that are not to be, and chunks of such
    for (const auto& c : group)
        if (c.run_id && ((c.firing && !fires(c)) || (c.new_run && c.new_run->parent_id && without.contains(*c.new_run->parent_id))))
            without.insert(c.run_id);
    const auto ours = [&](const RunChanges& c) { return c.firing ? fires(c) : c.run_id == 0 || !without.contains(c.run_id); };
    return static_cast<std::size_t>(std::stable_partition(group.begin(), group.end(), ours) - group.begin());
}

GroupCalls write_group(std::span<RunChanges> group, const std::string& epoch) {
    GroupCalls out;
    write_new_runs(out, group, epoch);
    move_schedules_on(out, group);
    write_task_runs(out, group);
    write_attempts(out, group);
    ArrayText run, task, item;
    bool any_released = false;
    for (const auto& changes : group) {
        for (const auto key : changes.released) any_released = true, run.add(changes.run_id), task.add(key.task), item.add(key.item);
        for (const auto& e : changes.events)
            out.add("insert_event", timestamp_text(e.at), changes.run_id ? number(changes.run_id) : std::nullopt, unless_empty(e.flow),
                    unless_empty(e.task), fit_text(e.kind), fit_text(e.message), json(e.details));
    }
    count_failures(out, group);
    write_breaches(out, group);
    if (any_released) out.add("release_slots", run.take(), task.take(), item.take());
    write_runs(out, group);
    return out;
}

} // namespace millrace
