#include "scheduler/rerun.hpp"

#include <set>

namespace millrace {

std::map<int, TaskRunDetails> reusable(const FlowPlan& then, const FlowPlan& now, const std::vector<StoredTaskRun>& task_runs,
                                       const std::string& from) {
    const Json old_tasks = Json(then).at("tasks"), new_tasks = Json(now).at("tasks");
    std::map<std::string, const StoredTaskRun*> completed;
    for (const auto& run : task_runs)
        if (run.key.item < 0 && run.run.state == State::Completed)
            completed[then.tasks.at(static_cast<std::size_t>(run.key.task)).name] = &run;
    std::map<std::string, Json> definitions;
    for (std::size_t i = 0; i < then.tasks.size(); ++i) {
        Json definition = old_tasks[i];
        definition.erase("needs"); // numbers of another plan; names are compared below
        definitions[then.tasks[i].name] = std::move(definition);
    }
    std::map<int, TaskRunDetails> out;
    bool found = from.empty();
    for (std::size_t i = 0; i < now.tasks.size(); ++i) {
        const auto& task = now.tasks[i];
        found = found || task.name == from;
        Json definition = new_tasks[i];
        definition.erase("needs");
        bool stands = task.name != from && completed.contains(task.name) && definitions[task.name] == definition;
        for (const int parent : task.needs) stands = stands && out.contains(parent);
        if (!stands) continue;
        TaskRunDetails result;
        if (const auto* d = completed[task.name]->run.details.get()) result.result = d->result;
        out.emplace(static_cast<int>(i), std::move(result));
    }
    if (!found) throw Refusal(Refusal::Kind::NotFound, "flow " + now.name + " has no task " + from);
    return out;
}

Json chunks_done(const RunRow& parent, const std::vector<RunRow>& chunks) {
    std::set<int> numbers;
    for (const auto& n : parent.options.value("chunks_done", Json::array())) numbers.insert(n.get<int>());
    for (const auto& chunk : chunks)
        if (chunk.state == State::Completed) numbers.insert(chunk.chunk_number);
    return numbers;
}

} // namespace millrace
