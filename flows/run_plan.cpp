#include "flows/run_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace millrace {
namespace {

constexpr std::string_view waits_for_slot = "WaitingForSlot";

std::size_t index(State s) { return static_cast<std::size_t>(s); }

Json result_of(const AttemptDone& done) {
    if (done.manifest.empty() && done.loads.empty() && done.rows == 0 && done.rejected == 0 && done.warned == 0 &&
        done.progress.records == 0)
        return nullptr;
    return {{"manifest", done.manifest}, {"dataset_hash", done.dataset_hash}, {"rows", done.rows},   {"rejected", done.rejected},
            {"warned", done.warned},     {"rejects", done.rejects},           {"loads", done.loads}, {"progress", done.progress}};
}

/// Of a task that called a run its number stays.
void add_to_result(TaskRun& run, const Json& more) {
    auto& result = run.detail().result;
    if (result.is_object())
        result.update(more);
    else
        result = more;
}

std::string in_seconds(Instant t) { return to_rfc3339(std::chrono::floor<std::chrono::seconds>(t)); }

} // namespace

TaskRunDetails& TaskRun::detail() {
    if (!details) details = std::make_unique<TaskRunDetails>();
    return *details;
}

OrderError lost_with_the_daemon() { return {"crashed", "the daemon that drove this attempt ended", "", 0}; }

RunPlan::RunPlan(std::shared_ptr<const FlowPlan> flow, std::uint64_t seed)
    : flow_(std::move(flow)), seed_(seed), nodes_(flow_->tasks.size()) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        const auto& task = flow_->tasks[i];
        for (const int parent : task.needs) node(parent).children.push_back(static_cast<int>(i));
        if (task.map_over) nodes_[i].concurrency = task.options.value("concurrency", 0);
    }
    tasks_left_ = static_cast<int>(nodes_.size());
    counts_[index(State::Pending)] = tasks_left_;
}

void RunPlan::link() {
    for (std::size_t i = 0; i < nodes_.size(); ++i)
        for (const int parent : flow_->tasks[i].needs)
            if (!is_final(node(parent).run.state)) ++nodes_[i].pending_parents;
}

void RunPlan::reuse(int task, Json result, Instant now) {
    const TaskKey key{task, -1};
    run_at(key).detail().result = std::move(result);
    become(key, State::Completed, "Reused", now);
    --tasks_left_;
}

void RunPlan::begin(Instant now) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) mark_changed({static_cast<int>(i), -1}, nodes_[i].run);
    set_run(State::Running, "Running", now);
    link();
    set_flow_timer(after(now, flow_->timeout));
    for (std::size_t i = 0; i < nodes_.size(); ++i)
        if (nodes_[i].pending_parents == 0 && !is_final(nodes_[i].run.state)) ready(static_cast<int>(i), now);
    finish_if_done(now);
}

// ---- what happened --------------------------------------------------------------------------------------------------

void RunPlan::started(TaskKey key, Instant now) {
    auto& run = run_at(key);
    const auto& plan = plan_of(key.task);
    const bool polled = polls(plan), another_poll = run.state == State::Running;
    run.offered = run.timing_out = false;
    run.due_at.reset();
    if (run.details) run.details->error.reset();
    if (another_poll) {
        show(key, "Asking");
    } else {
        ++run.attempts;
        become(key, State::Running, polled ? "Asking" : "Running", now);
    }
    remember_first_start(key, now);
    const bool counts_already = polled && (another_poll || run.attempts > 1); // of all its polls and attempts
    if (plan.timeout > 0 && plan.verb != Verb::Approve && !counts_already) set_timer(key, after(now, plan.timeout), Alarm::Timeout);
}

void RunPlan::completed(TaskKey key, Instant now) {
    auto& run = run_at(key);
    if (is_final(run.state)) return;
    run.due_at.reset();
    become(key, State::Completed, "Completed", now);
    resolve(key, now);
}

