// How a group of changes becomes the array parameters of the journal's statements.
#include "scheduler/pg_journal_statements.hpp"

#include "scheduler/backfill.hpp"
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

/// Rows for one statement, by the period of their runs: seldom more than one.
template <class Arrays>
class ByPeriod {
public:
    explicit ByPeriod(const Periods& periods) : periods_(periods) {}
    Arrays& of(std::int64_t run_id) {
        if (run_id != last_run_) last_run_ = run_id, last_ = &parts_[periods_.part_of(run_id)];
        return *last_;
    }
    [[nodiscard]] auto begin() { return parts_.begin(); }
    [[nodiscard]] auto end() { return parts_.end(); }

private:
    const Periods& periods_;
    std::map<std::string, Arrays> parts_;
    std::optional<std::int64_t> last_run_;
    Arrays* last_ = nullptr;
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
    struct Arrays {
        TaskRunArrays inserts, plain_inserts, updates, plain_updates;
    };
    ByPeriod<Arrays> all(out.periods);
    for (const auto& [run, row, inserted] : last) {
        auto& of_period = all.of(run);
        const bool plain = is_plain(*row);
        auto& arrays =
            inserted ? (plain ? of_period.plain_inserts : of_period.inserts) : (plain ? of_period.plain_updates : of_period.updates);
        arrays.add(run, *row, plain);
        if (inserted) arrays.value.add_json(inserted->value);
    }
    for (auto& [part, arrays] : all) {
        const auto common = [&out, &part = part](const char* name, TaskRunArrays& a, auto... more) {
            out.add_to(part, name, a.run_id.take(), a.task.take(), a.item.take(), a.attempts.take(), a.charged.take(), a.state.take(),
                       a.state_name.take(), a.started_at.take(), a.finished_at.take(), more...);
            out.calls.back().binary = true;
        };
        if (auto& a = arrays.plain_inserts; a.rows) common("insert_plain_task_runs", a, a.value.take());
        if (auto& a = arrays.inserts; a.rows)
            common("insert_task_runs", a, a.due_at.take(), a.message.take(), a.error.take(), a.result.take(), a.value.take());
        if (auto& a = arrays.plain_updates; a.rows) common("update_plain_task_runs", a);
        if (auto& a = arrays.updates; a.rows)
            common("update_task_runs", a, a.due_at.take(), a.message.take(), a.error.take(), a.result.take());
    }
    out.rows += last.size();
}

void write_attempts(GroupCalls& out, std::span<RunChanges> group) {
    struct Begun {
        ArrayText run, task, item, number, log, started;
    };
    struct Ended {
        ArrayText run, task, item, number, state, finished, error;
    };
    ByPeriod<Begun> begun(out.periods);
    ByPeriod<Ended> ended(out.periods);
    for (const auto& changes : group) {
        for (const auto& a : changes.begun) {
            auto& to = begun.of(changes.run_id);
            to.run.add(changes.run_id), to.task.add(a.key.task), to.item.add(a.key.item), to.number.add(a.number);
            to.log.add_text(a.log), to.started.add_instant(a.started_at);
        }
        for (const auto& a : changes.ended) {
            auto& to = ended.of(changes.run_id);
            to.run.add(changes.run_id), to.task.add(a.key.task), to.item.add(a.key.item), to.number.add(a.number);
            to.state.add_word(to_string(a.state)), to.finished.add_instant(a.finished_at), to.error.add_json(a.error);
        }
    }
    for (auto& [part, a] : begun)
        out.add_to(part, "insert_attempts", a.run.take(), a.task.take(), a.item.take(), a.number.take(), a.log.take(), a.started.take());
    for (auto& [part, a] : ended)
        out.add_to(part, "update_attempts", a.run.take(), a.task.take(), a.item.take(), a.number.take(), a.state.take(), a.finished.take(),
                   a.error.take());
}

void add_to(ArrayText& array, const Text& text) { text ? array.add_text(*text) : array.add_null(); }
void add_to(ArrayText& array, std::optional<std::int64_t> n) { n ? array.add(*n) : array.add_null(); }
void add_json(ArrayText& array, const Json& j) {
    array.add_json(j.is_null() ? "" : j.dump(-1, ' ', false, Json::error_handler_t::replace));
}

struct NewRunArrays {
    ArrayText id, flow, plan, staging, key, idempotency, request, trigger, state, name, message, params, options, start, end, created,
        scheduled, started, finished, rerun_of, parent, chunk, chunks, summary, driver;

    void add(const RunRow& r, const std::string& epoch) {
        const auto put = [](ArrayText& array, const auto& value) { add_to(array, value); };
        id.add(r.id), flow.add_text(r.flow), plan.add_text(r.plan_hash), staging.add_text(r.staging_id), key.add_text(r.run_key);
        put(idempotency, unless_empty(r.idempotency_key)), put(request, unless_empty(r.request_hash)), trigger.add_text(r.trigger);
        state.add_word(to_string(r.state)), name.add_text(r.state_name), message.add_text(r.message);
        add_json(params, r.params), add_json(options, r.options), add_json(summary, r.summary);
        start.add_instant(r.interval_start), end.add_instant(r.interval_end), created.add_instant(r.created_at);
        scheduled.add_instant(r.scheduled_for), started.add_instant(r.started_at), finished.add_instant(r.finished_at);
        put(rerun_of, r.rerun_of), put(parent, r.parent_id);
        put(chunk, r.chunk_of ? std::optional<std::int64_t>(r.chunk_number) : std::nullopt);
        put(chunks, r.chunk_of ? std::optional<std::int64_t>(r.chunk_of) : std::nullopt);
        put(driver, is_final(r.state) ? std::nullopt : Text(epoch));
    }
};

