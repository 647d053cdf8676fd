#include "flows/compiler/draft.hpp"
#include "flows/compiler/policies.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace millrace {
namespace {

const SubflowOptions* call_of(const DraftTask& task) { return std::get_if<SubflowOptions>(&task.options); }

} // namespace

void FlowGraph::add(const Draft& draft) {
    const auto& name = draft.plan.name;
    if (name.empty() || !drafts_.emplace(name, &draft).second) return;
    for (const auto& task : draft.tasks)
        if (const auto* call = call_of(task)) starts_[name].push_back(call->flow);
    for (const auto& trigger : draft.plan.triggers) starts_[trigger.flow].push_back(name);
}

void FlowGraph::check(const Draft& draft, Diagnostics& diagnostics) const {
    for (const auto& task : draft.tasks)
        if (call_of(task) != nullptr) check_call(draft, task, diagnostics);
    for (std::size_t i = 0; i < draft.plan.triggers.size(); ++i) check_trigger(draft, i, diagnostics);
    check_limit_order(draft, diagnostics);
}

const Draft* FlowGraph::known(const std::string& flow, Mark mark, Diagnostics& diagnostics) const {
    if (const auto at = drafts_.find(flow); at != drafts_.end()) return at->second;
    if (incomplete_) return nullptr; // it may be in a file that cannot be read
    std::vector<std::string> names;
    for (const auto& [name, draft] : drafts_) names.push_back(name);
    diagnostics.error(mark, fmt::format("no flow of the project is called '{}'", flow), did_you_mean(flow, names));
    return nullptr;
}

void FlowGraph::check_call(const Draft& draft, const DraftTask& task, Diagnostics& diagnostics) const {
    const auto& call = *call_of(task);
    const auto* called = call.flow.empty() ? nullptr : known(call.flow, task.object_mark, diagnostics);
    if (called == nullptr) return;
    check_round(draft.plan.name, call.flow, task.object_mark, diagnostics);
    std::vector<std::string> names;
    for (const auto& param : called->plan.params) names.push_back(param.name);
    const auto* with = task.node->find("with");
    if (with != nullptr)
        for (const auto& entry : with->value.entries) {
            const auto* param = called->param(entry.key);
            std::string why;
            if (param == nullptr)
                diagnostics.error(entry.mark, fmt::format("flow {} has no parameter '{}'", call.flow, entry.key),
                                  did_you_mean(entry.key, names, names.empty() ? "it takes none" : ""));
            else if (!entry.value.is_scalar() || entry.value.text.find("${") == std::string::npos)
                (void)typed_param(*param, entry.value, why);
            if (!why.empty()) diagnostics.error(entry.value.mark, fmt::format("parameter '{}' of flow {}: {}", entry.key, call.flow, why));
        }
    for (const auto& param : called->plan.params)
        if (param.required && param.default_value.is_null() && (with == nullptr || with->value.find(param.name) == nullptr))
            diagnostics.error(task.object_mark, fmt::format("flow {} requires the parameter '{}'", call.flow, param.name),
                              fmt::format("with: {{{}: ...}}", param.name));
}

void FlowGraph::check_trigger(const Draft& draft, std::size_t place, Diagnostics& diagnostics) const {
    const auto& from = draft.plan.triggers[place].flow;
    const auto mark = draft.trigger_marks[place];
    if (known(from, mark, diagnostics) != nullptr) check_round(from, draft.plan.name, mark, diagnostics);
}

/// Whether the runs of `to` start runs of `from` again, and so for ever.
void FlowGraph::check_round(const std::string& from, const std::string& to, Mark mark, Diagnostics& diagnostics) const {
    std::map<std::string, std::string> came_from{{to, from}};
    std::vector<std::string> open{to};
    while (!open.empty() && !came_from.contains(from)) {
        const auto flow = open.back();
        open.pop_back();
        if (const auto next = starts_.find(flow); next != starts_.end())
            for (const auto& other : next->second)
                if (came_from.emplace(other, flow).second) open.push_back(other);
    }
    if (!came_from.contains(from)) return;
    std::vector<std::string> way{from};
    for (auto flow = came_from.at(from); flow != from; flow = came_from.at(flow)) way.push_back(flow);
    way.push_back(from);
    std::reverse(way.begin(), way.end());
    diagnostics.error(mark, fmt::format("these flows start each other for ever: {}", fmt::join(way, ", then ")), "take one of these out");
}

} // namespace millrace
