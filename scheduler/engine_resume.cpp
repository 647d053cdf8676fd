// Taking over live runs: those of our former self, and of nodes that died.
#include "scheduler/engine_parts.hpp"

#include "scheduler/caused_runs.hpp"
#include "scheduler/new_run.hpp"
#include "scheduler/rerun.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <set>

namespace millrace {
namespace asio = boost::asio;
namespace {

/// Those that its `flow` tasks wait for: a task that is to try again, or waits for a slot, still names the one of its last attempt.
std::vector<std::int64_t> called_runs(const FlowPlan& plan, const std::vector<StoredTaskRun>& task_runs) {
    std::vector<std::int64_t> out;
    for (const auto& [key, run] : task_runs)
        if (plan.tasks[static_cast<std::size_t>(key.task)].verb == Verb::Flow &&
            (run.state == State::Running || run.state == State::Cancelling) && run.details)
            if (const auto id = run.details->called_run(); id != 0) out.push_back(id);
    return out;
}

} // namespace

asio::awaitable<Runner::Resumed> Engine::Parts::resumed(StoredRun run) {
    auto plan = catalogue.plan(run.row.plan_hash);
    if (!plan) plan = co_await store.plan(run.row.plan_hash);
    Runner::Resumed out;
    out.plan = std::move(plan);
    if (!parts_of(*out.plan, run.row).empty()) {
        out.chunks = co_await store.chunks(run.row.id);
        out.repeated = co_await repeated_by(store, run.row, *out.plan);
    }
    auto called = called_runs(*out.plan, run.task_runs);
    if (!called.empty()) out.called = co_await store.runs_by_id(std::move(called));
    out.reused = co_await reused_by(store, run.row, *out.plan);
    out.warnings = run.warnings;
    out.row = std::move(run.row);
    out.task_runs = std::move(run.task_runs);
    co_return out;
}

/// Whom it waits for to take note of it: its parent, or who called it; 0: nobody.
static std::int64_t above(const RunRow& row) {
    const auto caller = caller_of(row);
    return row.parent_id.value_or(caller ? caller->run_id : 0);
}

/// Those whose end goes to a run that cannot be taken over wait for it: what it knows of them would be old when it comes.
/// Each, with the one that failed.
static std::map<std::int64_t, std::int64_t> leave_out_with(const std::map<std::int64_t, std::string>& failures,
                                                           std::vector<Runner::Resumed>& runs) {
    std::map<std::int64_t, std::int64_t> left_out;
    for (const auto& [id, why] : failures) left_out.emplace(id, id);
    const auto waits = [&left_out](const Runner::Resumed& run) { return left_out.contains(above(run.row)); };
    for (auto at = std::find_if(runs.begin(), runs.end(), waits); at != runs.end(); at = std::find_if(runs.begin(), runs.end(), waits)) {
        left_out.emplace(at->row.id, left_out.at(above(at->row)));
        runs.erase(at);
    }
    for (const auto& [id, why] : failures) left_out.erase(id);
    return left_out;
}

/// Of those alone, for a reason such as a time zone that this machine lacks: each is told once.
void Engine::Parts::tell_not_resumed(std::map<std::int64_t, std::string> failures) {
    for (const auto& [id, why] : failures) {
        const auto told = not_resumed.find(id);
        if (told == not_resumed.end() || told->second != why)
            spdlog::error("run={} cannot be taken over, which is tried again: {}", id, why);
    }
    not_resumed = std::move(failures);
}

asio::awaitable<void> Engine::Parts::try_each(std::vector<StoredRun> stored, std::vector<Runner::Resumed>& runs,
                                              std::map<std::int64_t, std::string>& failures) {
    for (auto& run : stored) {
        const auto id = run.row.id;
        std::string failure;
        try {
            auto one = co_await resumed(std::move(run));
            runs.push_back(std::move(one));
        } catch (const Refusal& e) {
            if (e.kind == Refusal::Kind::Unavailable) throw;
            failure = e.what();
        } catch (const std::exception& e) {
            failure = e.what();
        }
        if (!failure.empty()) failures[id] = failure;
    }
}

/// What is ours, is not driven here, and is still live when it is read after that: a run that the runner does not know may
/// also be one that has just ended. What cannot be taken over is tried again at the next look, and what waits for it only then read.
asio::awaitable<void> Engine::Parts::resume() {
    const auto ours = co_await store.adopt(node.epoch);
    std::set<std::int64_t> adopted;
    for (const auto id : ours)
        if (!runner->knows(id)) adopted.insert(id);
    if (adopted.empty()) co_return;
    ids.forget_below(*adopted.rbegin() + 1); // what they cause comes after them, as when their node makes it
    std::erase_if(kept_waiting, [&](const auto& kept) { return !adopted.contains(kept.first) || !adopted.contains(kept.second); });
    std::vector<std::int64_t> first, then;
    for (const auto id : adopted)
        if (!kept_waiting.contains(id)) first.push_back(id);
    std::vector<Runner::Resumed> runs;
    std::map<std::int64_t, std::string> failures;
    auto stored = co_await store.live_runs(node.epoch, std::move(first));
    co_await try_each(std::move(stored), runs, failures);
    for (const auto& [id, kept_by] : kept_waiting)
        if (!failures.contains(kept_by)) then.push_back(id);
    for (const auto id : then) kept_waiting.erase(id);
    if (!then.empty()) {
        stored = co_await store.live_runs(node.epoch, std::move(then));
        co_await try_each(std::move(stored), runs, failures);
    }
    kept_waiting.merge(leave_out_with(failures, runs));
    tell_not_resumed(std::move(failures));
    if (runs.empty()) co_return;
    spdlog::info("taking over {} live runs", runs.size());
    for (const auto& run : runs) watch->look_soon(run.row.flow);
    runner->resume_all(std::move(runs));
}

} // namespace millrace
