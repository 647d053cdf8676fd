#include "scheduler/runner.hpp"

#include "flows/hash.hpp"
#include "flows/substitute.hpp"
#include "scheduler/backfill.hpp"
#include "scheduler/documents.hpp"
#include "scheduler/orders.hpp"

#include <boost/asio/post.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

namespace millrace {
namespace {

/// What there is to tell of a run before anything happened in it.
std::vector<EventRow> first_events(const std::string& flow, const RunStart& start, Instant now) {
    std::vector<EventRow> events;
    if (!start.rerun.empty()) events.push_back({now, flow, "", "rerun", start.rerun, Json::object()});
    if (!start.warning.empty()) events.push_back({now, flow, "", "warning", start.warning, Json::object()});
    return events;
}

} // namespace

Runner::Runner(boost::asio::io_context& io, Clock& clock, Journal& journal, AttemptRunner& hosts, Connections& connections,
               CausedRuns& caused_runs, ClaimSlots claim_slots, RunIds& ids, EventHub& events, Settings settings)
    : io_(io), clock_(clock), journal_(journal), hosts_(hosts), connections_(connections), caused_runs_(caused_runs),
      claim_slots_(std::move(claim_slots)), ids_(ids), events_(events), settings_(std::move(settings)), random_(settings_.seed),
      wall_offset_(clock.wall_offset()) {
    hosts_.listen(*this);
}

std::string Runner::new_uuid() {
    const std::uint64_t high = (random_() & 0xffffffffffff0fffULL) | 0x4000ULL,
                        low = (random_() & 0x3fffffffffffffffULL) | 0x8000000000000000ULL;
    char text[40];
    std::snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012llx", static_cast<unsigned>(high >> 32),
                  static_cast<unsigned>(high >> 16 & 0xffff), static_cast<unsigned>(high & 0xffff), static_cast<unsigned>(low >> 48),
                  static_cast<unsigned long long>(low & 0xffffffffffffULL));
    return text;
}

/// Of a run that is not to be: what make_folders() made while its row was on the way.
void Runner::remove_folder(const RunRow& row) const {
    if (row.staging_id.empty()) return;
    std::error_code nothing_there;
    std::filesystem::remove_all(std::filesystem::path(settings_.staging) / row.staging_id, nothing_there);
}

// ---- which runs go on -----------------------------------------------------------------------------------------------

LiveRun* Runner::live(std::int64_t run_id) {
    const auto at = live_.find(run_id);
    return at == live_.end() ? nullptr : &at->second;
}

const LiveRun* Runner::find(std::int64_t run_id) const { return const_cast<Runner*>(this)->live(run_id); }

std::vector<std::int64_t> Runner::active(const std::string& flow) const {
    const auto at = by_flow_.find(flow);
    return at == by_flow_.end() ? std::vector<std::int64_t>{} : at->second;
}

void Runner::admit(RunRow row, RunStart start, std::function<void()> done, std::function<void(std::string, std::string)> no) {
    const bool in_line = stands_in_line(row);
    const auto others = in_line ? active(row.flow) : std::vector<std::int64_t>{};
    const auto id = row.id;
    if (start.catch_up) row.options["catch_up"] = true;
    auto& run = live_[id];
    run.row = std::move(row);
    run.start = std::move(start);
    run.pending.run_id = id;
    run.stored = run.start.stored;
    (run.stored ? run.pending.run : run.pending.new_run) = run.row;
    for (const auto& e : first_events(run.row.flow, run.start, clock_.now())) event(run, "", e.kind, e.message, Json::object());
    run.pending.firing = run.start.firing;
    run.pending.refused = std::move(no);
    if (takes_turns(run))
        await_turn(run, others, std::move(done));
    else
        then(run, std::move(done)), begin(run);
    if (in_line && !is_final(run.row.state)) by_flow_[run.row.flow].push_back(id);
    record(run);
    if (run.stored && takes_turns(run)) stored_in_line(run);
    dispatch();
}

