// Taking over live runs: those of our former self, and of nodes that died.
#include "scheduler/engine_parts.hpp"

#include "scheduler/new_run.hpp"
#include "scheduler/rerun.hpp"

#include <spdlog/spdlog.h>

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

/// What is ours, is not driven here, and is still live when it is read after that: a run that the runner does not know may
/// also be one that has just ended.
asio::awaitable<void> Engine::Parts::resume() {
    const auto ours = co_await store.adopt(node.epoch);
    std::set<std::int64_t> adopted;
    for (const auto id : ours)
        if (!runner->knows(id)) adopted.insert(id);
    if (adopted.empty()) co_return;
    ids.forget_below(*adopted.rbegin() + 1); // what they cause comes after them, as when their own node makes it
    auto stored = co_await store.live_runs(node.epoch);
    std::vector<Runner::Resumed> runs;
    for (auto& run : stored) {
        if (!adopted.contains(run.row.id)) continue;
        const auto id = run.row.id;
        std::string failure; // of this one alone, such as a time zone that this machine lacks; it is tried again at the next look
        try {
            auto one = co_await resumed(std::move(run));
            runs.push_back(std::move(one));
        } catch (const Refusal& e) {
            if (e.kind == Refusal::Kind::Unavailable) throw;
            failure = e.what();
        } catch (const std::exception& e) {
            failure = e.what();
        }
        if (!failure.empty()) spdlog::error("run={} cannot be taken over: {}", id, failure);
    }
    if (runs.empty()) co_return;
    spdlog::info("taking over {} live runs", runs.size());
    for (const auto& run : runs) watch->look_soon(run.row.flow);
    runner->resume_all(std::move(runs));
}

} // namespace millrace