void RunPlan::finished(TaskKey key, const AttemptDone& done, Instant now) {
    auto& run = run_at(key);
    if (is_final(run.state)) return;
    const bool stopping = run.state == State::Cancelling, polled = polls(plan_of(key.task));
    if (polled && run.details) run.details->message.clear(); // when it asks again
    if (done.outcome == "completed") {
        if (polled) run.detail().message = "answered at " + in_seconds(now);
        if (const Json result = result_of(done); !result.is_null()) add_to_result(run, result);
        return completed(key, now);
    }
    if (stopping) {
        become(key, State::Cancelled, "Cancelled", now);
        return resolve(key, now);
    }
    if (polled && done.outcome == "not_yet" && !run.timing_out) return ask_again(key, done.answer, now);
    OrderError error = done.error.value_or(OrderError{"permanent", "the attempt ended as '" + done.outcome + "' without a reason", {}, 0});
    if (run.timing_out)
        error = {"timeout", "timed out after " + std::to_string(std::llround(plan_of(key.task).timeout)) + " s",
                 "raise `timeout` or give the task less to do", 0};
    if (done.rejected + done.warned > 0) add_to_result(run, result_of(done));
    error = told(key, std::move(error));
    run.detail().error = error;
    if (polled && run.timing_out) return fail(key, error, now); // that was the time of all attempts
    retry_or_fail(key, std::move(error), done.outcome, now);
    if (polled && paused_) hold_timers(now);
}

/// What failed before is over: the next failure is a first one again.
void RunPlan::ask_again(TaskKey key, const std::string& answer, Instant now) {
    auto& run = run_at(key);
    run.charged = run.crashes = 0;
    first_starts_.erase(key);
    run.due_at = after(now, seconds_between_polls(plan_of(key.task)));
    run.detail().message = fmt::format("asked at {}: {}; asks again at {}", in_seconds(now), answer, in_seconds(*run.due_at));
    show(key, "Waiting");
    set_timer(key, *run.due_at, Alarm::Poll);
    if (paused_) hold_timers(now); // its time stood not still while it asked
}

/// With the place of its task in the flow's file.
OrderError RunPlan::told(TaskKey key, OrderError error) const {
    const auto& origins = flow_->origins.tasks;
    const auto origin = origins.find(plan_of(key.task).name);
    if (origin != origins.end()) error.message = with_place(error.message, error.remedy, origin->second);
    return error;
}

void RunPlan::fail(TaskKey key, const OrderError& error, Instant now) {
    auto& run = run_at(key);
    run.due_at.reset();
    if (error.error_class == "crashed")
        become(key, State::Crashed, "Crashed", now);
    else
        become(key, State::Failed, error.error_class == "timeout" ? "TimedOut" : "Failed", now);
    run.detail().error = error; // what it waited for until then is over
    run.detail().message = error.message;
    resolve(key, now);
}

void RunPlan::when_known(int task, bool holds, Instant now) {
    const TaskKey key{task, -1};
    if (is_final(run_at(key).state) || node(task).when_held) return;
    run_at(key).offered = false;
    if (holds) {
        node(task).when_held = true;
        waiting(key, "Pending"); // not for the answer any more
        return ready(task, now);
    }
    run_at(key).detail().message = "its `when` does not hold";
    become(key, State::Skipped, "ConditionFalse", now);
    resolve(key, now);
}

void RunPlan::items_known(int task, std::vector<Json> items, Instant now) {
    const TaskKey key{task, -1};
    auto& n = node(task);
    if (is_final(n.run.state) || n.mapped) return;
    n.run.offered = false;
    n.run.due_at.reset(); // of an earlier answer that was none: a task that runs until then is a wait
    n.mapped = true;
    n.items_left = static_cast<int>(items.size());
    n.items.resize(items.size());
    changes_.reserve(changes_.size() + items.size());
    counts_[index(State::Pending)] += n.items_left;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const TaskKey item{task, static_cast<int>(i)};
        auto& run = n.items[i];
        run.detail().value = std::move(items[i]);
        mark_changed(item, run);
        if (n.done_items.empty()) continue;
        auto done = n.done_items.extract(item_text(run.detail().value));
        if (!done) continue;
        run.detail().result = std::move(done.mapped());
        become(item, State::Completed, "Reused", now);
        --n.items_left;
    }
    n.done_items.clear();
    become(key, State::Running, "Mapped", now);
    if (n.items_left == 0) return items_ended(task, now);
    offer_items(n, task, now);
}

