// Slots of limits: who asks for them, who waits in which line, and how they are given back.
//
// Nobody who comes later asks before those who wait. Of a line one asks at a time, the flows in turn: when a slot was freed here,
// and every second, for another node may have freed one. So a slot costs two claims at most, however many wait for it. A task asks when
// there is a place for it: it would keep others waiting with a slot in its hand.
#include "scheduler/runner.hpp"

#include "scheduler/slot_wait_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace millrace {
namespace {

constexpr auto between_polls = std::chrono::seconds(1);
constexpr int polls_between_returns = 10;
constexpr int most_returned = 1000; ///< at once

} // namespace

Runner::Kind Runner::kind_of(const LiveRun& run, TaskKey key) {
    if (key.task < 0) return Kinds;
    const Verb verb = run.start.plan->tasks[static_cast<std::size_t>(key.task)].verb;
    return verb == Verb::Extract ? ExtractKind : verb == Verb::Run ? RunKind : SqlKind;
}

double Runner::weight_of(const LiveRun& run) {
    const auto& priority = run.start.plan->priority;
    return priority == "high" ? 16 : priority == "low" ? 1 : 4;
}

/// Without those of connections that its parameters do not name.
std::vector<SlotDemand> Runner::demands_of(const LiveRun& run, TaskKey key) {
    auto demands = key.task < 0 ? run.start.plan->limits : run.start.plan->tasks[static_cast<std::size_t>(key.task)].limits;
    std::erase_if(demands, [&](const SlotDemand& demand) {
        if (demand.param.empty()) return false;
        const auto value = run.row.params.value(demand.param, Json());
        return !value.is_string() || demand.key != "connection." + value.get<std::string>();
    });
    return demands;
}

bool Runner::wants_slots(const LiveRun* run, TaskKey key) {
    if (!run || run->closing) return false;
    return key.task < 0 ? !run->machine || run->held : run->machine && run->machine->may_start(key);
}

/// For who comes: behind those who wait already, else at once.
void Runner::ask_for_slots(LiveRun& run, TaskKey key, const std::vector<SlotDemand>& demands) {
    const std::pair who{run.row.id, key};
    if (waits_.contains(who) || slotted_.contains(who) || without_id_.contains(who)) return;
    for (const auto& demand : demands)
        if (const auto line = lines_.find(demand.key); line != lines_.end() && (line->second.size > 0 || line->second.asking))
            return join_line(run, key, demand.key, Joins::Last);
    (void)claim(run, key, demands, "");
}

void Runner::join_line(LiveRun& run, TaskKey key, const std::string& limit, Joins place) {
    auto& line = lines_[limit];
    auto& waiting = line.waiting[kind_of(run, key)];
    if (place == Joins::First)
        waiting.join_first({run.row.id, key, false});
    else
        waiting.join(run.row.flow, weight_of(run), {run.row.id, key, false});
    ++line.size;
    waits_[{run.row.id, key}] = &*lines_.find(limit);
    const auto message = slot_wait_text(limit, line.holders);
    if (key.task >= 0 && run.machine) run.machine->waiting_for_slot(key, message);
    const bool told = run.row.state_name == "WaitingForSlot" && run.row.message == message;
    if (key.task < 0 && !run.machine && !told) {
        run.row.state_name = "WaitingForSlot";
        run.row.message = message;
        record_row(run);
    }
    soon(run.row.id); // its row is written then
    poll_slots();
}