void Runner::begin(LiveRun& run) {
    run.begun = true;
    if (cut_into_chunks(run)) {
        if (const auto by = paused_with(run); !by.empty()) (void)hold_chunks(run, true, by, {});
        return begin_chunks(run);
    }
    if (!run.start.plan->limits.empty()) return ask_for_slots(run, {-1, -1}, demands_of(run, {-1, -1}));
    begin_tasks(run);
}

void Runner::begin_tasks(LiveRun& run) {
    const auto seed = static_cast<std::uint64_t>(run.row.id);
    run.machine = std::make_unique<RunPlan>(run.start.plan, seed);
    const auto now = clock_.now();
    auto reused = std::exchange(run.start.reused, {});
    for (auto& [task, result] : reused.tasks) run.machine->reuse(task, std::move(result), now);
    for (auto& [task, items] : reused.items) run.machine->reuse_items(task, std::move(items));
    run.machine->begin(now);
    if (const auto by = paused_with(run); !by.empty()) {
        event(run, "", "paused", "paused by " + by, Json::object());
        run.machine->pause(now);
    }
    follow(run);
}

/// A chunk, or a run that was called, begins nothing while what it is of is paused: it may have waited for its turn or slots until now.
std::string Runner::paused_with(const LiveRun& run) const {
    const auto above = run.row.parent_id.value_or(caller_of(run.row).value_or(CallingTask{}).run_id);
    const auto* of = find(above);
    if (!of) return "";
    const auto state = of->machine ? of->machine->state() : of->row.state; // the row follows when the store takes it
    return state == State::Paused ? "run " + std::to_string(above) : "";
}

/// Before the record: what happened and the start of what follows from it share a commit.
void Runner::follow(LiveRun& run) {
    const auto id = run.row.id;
    if (journal_.backlog() <= settings_.most_backlog && step(run)) soon(id);
    dispatch();
    pump(id);
}

void Runner::set_admitting(bool on) {
    admitting_ = on;
    if (on) dispatch();
}

void Runner::retire(std::int64_t run_id) {
    auto at = live_.find(run_id);
    if (at == live_.end()) return;
    LiveRun run = std::move(at->second);
    run.closing = true;
    drop_questions(run);
    clock_.cancel(run.timer);
    for (const auto id : run.attempts) { // only where its row was refused: none of them began
        --reserved_[active_.at(id).kind];
        give_back(run_id, active_.at(id).key);
        active_.erase(id);
    }
    if (!run.stored) {
        if (!run.start.plan->limits.empty()) give_back(run_id, {-1, -1});
        leave_calls(run);
        remove_folder(run.row);
    }
    live_.erase(at);
    stalled_.erase(run_id);
    if (run.row.parent_id) {
        if (auto* parent = live(*run.row.parent_id)) chunk_ended(*parent, run);
    } else if (stands_in_line(run.row)) {
        auto& list = by_flow_[run.row.flow];
        std::erase(list, run_id);
        if (list.empty())
            by_flow_.erase(run.row.flow);
        else
            ask_for_line(run.row.flow);
    }
    call_ended(run.row);
    forget(std::move(run.machine));
    dispatch();
}

/// A run of 100,000 task runs takes several turns of the loop here too.
void Runner::forget(std::unique_ptr<RunPlan> machine) {
    if (machine && machine->forget_items(settings_.turn))
        boost::asio::post(io_, [this, machine = std::move(machine)]() mutable { forget(std::move(machine)); });
}

// ---- one turn of a run ----------------------------------------------------------------------------------------------

void Runner::soon(std::int64_t run_id) {
    if (!woken_.insert(run_id).second) return;
    boost::asio::post(io_, [this, run_id] {
        woken_.erase(run_id);
        pump(run_id);
        dispatch();
    });
}