void RunPlan::evaluation_failed(int task, const OrderError& error, Instant now) {
    const TaskKey key{task, -1};
    auto& run = run_at(key);
    if (is_final(run.state) || !run.offered) return;
    run.offered = false;
    const auto& plan = plan_of(task);
    const bool of_condition = !plan.when.empty() && !node(task).when_held;
    OrderError what = error;
    what.message = fmt::format("`{}`: {}", of_condition ? "when" : "for_each", error.message);
    if (error.error_class != "crashed" || run.crashes >= forgiven_crashes) return fail(key, told(key, std::move(what)), now);
    run.due_at = after(now, 0.1 * ++run.crashes);
    set_timer(key, *run.due_at, Alarm::Evaluation);
}

void RunPlan::called(TaskKey key, std::int64_t run_id, const std::string& flow) {
    auto& run = run_at(key);
    run.detail().result = {{"run", run_id}};
    run.detail().message = fmt::format("run {} of flow {}", run_id, flow);
    mark_changed(key, run);
}

void RunPlan::wait_until(TaskKey key, Instant due, Instant now) {
    if (due <= now) return completed(key, now);
    auto& run = run_at(key);
    run.due_at = due;
    run.state_name = "Waiting";
    mark_changed(key, run);
    set_timer(key, due, Alarm::Wait);
}

void RunPlan::await_approval(TaskKey key, const std::string& question, Instant due, Instant now) {
    run_at(key).due_at = due;
    run_at(key).detail().message = question;
    become(key, State::Paused, "AwaitingApproval", now);
    set_timer(key, due, Alarm::Approval);
}

bool RunPlan::decide(int task, bool approved, const std::string& message, Instant now) {
    const TaskKey key{task, -1};
    auto& run = run_at(key);
    if (run.state != State::Paused || plan_of(task).verb != Verb::Approve) return false;
    run.detail().message = message;
    run.due_at.reset();
    if (!approved) return fail(key, {"permanent", message, {}, 0}, now), true;
    become(key, State::Completed, "Approved", now);
    resolve(key, now);
    return true;
}

void RunPlan::waiting_for_slot(TaskKey key, const std::string& message) { waiting(key, waits_for_slot.data(), message); }

void RunPlan::waiting(TaskKey key, const char* name, const std::string& message) {
    auto& run = run_at(key);
    const bool said = std::string_view(run.state_name) == name && (!run.details || run.details->message == message);
    if (run.state != State::Pending || said) return;
    run.state_name = name;
    if (run.details || !message.empty()) run.detail().message = message;
    mark_changed(key, run);
}

// ---- what a person wants --------------------------------------------------------------------------------------------

void RunPlan::cancel(Ending ending, const std::string& message, Instant now) {
    if (is_final(state_) || ending_) return;
    ending_ = ending;
    message_ = message;
    paused_ = false;
    decisions_.clear();
    set_run(State::Cancelling, ending == Ending::TimedOut ? "TimingOut" : "Cancelling", now);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        const int task = static_cast<int>(i);
        const auto stop = [&](TaskKey key) {
            auto& run = run_at(key);
            if (is_final(run.state) || run.state == State::Cancelling) return;
            const bool daemons_own = (plan_of(task).verb == Verb::Wait && !polls(plan_of(task))) || plan_of(task).verb == Verb::Approve;
            run.offered = false;
            run.due_at.reset();
            if (run.state == State::Running && !daemons_own) {
                become(key, State::Cancelling, "Cancelling", now);
                stops_.push_back({Decision::Kind::Stop, key});
            } else {
                become(key, State::Cancelled, "Cancelled", now);
                resolve(key, now);
            }
        };
        if (!nodes_[i].mapped) stop({task, -1});
        for (int item = 0; item < item_count(task); ++item) stop({task, item});
    }
    finish_if_done(now);
}

