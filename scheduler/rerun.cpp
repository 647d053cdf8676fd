#include "scheduler/rerun.hpp"

#include <algorithm>
#include <set>

namespace millrace {
namespace {

/// Without what is another plan's number or says only when, how often and beside what others it is tried.
Json what_it_does(const Json& plan, std::size_t task) {
    Json definition = plan.at("tasks").at(task);
    for (const char* aside : {"needs", "retry", "timeout", "memory_bytes", "limits", "tags", "continue_on_failure"})
        definition.erase(aside);
    definition.at("options").erase("concurrency");
    return definition;
}

/// By task: what it did, and the results of what of it completed.
struct Done {
    Json definition;
    std::optional<Json> result;
    Reused::Items items;
};

std::map<std::string, Done> done_in(const FlowPlan& plan, const std::vector<StoredTaskRun>& task_runs) {
    const Json written(plan);
    std::map<std::string, Done> out;
    for (std::size_t i = 0; i < plan.tasks.size(); ++i) out[plan.tasks[i].name].definition = what_it_does(written, i);
    for (const auto& [key, run] : task_runs) {
        if (run.state != State::Completed) continue;
        auto& task = out[plan.tasks.at(static_cast<std::size_t>(key.task)).name];
        Json result = run.details ? run.details->result : Json();
        if (key.item < 0)
            task.result = std::move(result);
        else
            task.items.emplace(item_text(run.details ? run.details->value : Json()), std::move(result));
    }
    return out;
}

bool lists(const Json& options, const char* list, const std::string& name) {
    const auto at = options.find(list);
    return at != options.end() && std::find(at->begin(), at->end(), name) != at->end();
}

} // namespace

Reused reusable(const FlowPlan& then, const FlowPlan& now, const std::vector<StoredTaskRun>& task_runs, const std::string& from) {
    const Json written(now);
    auto before = done_in(then, task_runs);
    Reused out;
    std::set<int> wanted; // `from`, and what comes after it
    bool found = from.empty();
    for (std::size_t i = 0; i < now.tasks.size(); ++i) {
        const auto& task = now.tasks[i];
        const int number = static_cast<int>(i);
        found = found || task.name == from;
        const auto done = before.find(task.name);
        bool may = task.name != from, parents_stand = true, inputs_stand = true;
        for (const int parent : task.needs) {
            may = may && !wanted.contains(parent);
            if (out.tasks.contains(parent)) continue;
            parents_stand = false;
            inputs_stand = inputs_stand && !lists(task.options, "inputs", now.tasks[static_cast<std::size_t>(parent)].name);
        }
        if (!may) wanted.insert(number);
        if (!may || done == before.end() || done->second.definition != what_it_does(written, i)) continue;
        if (parents_stand && done->second.result)
            out.tasks.emplace(number, std::move(*done->second.result));
        else if (inputs_stand && !done->second.items.empty())
            out.items.emplace(number, std::move(done->second.items));
    }
    if (!found) throw Refusal(Refusal::Kind::NotFound, "flow " + now.name + " has no task " + from);
    return out;
}

boost::asio::awaitable<Reused> reused_by(Store& store, const RunRow& row, const FlowPlan& now) {
    Reused nothing;
    if (!row.rerun_of || !row.options.contains("reuse_before")) co_return nothing;
    const auto old = co_await store.run(*row.rerun_of);
    if (!old) co_return nothing;
    const auto plan = co_await store.plan(old->plan_hash);
    const auto task_runs = co_await store.task_runs(old->id);
    co_return reusable(*plan, now, task_runs, row.options.at("reuse_before").get<std::string>());
}

boost::asio::awaitable<RepeatedChunks> repeated_by(Store& store, const RunRow& row, const FlowPlan& now) {
    RepeatedChunks out;
    if (!row.rerun_of || !row.options.contains("reuse_before")) co_return out;
    const auto chunks = co_await store.chunks(*row.rerun_of);
    for (const auto& chunk : chunks) {
        if (chunk.state == State::Completed || !chunk.interval_start) continue;
        const auto plan = co_await store.plan(chunk.plan_hash);
        const auto task_runs = co_await store.task_runs(chunk.id);
        auto& repeated = out[{*chunk.interval_start, *chunk.interval_end}];
        repeated.run_id = chunk.id;
        repeated.reused = reusable(*plan, now, task_runs, "");
    }
    co_return out;
}

Json chunks_done(const RunRow& parent, const std::vector<RunRow>& chunks) {
    std::set<int> numbers;
    for (const auto& n : parent.options.value("chunks_done", Json::array())) numbers.insert(n.get<int>());
    for (const auto& chunk : chunks)
        if (chunk.state == State::Completed) numbers.insert(chunk.chunk_number);
    return numbers;
}

} // namespace millrace