/// Performs decisions until there are none; then writes what changed. Where that takes several turns of the loop, what began and
/// ended in them is one row of one commit. Who makes rows faster than the store takes them waits for it.
void Runner::pump(std::int64_t run_id) {
    auto* run = live(run_id);
    if (!run || !run->machine) return;
    if (journal_.backlog() > settings_.most_backlog) {
        stalled_.insert(run_id);
        return;
    }
    if (!run->held && step(*run)) {
        take_rows(*run, run->machine->take_ended());
        return soon(run_id);
    }
    record(*run);
    if (run->held) return;
    take_items(*run);
    arm(*run);
}

/// True: the turn is over and there is more.
bool Runner::step(LiveRun& run) {
    for (int left = settings_.turn; left > 0; --left) {
        const auto decision = run.machine->next();
        if (!decision) return false;
        perform(run, *decision);
    }
    return true;
}

/// `done` is called with the next commit of the run.
void Runner::then(LiveRun& run, std::function<void()> done) {
    if (!done) return;
    auto& committed = run.pending.committed;
    if (!committed) {
        committed = std::move(done);
        return;
    }
    committed = [first = std::move(committed), second = std::move(done)] {
        first();
        second();
    };
}

void Runner::perform(LiveRun& run, const Decision& d) {
    const auto& task = run.start.plan->tasks[static_cast<std::size_t>(d.key.task)];
    switch (d.kind) {
    case Decision::Kind::Start:
        if (!run.machine->may_start(d.key)) return;
        if (task.verb == Verb::Extract || task.verb == Verb::Transform || task.verb == Verb::Load || task.verb == Verb::Run || polls(task))
            return enqueue(run, d.key, false);
        if (task.verb == Verb::Flow) return task.limits.empty() ? call_flow(run, d.key) : ask_for_slots(run, d.key, demands_of(run, d.key));
        return start_own(run, d.key);
    case Decision::Kind::EvaluateWhen: return ask_host(run, d.key.task, false);
    case Decision::Kind::EvaluateItems: return ask_host(run, d.key.task, true);
    case Decision::Kind::Stop:
        for (const auto id : run.attempts) {
            auto& a = active_.at(id);
            if (a.key != d.key) continue;
            a.stop = true;
            if (a.started) hosts_.cancel(id);
            return;
        }
        if (polls(task)) return stop_between_polls(run, d.key);
        if (const auto call = run.calls.find(d.key); call != run.calls.end()) stop_call(call->second, run.row.id);
    }
}

/// Tasks that the daemon does itself: they wait for a time or for a person.
void Runner::start_own(LiveRun& run, TaskKey key) {
    auto& machine = *run.machine;
    const auto& task = run.start.plan->tasks[static_cast<std::size_t>(key.task)];
    const auto now = clock_.now();
    machine.started(key, now);
    try {
        if (task.verb == Verb::Approve) {
            const Json question = substitute_text(task.options.value("text", ""), Scope(run_context(run.row, machine.flow())));
            const auto due = now + std::chrono::seconds(task.options.value("timeout_seconds", std::int64_t{7 * 86400}));
            return machine.await_approval(key, question.is_string() ? question.get<std::string>() : question.dump(), due, now);
        }
        if (task.verb == Verb::Wait) return machine.wait_until(key, wait_end(run.row, machine, key, now), now);
        throw Error(ErrorClass::Permanent, "task " + task.name + ": this kind of task cannot run here",
                    "deploy the flow again with this version");
    } catch (const Error& e) {
        AttemptDone done;
        done.outcome = "failed";
        done.error = OrderError{std::string(to_string(e.error_class)), e.what(), e.remedy, 0};
        machine.finished(key, done, now);
    }
}