std::string Runner::why_it_waits(std::int64_t run_id, TaskKey key) const {
    const auto at = waits_.find({run_id, key});
    if (at != waits_.end()) return slot_wait_text(at->second->first, at->second->second.holders);
    const auto* run = find(run_id);
    if (key.task < 0 || !run || !run->machine || key.item >= run->machine->item_count(key.task)) return "";
    const auto& task_run = run->machine->at(key);
    if (task_run.state != State::Pending || run->row.state != State::Running) return "";
    if (!task_run.offered) {
        const auto& options = run->start.plan->tasks[static_cast<std::size_t>(key.task)].options;
        const int at_once = key.item < 0 ? 0 : options.value("concurrency", 0);
        return at_once > 0 ? fmt::format("waits for other items of its task: {} at once (`concurrency`)", at_once) : "";
    }
    const Kind kind = kind_of(*run, key);
    if (has_place(kind)) return "";
    const auto taken = std::count_if(active_.begin(), active_.end(), [kind](const auto& a) { return a.second.kind == kind; });
    constexpr std::array<const char*, Kinds> what{"extracts", "transforms and loads", "commands"};
    return fmt::format("waits for a place: the {} {} that this node runs at once are all under way", taken, what[kind]);
}

/// Whoever is first in each line, where something may have changed since the last one asked.
void Runner::ask_in_lines() {
    if (!admitting_) return;
    for (auto at = lines_.begin(); at != lines_.end();) {
        auto& line = at->second;
        while (!line.asking && line.size > 0 && line.asked_at != slot_news_) {
            std::size_t kind = line.last;
            do kind = (kind + 1) % line.waiting.size();
            while ((line.waiting[kind].empty() || !has_place(static_cast<Kind>(kind))) && kind != line.last);
            if (line.waiting[kind].empty() || !has_place(static_cast<Kind>(kind))) break;
            line.last = kind;
            const Waiting next = line.waiting[kind].take();
            --line.size;
            waits_.erase({next.run_id, next.key});
            auto* run = live(next.run_id);
            if (!wants_slots(run, next.key)) continue;
            line.asking = true;
            if (!claim(*run, next.key, demands_of(*run, next.key), at->first)) line.asking = false;
        }
        at = line.size == 0 && !line.asking ? lines_.erase(at) : std::next(at);
    }
}

/// A claim that came late may have taken a slot for a task run that stands in a line by now, and does not ask before it is first.
void Runner::return_what_waiters_hold() {
    std::map<std::int64_t, std::vector<TaskKey>> waiting;
    int left = most_returned;
    for (const auto& [who, line] : waits_) {
        if (left-- == 0) break;
        const auto* run = find(who.first);
        const bool at_work = run && run->machine && who.second.task >= 0 && run->machine->at(who.second).state == State::Running;
        if (!slots_moving_.contains(who) && !slotted_.contains(who) && !at_work) waiting[who.first].push_back(who.second);
    }
    for (auto& [run_id, keys] : waiting) give_back(run_id, std::move(keys));
}

void Runner::poll_slots() {
    if (std::exchange(slot_poll_, true)) return;
    clock_.call_after(between_polls, [this] {
        slot_poll_ = false;
        if (!lines_.empty()) poll_slots();
        if (++polls_ % polls_between_returns == 0) return_what_waiters_hold();
        retry_claims();
    });
}

/// One claim or release of a task run at a time: a release frees whatever it holds, so it must not meet a later claim. `line`: of
/// which limit it is the first; empty: of none. False: it has to wait for that.
bool Runner::claim(LiveRun& run, TaskKey key, const std::vector<SlotDemand>& demands, const std::string& line) {
    if (!slots_moving_.insert({run.row.id, key}).second) {
        without_slots_[{run.row.id, key}] = demands;
        return false;
    }
    const Kind kind = kind_of(run, key);
    ++claiming_[kind];
    claim_slots_(run.row.id, key, demands, [=, this, run_id = run.row.id, asked_at = slot_news_](const SlotClaim& slots) {
        --claiming_[kind];
        answered(run_id, key, demands, line, asked_at, slots);
        dispatch();
    });
    return true;
}

