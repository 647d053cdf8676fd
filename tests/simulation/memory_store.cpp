#include "memory_store.hpp"

#include "flows/cron.hpp"
#include "scheduler/rerun.hpp"

#include <algorithm>

namespace millrace::test {
namespace {

bool is_poisonous(const RunChanges& c) {
    const auto has = [](const std::string& text) { return text.find(poison_text) != std::string::npos; };
    return std::any_of(c.task_runs.begin(), c.task_runs.end(), [&](const auto& row) { return has(row.error) || has(row.message); }) ||
           std::any_of(c.ended.begin(), c.ended.end(), [&](const auto& row) { return has(row.error); });
}

} // namespace

std::string name_of(std::int64_t run_id, TaskKey key) {
    return "run " + std::to_string(run_id) + " task " + std::to_string(key.task) + "[" + std::to_string(key.item) + "]";
}

std::string describe(const std::vector<RunChanges>& group) {
    std::string text;
    for (const auto& c : group) {
        if (c.new_run) text += "; run " + std::to_string(c.run_id) + " is new";
        for (const auto& row : c.also_new) text += "; run " + std::to_string(row.id) + " is new, by run " + std::to_string(c.run_id);
        for (const auto& a : c.ended) text += "; " + name_of(c.run_id, a.key) + " attempt " + std::to_string(a.number) + " ended";
        for (const auto& row : c.task_runs) text += "; " + name_of(c.run_id, row.key) + " " + row.state_name;
        for (const auto& a : c.begun) text += "; " + name_of(c.run_id, a.key) + " attempt " + std::to_string(a.number) + " begins";
        for (const auto key : c.released) text += "; " + name_of(c.run_id, key) + " frees its slots";
        if (!c.leaves_line.empty()) text += "; run " + std::to_string(c.run_id) + " leaves the line";
        if (c.claims_line) text += "; run " + std::to_string(c.claims_line->run_id) + " asks for its turn";
        if (c.run) text += "; run " + std::to_string(c.run_id) + " " + c.run->state_name;
        if (c.firing) text += "; " + c.firing->flow + " fires " + to_rfc3339(c.firing->nominal);
    }
    return text.empty() ? "nothing, to keep the lease" : text.substr(2);
}

// ---- the journal's transaction --------------------------------------------------------------------------------------

MemoryStore::Written MemoryStore::write(int node, Epoch epoch, std::int64_t sequence, const std::vector<RunChanges>& group, Instant now,
                                        std::vector<bool>& lost, LineAnswers& answers) {
    auto& row = nodes[node];
    if (row.epoch == epoch && row.journal_seq < sequence - 1) broken("a node writes on over history that is lost");
    if (row.epoch != epoch || row.journal_seq != sequence - 1) return Written::Fenced;
    bool refused = false;
    const auto of_others = claim_firings(group);
    for (const auto& changes : group)
        if (is_poisonous(changes)) refused = true, poisoned.insert(changes.run_id);
    // A number that the store gave out, forgot and gave out again: its key is refused, which is told as the end of that run here.
    for (std::size_t i = 0; i < group.size(); ++i)
        if (const auto& c = group[i]; c.new_run && !of_others[i] && has_forgotten)
            refused = refused || runs.contains(c.run_id) || !plans.contains(c.new_run->plan_hash); // its plan may be forgotten too
    if (refused) return Written::Refused;
    row.journal_seq = sequence;
    row.lease_until = now + lease;
    for (std::size_t i = 0; i < group.size(); ++i)
        if (!of_others[i]) apply(group[i], epoch);
    for (std::size_t i = 0; i < group.size(); ++i)
        if (group[i].firing && !of_others[i]) {
            const auto& f = *group[i].firing;
            if (const auto at = schedules.find({f.flow, f.schedule}); at != schedules.end()) move(at->second, f.next_at, f.next_local);
        }
    std::vector<RunChanges> written;
    for (std::size_t i = 0; i < group.size(); ++i)
        if (!of_others[i] && (group[i].claims_line || !group[i].leaves_line.empty())) written.push_back(group[i]);
    move_lines(written, epoch, now, answers);
    check_turns();
    lost = of_others;
    return Written::Yes;
}

void MemoryStore::check_skipped(const RunRow& row) const {
    if (row.state != State::Skipped || row.trigger != "schedule" || row.parent_id) return;
    const auto& spec = schedules.at({row.flow, row.options.at("schedule").get<int>()}).spec;
    const auto on_time = std::chrono::seconds(60) + std::chrono::microseconds(static_cast<std::int64_t>(spec.jitter_seconds * 1e6));
    if (row.created_at - row.scheduled_for.value() > on_time)
        broken("run " + std::to_string(row.id) + " is a catch-up, and does not queue");
}

/// As pg_journal_group.cpp: what another made makes no run here, nor do chunks of that.
std::vector<bool> MemoryStore::claim_firings(const std::vector<RunChanges>& group) {
    std::vector<bool> lost(group.size());
    std::set<std::int64_t> without;
    std::set<FiringKey> claimed;
    for (std::size_t i = 0; i < group.size(); ++i) {
        const auto& c = group[i];
        if (c.firing) {
            const FiringKey key{c.firing->flow, c.firing->schedule, c.firing->nominal};
            lost[i] = firings.contains(key) || !claimed.insert(key).second;
        }
        if (c.run_id && (lost[i] || (c.new_run && c.new_run->parent_id && without.contains(*c.new_run->parent_id))))
            without.insert(c.run_id);
    }
    for (std::size_t i = 0; i < group.size(); ++i)
        if (!group[i].firing) lost[i] = group[i].run_id != 0 && without.contains(group[i].run_id);
    return lost;
}

void MemoryStore::apply(const RunChanges& c, Epoch epoch) {
    for (const auto* row : {&c.new_run, &c.run})
        if (*row) check_skipped(**row);
    if (c.new_run && !runs.emplace(c.run_id, Run{*c.new_run, is_final(c.new_run->state) ? 0 : epoch}).second) broken("run inserted twice");
    for (const auto& row : c.also_new) {
        if (!runs.emplace(row.id, Run{row, epoch}).second) broken("run inserted twice");
        live.insert(row.id);
    }
    if (c.new_run && !is_final(c.new_run->state)) live.insert(c.run_id);
    if (c.new_run && c.new_run->trigger == "schedule" && !c.new_run->parent_id && !c.firing) broken("a scheduled run without its firing");
    if (c.firing && !firings.emplace(FiringKey{c.firing->flow, c.firing->schedule, c.firing->nominal}, c.new_run ? c.run_id : 0).second)
        broken(c.firing->flow + " fires " + to_rfc3339(c.firing->nominal) + " twice");
    const bool writes = c.run || !c.task_runs.empty() || !c.begun.empty() || !c.ended.empty();
    if (writes && !c.new_run) {
        const auto& run = runs.at(c.run_id);
        if (is_final(run.row.state)) broken("run " + std::to_string(c.run_id) + " changed after its final state");
        if (run.epoch != epoch) broken("run " + std::to_string(c.run_id) + " is written by a node that does not drive it");
    }
    apply_tasks(c);
    apply_attempts(c);
    check_parents(c);
    check_calls(c);
    for (const auto key : c.released)
        for (auto& slot : slots)
            if (slot.run_id == c.run_id && slot.holder == key) slot = {slot.key, 0, 0, {}};
    if (!c.run) return;
    auto& run = runs.at(c.run_id);
    run.row = *c.run;
    if (is_final(run.row.state)) run.epoch = 0, live.erase(c.run_id);
}

void MemoryStore::apply_tasks(const RunChanges& c) {
    for (const auto& row : c.task_runs) {
        auto [at, fresh] = tasks.try_emplace({c.run_id, row.key});
        const auto name = name_of(c.run_id, row.key);
        if (fresh != row.is_new) broken(name + (fresh ? " updated before its insert" : " inserted twice"));
        if (!fresh && is_final(at->second.row.state)) broken(name + " changed after its final state");
        if (is_final(row.state) != row.finished_at.has_value()) broken(name + ": final if and only if finished");
        at->second.row = row;
        if (row.is_new) at->second.value = row.value;
    }
}

void MemoryStore::apply_attempts(const RunChanges& c) {
    for (const auto& a : c.ended) {
        auto& state = attempts.at({c.run_id, a.key, a.number});
        if (state != State::Running) broken(name_of(c.run_id, a.key) + ": an attempt ended twice");
        state = a.state;
    }
    for (const auto& a : c.begun) {
        if (!attempts.emplace(std::tuple(c.run_id, a.key, a.number), State::Running).second)
            broken(name_of(c.run_id, a.key) + ": the same attempt twice");
        const auto earlier = attempts.find({c.run_id, a.key, a.number - 1});
        if (earlier != attempts.end() && earlier->second == State::Running) broken(name_of(c.run_id, a.key) + ": two attempts at once");
        if (earlier != attempts.end() && earlier->second == State::Completed)
            broken(name_of(c.run_id, a.key) + ": an attempt after one that completed");
        if (tasks.at({c.run_id, a.key}).row.attempts != a.number) broken(name_of(c.run_id, a.key) + ": its attempts are miscounted");
    }
}

void MemoryStore::check_parents(const RunChanges& c) const {
    for (const auto& row : c.task_runs) {
        if (row.state != State::Running) continue;
        const auto& plan = plan_of(c.run_id);
        for (const int parent : plan.tasks[static_cast<std::size_t>(row.key.task)].needs) {
            const auto at = tasks.find({c.run_id, {parent, -1}});
            const bool done = at != tasks.end() && at->second.row.state == State::Completed;
            if (!done) broken(name_of(c.run_id, row.key) + " began before its parent " + std::to_string(parent) + " was completed");
        }
    }
}

/// Who called a run goes on when its end is on record.
void MemoryStore::check_calls(const RunChanges& c) const {
    for (const auto& row : c.task_runs) {
        const auto& task = plan_of(c.run_id).tasks[static_cast<std::size_t>(row.key.task)];
        if (row.state != State::Completed || task.verb != Verb::Flow || row.result.empty() || task.options.value("detach", false)) continue;
        const auto called = Json::parse(row.result).value("run", std::int64_t{0});
        const auto run = runs.find(called);
        if (run == runs.end() || run->second.row.state != State::Completed)
            broken(name_of(c.run_id, row.key) + " completed before run " + std::to_string(called) + ", which it called");
    }
}

// ---- the verbs of Store ---------------------------------------------------------------------------------------------

Epoch MemoryStore::take_node(int node, Epoch fresh, Instant now) {
    nodes[node] = {fresh, now + lease, 0};
    return nodes[node].epoch;
}

std::vector<std::int64_t> MemoryStore::adopt(Epoch epoch, Epoch fresh, Instant now) {
    for (auto& [id, node] : nodes) {
        if (node.lease_until >= now || node.epoch == epoch) continue;
        const auto drives = [&](std::int64_t run) { return runs.at(run).epoch == node.epoch; };
        const auto holds = [&](const Slot& slot) { return slot.epoch == node.epoch; };
        if (std::any_of(live.begin(), live.end(), drives) || std::any_of(slots.begin(), slots.end(), holds)) node.epoch = fresh++;
    }
    std::vector<std::int64_t> ids;
    for (const auto id : live) {
        auto& run = runs.at(id);
        if (!is_a_nodes(run.epoch)) run.epoch = epoch;
        if (run.epoch == epoch) ids.push_back(id);
    }
    return ids;
}

std::vector<Runner::Resumed> MemoryStore::live_runs(Epoch epoch) const {
    std::vector<Runner::Resumed> out;
    for (const auto id : live) {
        const auto& run = runs.at(id);
        if (run.epoch != epoch) continue;
        Runner::Resumed r;
        r.row = run.row;
        r.plan = plans.at(run.row.plan_hash);
        r.task_runs = task_runs(id);
        r.reused = reused_by(run.row);
        r.repeated = repeated_by(run.row);
        r.chunks = chunks(id);
        r.called = called_by(r.task_runs);
        out.push_back(std::move(r));
    }
    return out;
}

std::vector<StoredTaskRun> MemoryStore::task_runs(std::int64_t run_id) const {
    std::vector<StoredTaskRun> out;
    for (auto at = tasks.lower_bound({run_id, {-1, -1}}); at != tasks.end() && at->first.first == run_id; ++at) {
        const auto& row = at->second.row;
        StoredTaskRun s;
        s.key = row.key;
        s.run.state = row.state, s.run.state_name = row.state_name;
        s.run.attempts = row.attempts, s.run.charged = row.charged;
        s.run.started_at = row.started_at, s.run.finished_at = row.finished_at, s.run.due_at = row.due_at;
        if (!at->second.value.empty()) s.run.detail().value = Json::parse(at->second.value);
        if (!row.result.empty()) s.run.detail().result = Json::parse(row.result);
        out.push_back(std::move(s));
    }
    return out;
}

std::vector<RunRow> MemoryStore::called_by(const std::vector<StoredTaskRun>& task_runs) const {
    std::vector<RunRow> out;
    for (const auto& task : task_runs)
        if (const auto id = task.run.details ? task.run.details->called_run() : 0;
            id != 0 && (task.run.state == State::Running || task.run.state == State::Cancelling))
            out.push_back(runs.at(id).row);
    return out;
}

std::vector<RunRow> MemoryStore::chunks(std::int64_t parent) const {
    std::vector<RunRow> out;
    for (const auto& [id, run] : runs)
        if (run.row.parent_id == parent) out.push_back(run.row);
    return out;
}

Reused MemoryStore::reused_of(std::int64_t run_id, const std::shared_ptr<const FlowPlan>& plan) const {
    std::vector<RunBefore> before;
    before.push_back({plan, task_runs(run_id), ""});
    return reusable(before, *plan);
}

RepeatedChunks MemoryStore::repeated_by(const RunRow& row) const {
    RepeatedChunks out;
    if (!row.rerun_of) return out;
    const auto plan = plans.at(row.plan_hash);
    for (const auto& chunk : chunks(*row.rerun_of))
        out[{*chunk.interval_start, *chunk.interval_end}] = {chunk.id, reused_of(chunk.id, plan), chunk.state == State::Completed};
    return out;
}

Reused MemoryStore::reused_by(const RunRow& row) const {
    if (!row.rerun_of) return {};
    return reused_of(*row.rerun_of, plans.at(row.plan_hash));
}

SlotClaim MemoryStore::claim_slots(Epoch epoch, std::int64_t run_id, TaskKey key, const std::vector<SlotDemand>& demands) {
    const SlotClaim over{false, {}, demands.front().key, {}};
    const auto task = tasks.find({run_id, key});
    if (task != tasks.end() && is_final(task->second.row.state)) return over;
    if (const auto run = runs.find(run_id); run != runs.end() && is_final(run->second.row.state)) return over;
    std::vector<Slot*> got;
    for (const auto& d : demands) {
        int left = d.slots;
        const auto take = [&](auto may) {
            for (auto& slot : slots)
                if (left > 0 && slot.key == d.key && may(slot)) got.push_back(&slot), --left;
        };
        take([&](const Slot& s) { return s.epoch == epoch && s.run_id == run_id && s.holder == key && is_a_nodes(epoch); });
        take([&](const Slot& s) { return !is_a_nodes(s.epoch); });
        if (left > 0) return {false, {}, d.key, {}};
    }
    for (auto* slot : got) *slot = {slot->key, epoch, run_id, key};
    return {true, {}, {}, {}};
}

std::vector<int> MemoryStore::living_nodes(Instant now) const {
    std::vector<int> out;
    for (const auto& [id, node] : nodes)
        if (node.lease_until > now) out.push_back(id);
    return out;
}

std::vector<std::pair<std::int64_t, std::int64_t>> MemoryStore::requests_to(Epoch epoch) const {
    std::vector<std::pair<std::int64_t, std::int64_t>> out;
    for (const auto& [request, answered] : requests)
        if (!answered && runs.at(request.first).epoch == epoch) out.push_back(request);
    return out;
}

std::vector<StoredSchedule> MemoryStore::all_schedules() const {
    std::vector<StoredSchedule> out;
    for (const auto& [key, schedule] : schedules) out.push_back(schedule);
    return out;
}

void MemoryStore::set_next(const StoredSchedule& s) { move(schedules.at({s.flow, s.number}), s.next_at, s.next_local); }

void MemoryStore::bring_back(const StoredSchedule& s) {
    const auto& now = schedules.at({s.flow, s.number});
    if (!now.next_at || *now.next_at > *s.next_at) set_next(s);
}

std::optional<ScheduleStore::Next> MemoryStore::next_of(const std::string& flow, int number) const {
    const auto at = schedules.find({flow, number});
    if (at == schedules.end()) return std::nullopt;
    return ScheduleStore::Next{at->second.next_at, at->second.next_local};
}

// ---- schedules ------------------------------------------------------------------------------------------------------

void MemoryStore::move(StoredSchedule& s, std::optional<Instant> next_at, const std::string& next_local) {
    check_passed(s, next_at);
    s.next_at = next_at;
    s.next_local = next_local;
}

/// What comes before `next` has its firing, or its policy lets it pass because it is late.
void MemoryStore::check_passed(const StoredSchedule& s, std::optional<Instant> next) const {
    const auto name = [&](Instant at) { return s.flow + " at " + to_rfc3339(at) + " (missed: " + s.spec.missed + ")"; };
    bool last_fired = true;
    for (auto at = s.next_at; at && (!next || *at < *next);) {
        last_fired = firings.contains({s.flow, s.number, *at});
        if (!last_fired && s.spec.missed == "all") broken("no decision about " + name(*at));
        if (!last_fired && latest_wall - *at <= std::chrono::seconds(60)) broken("passed over though it is not late: " + name(*at));
        const auto after = next_firing(s.spec, *at);
        at = after ? std::optional(after->at) : std::nullopt;
    }
    if (!last_fired && s.spec.missed == "last") broken("nothing fires for what passed before " + name(next.value_or(Instant{})));
}

// ---- questions ------------------------------------------------------------------------------------------------------

bool MemoryStore::is_a_nodes(Epoch epoch) const {
    return epoch != 0 && std::any_of(nodes.begin(), nodes.end(), [&](const auto& node) { return node.second.epoch == epoch; });
}

int MemoryStore::slots_of(const std::string& key) const {
    return static_cast<int>(std::count_if(slots.begin(), slots.end(), [&](const Slot& s) { return s.key == key; }));
}

int MemoryStore::held_by(Epoch epoch, std::int64_t run_id, TaskKey key, const std::string& limit) const {
    return static_cast<int>(std::count_if(slots.begin(), slots.end(), [&](const Slot& s) {
        return s.key == limit && s.epoch == epoch && s.run_id == run_id && s.holder == key;
    }));
}

const FlowPlan& MemoryStore::plan_of(std::int64_t run_id) const { return *plans.at(runs.at(run_id).row.plan_hash); }

void MemoryStore::check_the_end() const {
    const auto parked = [this](std::int64_t run) { return runs.at(run).row.state_name == "Unrecordable"; };
    for (const auto& [key, task] : tasks)
        if (!is_final(task.row.state) && !parked(key.first))
            broken(name_of(key.first, key.second) + " is " + task.row.state_name + " in a run that ended");
    for (const auto& [key, state] : attempts)
        if (state == State::Running && !parked(std::get<0>(key)))
            broken(name_of(std::get<0>(key), std::get<1>(key)) + ": an attempt was never ended");
    for (const auto& slot : slots)
        if (is_a_nodes(slot.epoch)) broken("a slot of " + slot.key + " is still held by " + name_of(slot.run_id, slot.holder));
    for (const auto& [flow, line] : lines)
        if (line.run_id != 0) broken("it is still the turn of run " + std::to_string(line.run_id) + " of " + flow);
}

} // namespace millrace::test