void RunPlan::pause(Instant now) {
    if (is_final(state_) || ending_ || paused_) return;
    paused_ = true;
    pauses_.since = now;
    hold_timers(now);
    set_run(State::Paused, "Paused", now);
}

void RunPlan::resume(Instant now) {
    if (!paused_) return;
    paused_ = false;
    const auto paused_for = now - pauses_.since.value_or(now);
    pauses_.end(now);
    set_flow_timer(flow_due_ + paused_for);
    let_timers_go_on(paused_for);
    set_run(State::Running, "Running", now);
    decisions_.clear();
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        auto& n = nodes_[i];
        const int task = static_cast<int>(i);
        if (n.run.offered) n.run.offered = false, ready(task, now);
        for (int item = 0; item < item_count(task); ++item)
            if (auto& run = n.items[static_cast<std::size_t>(item)]; run.offered) run.offered = false, offer({task, item}, now);
    }
}

// ---- what is to be done ---------------------------------------------------------------------------------------------

std::optional<Decision> RunPlan::next() {
    auto& queue = !stops_.empty() ? stops_ : decisions_;
    if (queue.empty() || (paused_ && stops_.empty())) return std::nullopt;
    const Decision decision = queue.front();
    queue.pop_front();
    return decision;
}

bool RunPlan::may_start(TaskKey key) const { return at(key).offered && !paused_ && !ending_; }

std::vector<TaskKey> RunPlan::take_changes() {
    for (const TaskKey key : changes_) run_at(key).changed = false;
    return std::exchange(changes_, {});
}

std::vector<TaskKey> RunPlan::take_ended() {
    const auto goes_on = [this](TaskKey key) { return !is_final(at(key).state); };
    const auto end = std::find_if(changes_.begin(), changes_.end(), goes_on);
    std::vector<TaskKey> ended(changes_.begin(), end);
    changes_.erase(changes_.begin(), end);
    for (const TaskKey key : ended) run_at(key).changed = false;
    return ended;
}

bool RunPlan::forget_items(int most) {
    for (auto& node : nodes_)
        for (auto& items = node.items; !items.empty(); items.pop_back())
            if (most-- == 0) return true;
    return false;
}

const TaskRun& RunPlan::at(TaskKey key) const {
    const auto& n = nodes_.at(static_cast<std::size_t>(key.task));
    return key.item < 0 ? n.run : n.items.at(static_cast<std::size_t>(key.item));
}

TaskRun& RunPlan::run_at(TaskKey key) { return const_cast<TaskRun&>(at(key)); }

void RunPlan::mark_changed(TaskKey key, TaskRun& run) {
    if (run.changed) return;
    run.changed = true;
    changes_.push_back(key);
}

void RunPlan::become(TaskKey key, State state, const char* name, Instant now) {
    auto& run = run_at(key);
    if (!may_become(run.state, state))
        throw std::logic_error("task " + plan_of(key.task).name + " cannot go from " + std::string(to_string(run.state)) + " to " +
                               std::string(to_string(state)) + " [this is a bug]");
    --counts_[index(run.state)];
    ++counts_[index(state)];
    if (run.details && std::string_view(run.state_name).starts_with("WaitingFor")) run.details->message.clear();
    run.state = state;
    run.state_name = name;
    ++run.stamp;
    if (state == State::Running && !run.started_at) run.started_at = now;
    if (is_final(state)) run.finished_at = now;
    mark_changed(key, run);
}

/// The same state under another name; timers of the former are void.
void RunPlan::show(TaskKey key, const char* name) {
    auto& run = run_at(key);
    run.state_name = name;
    ++run.stamp;
    mark_changed(key, run);
}

const char* RunPlan::state_name() const {
    const bool at_work = counts_[index(State::Running)] > 0 || counts_[index(State::Retrying)] > 0;
    return state_ == State::Running && counts_[index(State::Paused)] > 0 && !at_work ? "AwaitingApproval" : state_name_;
}

void RunPlan::set_run(State state, const char* name, Instant now) {
    state_ = state;
    state_name_ = name;
    if (!started_at_) started_at_ = now;
    if (is_final(state)) finished_at_ = now;
}

} // namespace millrace