void Runner::ask_host(LiveRun& run, int task, bool items) {
    if (run.asked.contains(task)) return; // paused meanwhile, and resumed
    constexpr auto not_at_once = std::chrono::seconds(1);
    const auto run_id = run.row.id;
    auto order = evaluate_order(run.row, *run.machine, task, items ? Question::Items : Question::When);
    const auto question = hosts_.evaluate(
        std::move(order), [this, run_id, task, items](EvaluateReply reply) { take_answer(run_id, task, items, std::move(reply)); });
    const auto timer = clock_.call_after(not_at_once, [this, run_id, task, items] {
        live(run_id)->machine->waiting({task, -1}, "WaitingForAnswer", items ? "its `for_each` is computed" : "its `when` is computed");
        pump(run_id);
    });
    run.asked.emplace(task, LiveRun::Asked{question, timer});
}

void Runner::take_answer(std::int64_t run_id, int task, bool items, EvaluateReply reply) {
    auto* run = live(run_id);
    const auto asked = run ? run->asked.extract(task) : decltype(run->asked)::node_type();
    if (!asked) return;
    clock_.cancel(asked.mapped().timer);
    if (items && !reply.error) {
        run->items.emplace_back(task, std::move(reply));
        return soon(run_id);
    }
    const auto now = clock_.now();
    const auto holds = items || reply.rows.empty() ? Json(false) : reply.rows.front().value("holds", Json());
    if (reply.error)
        run->machine->evaluation_failed(task, *reply.error, now);
    else if (!holds.is_boolean())
        run->machine->evaluation_failed(
            task, {"permanent", "a condition is true or false, and this is " + holds.dump(), "compare it with something, such as > 0", 0},
            now);
    else
        run->machine->when_known(task, holds.get<bool>(), now);
    pump(run_id);
    dispatch();
}

/// Those whose task has ended without an answer, and all where the run has.
void Runner::drop_questions(LiveRun& run) {
    std::erase_if(run.asked, [&](const auto& asked) {
        if (run.machine && !run.closing && !is_final(run.machine->at({asked.first, -1}).state)) return false;
        clock_.cancel(asked.second.timer);
        hosts_.drop(asked.second.question);
        return true;
    });
}

/// Of one mapped task at a time: all of its items are in one commit, which holds what began and ended with them, and the journal
/// writes it while the next task's begin.
void Runner::take_items(LiveRun& run) {
    if (run.items.empty()) return;
    auto [task, reply] = std::move(run.items.front());
    run.items.pop_front();
    if (reply.repeated > 0)
        event(run, run.start.plan->tasks[static_cast<std::size_t>(task)].name, "warning", told_of_repeated_items(reply.repeated),
              {{"repeated", reply.repeated}});
    run.machine->items_known(task, std::move(reply.rows), clock_.now());
    soon(run.row.id);
}

void Runner::look_at_clock() {
    constexpr auto least_jump = std::chrono::seconds(1); // a clock that is kept right moves by less
    const auto by = clock_.wall_offset() - wall_offset_;
    if (std::chrono::abs(by) < least_jump) return;
    wall_offset_ += by;
    for (auto& [id, run] : live_)
        if (run.machine) {
            run.machine->clock_was_set(by);
            if (run.stored) soon(id);
        }
}

void Runner::arm(LiveRun& run) {
    const auto wake = run.machine->next_wake();
    if (wake == run.timer_at) return;
    clock_.cancel(run.timer);
    run.timer_at = wake;
    if (!wake) return;
    run.timer = clock_.call_at(*wake, [this, run_id = run.row.id] {
        auto* r = live(run_id);
        if (!r || !r->machine) return;
        r->timer_at.reset();
        look_at_clock();
        r->machine->advance(clock_.now());
        pump(run_id);
        dispatch();
    });
}

void Runner::event(LiveRun& run, const std::string& task, const std::string& kind, const std::string& message, Json details) {
    if (is_warning(kind)) ++run.warnings;
    run.pending.events.push_back({clock_.now(), run.row.flow, task, kind, message, std::move(details)});
}

} // namespace millrace