void write_new_runs(GroupCalls& out, std::span<RunChanges> group, const std::string& epoch) {
    ByPeriod<NewRunArrays> all(out.periods);
    ArrayText key_flow, key, key_run, backfilled, backfills;
    bool any_key = false, any_backfill = false;
    const auto write = [&](const RunRow& r) {
        all.of(r.id).add(r, epoch);
        ++out.rows;
        if (is_alone_in_its_time(r)) any_backfill = true, backfilled.add_text(r.flow), backfills.add(r.id);
        if (r.idempotency_key.empty()) return;
        any_key = true;
        key_flow.add_text(r.flow), key.add_text(r.idempotency_key), key_run.add(r.id);
    };
    for (const auto& changes : group) {
        if (changes.new_run) write(*changes.new_run);
        for (const auto& r : changes.also_new) write(r);
    }
    if (any_key) out.add("insert_keys", key_flow.take(), key.take(), key_run.take());
    if (any_backfill) out.add("one_backfills", backfilled.take());
    for (auto& [part, a] : all)
        out.add_to(part, "insert_runs", a.id.take(), a.flow.take(), a.plan.take(), a.staging.take(), a.key.take(), a.idempotency.take(),
                   a.request.take(), a.trigger.take(), a.state.take(), a.name.take(), a.message.take(), a.params.take(), a.options.take(),
                   a.start.take(), a.end.take(), a.created.take(), a.scheduled.take(), a.started.take(), a.finished.take(),
                   a.rerun_of.take(), a.parent.take(), a.chunk.take(), a.chunks.take(), a.summary.take(), a.driver.take());
    if (any_backfill) out.add("refuse_beside", backfills.take());
}

/// The last row of each run in the group, except where an end is already among them.
void write_runs(GroupCalls& out, std::span<RunChanges> group) {
    std::map<std::int64_t, const RunRow*> last;
    for (const auto& changes : group)
        if (changes.run)
            if (auto& row = last[changes.run_id]; !row || !row->finished_at) row = &*changes.run;
    struct Arrays {
        ArrayText id, state, name, message, started, finished, summary;
    };
    ByPeriod<Arrays> all(out.periods);
    for (const auto& [run, r] : last) {
        auto& a = all.of(run);
        a.id.add(run), a.state.add_word(to_string(r->state)), a.name.add_text(r->state_name), a.message.add_text(r->message);
        a.started.add_instant(r->started_at), a.finished.add_instant(r->finished_at), add_json(a.summary, r->summary);
    }
    for (auto& [part, a] : all)
        out.add_to(part, "update_runs", a.id.take(), a.state.take(), a.name.take(), a.message.take(), a.started.take(), a.finished.take(),
                   a.summary.take());
    out.rows += last.size();
}

void move_schedules_on(GroupCalls& out, std::span<RunChanges> group) {
    std::map<std::pair<std::string_view, int>, const FiringRow*> last;
    for (const auto& changes : group)
        if (changes.firing) last[{changes.firing->flow, changes.firing->schedule}] = &*changes.firing;
    if (last.empty()) return;
    ArrayText flow, number, next_at, next_local, changed_at;
    for (const auto& [schedule, f] : last) {
        flow.add_text(f->flow), number.add(f->schedule), next_at.add_instant(f->next_at);
        add_to(next_local, unless_empty(f->next_local)), changed_at.add_instant(f->changed_at);
    }
    out.add("move_schedules", flow.take(), number.take(), next_at.take(), next_local.take(), changed_at.take());
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
        add_to(run, b->run_id ? std::optional(b->run_id) : std::nullopt), since.add_instant(b->since), at.add_instant(b->told_at);
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
    ArrayText flow, schedule, nominal, local, run, changed_at;
    for (const auto& [k, changes] : asked) {
        const auto& f = *changes->firing;
        flow.add_text(f.flow), schedule.add(f.schedule), nominal.add_instant(f.nominal), local.add_text(f.local), run.add(changes->run_id);
        changed_at.add_instant(f.changed_at);
    }
    return StatementCall{"claim_firings", {flow.take(), schedule.take(), nominal.take(), local.take(), run.take(), changed_at.take()}};
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

std::int64_t highest_run_of(std::span<const RunChanges> group) {
    std::int64_t highest = 0;
    for (const auto& changes : group) {
        highest = std::max(highest, changes.run_id);
        for (const auto& caused : changes.also_new) highest = std::max(highest, caused.id);
    }
    return highest;
}

GroupCalls write_group(std::span<RunChanges> group, const std::string& epoch, const Periods& periods) {
    GroupCalls out{periods};
    write_new_runs(out, group, epoch);
    move_schedules_on(out, group);
    write_task_runs(out, group);
    write_attempts(out, group);
    ArrayText run, task, item;
    bool any_released = false;
    for (const auto& changes : group) {
        for (const auto key : changes.released) any_released = true, run.add(changes.run_id), task.add(key.task), item.add(key.item);
        for (const auto& e : changes.events)
            out.add("insert_event", timestamp_text(e.at), number(changes.run_id), unless_empty(e.flow), unless_empty(e.task),
                    fit_text(e.kind), fit_text(e.message), json(e.details));
    }
    count_failures(out, group);
    write_breaches(out, group);
    if (any_released) out.add("release_slots", run.take(), task.take(), item.take());
    write_runs(out, group);
    write_lines(out, group, epoch);
    return out;
}

} // namespace millrace