void Runner::answered(std::int64_t run_id, TaskKey key, const std::vector<SlotDemand>& demands, const std::string& line,
                      std::uint64_t asked_at, const SlotClaim& slots) {
    slots_moving_.erase({run_id, key});
    if (const auto own = lines_.find(line); own != lines_.end()) {
        own->second.asking = false;
        own->second.asked_at = slots.granted || slots.lacking != line ? 0 : asked_at; // the next one may have more luck, or it is no use
    }
    auto* run = live(run_id);
    if (!run || run->closing) return give_back(run_id, key); // also what was not granted: it may be done, its answer lost
    if (slots.never) return fail_unstarted(*run, key, *slots.never);
    if (slots.granted) return use_slots(*run, key);
    if (slots.lacking.empty()) { // the store is away
        without_slots_[{run_id, key}] = demands;
        return poll_slots();
    }
    if (!wants_slots(run, key)) return;
    lines_[slots.lacking].holders = slots.holders;
    lines_[slots.lacking].asked_at = asked_at;
    join_line(*run, key, slots.lacking, slots.lacking == line ? Joins::First : Joins::Last);
}

void Runner::use_slots(LiveRun& run, TaskKey key) {
    const auto id = run.row.id;
    without_slots_.erase({id, key});
    const bool calls = key.task >= 0 && run.start.plan->tasks[static_cast<std::size_t>(key.task)].verb == Verb::Flow;
    if (calls && !wants_slots(&run, key)) return give_back(id, key);
    if (calls) {
        call_flow(run, key);
        pump(id);
    } else if (key.task >= 0) {
        if (slotted_.insert({id, key}).second) ++slotted_of_[kind_of(run, key)], enqueue(run, key, true);
    } else if (run.machine) {
        run.held = false;
        soon(id);
    } else {
        begin_tasks(run);
    }
}

/// What it needs to begin is not there, and waiting does not help.
void Runner::fail_unstarted(LiveRun& run, TaskKey key, const OrderError& error) {
    const auto id = run.row.id;
    without_slots_.erase({id, key});
    const auto now = clock_.now();
    if (key.task < 0 && !run.machine) return end_parent(run, State::Failed, "Failed", error.message + ": " + error.remedy);
    if (key.task < 0) {
        run.held = false;
        run.machine->cancel(RunPlan::Ending::Cancelled, error.message + ": " + error.remedy, now);
    } else if (run.machine && run.machine->may_start(key)) {
        const bool asks_again = run.machine->at(key).state == State::Running;
        run.machine->started(key, now);
        AttemptDone done;
        done.outcome = "failed";
        done.error = error;
        run.machine->finished(key, done, now);
        if (asks_again) end_waiting_attempt(run, key, State::Failed, error);
    }
    pump(id);
}

/// Its slots become free with the next commit of the run.
void Runner::release(LiveRun& run, TaskKey key) {
    slots_moving_.insert({run.row.id, key});
    run.pending.released.push_back(key);
}

/// Slots of what no longer wants them, or of a run that is not written any more.
void Runner::give_back(std::int64_t run_id, std::vector<TaskKey> keys) {
    for (const auto key : keys) slots_moving_.insert({run_id, key});
    RunChanges back;
    back.run_id = run_id;
    back.even_if_refused = true;
    back.released = keys;
    back.committed = [this, run_id, keys = std::move(keys)] {
        for (const auto key : keys) slots_moving_.erase({run_id, key});
        retry_claims();
    };
    // With rows of its run that were refused: it goes again, without them.
    back.refused = [this, run_id, keys = back.released](const std::string&, const std::string&) { give_back(run_id, keys); };
    journal_.submit(std::move(back));
}

/// Something was freed, or may have been.
void Runner::retry_claims() {
    ++slot_news_;
    std::map<std::int64_t, std::vector<TaskKey>> unwanted; // a claim that was not granted may be done, its answer lost
    for (auto& [who, demands] : std::exchange(without_slots_, {})) {
        const auto& [run_id, key] = who;
        auto* run = live(run_id);
        if (wants_slots(run, key))
            (void)claim(*run, key, demands, "");
        else
            unwanted[run_id].push_back(key);
    }
    for (auto& [run_id, keys] : unwanted) give_back(run_id, std::move(keys));
    ask_in_lines();
}

} // namespace millrace
