// Limits that runs hold while they wait for others: two that wait for each other's would wait for ever.
#include "flows/compiler/draft.hpp"
#include "flows/limit_key.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

void add_named(const std::vector<SlotDemand>& demands, std::set<std::string>& keys) {
    for (const auto& demand : demands)
        if (limit_key(demand.key).kind == LimitKey::Kind::Named) keys.insert(demand.key);
}

} // namespace

/// The flow whose run this task waits for; null: it waits for none, or for one that nobody knows.
const Draft* FlowGraph::waited_for(const DraftTask& task) const {
    const auto* call = std::get_if<SubflowOptions>(&task.options);
    const auto at = call == nullptr || call->detach ? drafts_.end() : drafts_.find(call->flow);
    return at == drafts_.end() ? nullptr : at->second;
}

/// What a run of this flow asks for until it ends, with those that it waits for.
void FlowGraph::add_asked_for(const Draft& draft, std::set<std::string>& keys, std::set<const Draft*>& seen) const {
    if (!seen.insert(&draft).second) return;
    add_named(draft.plan.limits, keys);
    for (const auto& task : draft.tasks) {
        add_named(task.plan.limits, keys);
        if (const auto* called = waited_for(task)) add_asked_for(*called, keys, seen);
    }
}

std::vector<FlowGraph::Hold> FlowGraph::holds_of(const Draft& draft) const {
    std::vector<Hold> out;
    std::set<std::string> of_run;
    add_named(draft.plan.limits, of_run);
    for (const auto& task : draft.tasks) {
        std::set<std::string> asked, held = of_run;
        add_named(task.plan.limits, asked);
        for (const auto& key : of_run)
            for (const auto& other : asked) out.push_back({key, other, &draft, task.mark, ""});
        const auto* called = waited_for(task);
        if (called == nullptr) continue;
        held.insert(asked.begin(), asked.end());
        asked.clear();
        std::set<const Draft*> seen{&draft};
        add_asked_for(*called, asked, seen);
        for (const auto& key : held)
            for (const auto& other : asked) out.push_back({key, other, &draft, task.mark, called->plan.name});
    }
    return out;
}

/// Who holds `to`, or what leads there, while he waits for `from`; null: nobody.
const FlowGraph::Hold* FlowGraph::way_back(const std::vector<Hold>& holds, const std::string& from, const std::string& to) {
    std::set<std::string> reached{from};
    const Hold* first = nullptr;
    for (bool more = true; more;) {
        more = false;
        for (const auto& hold : holds) {
            if (!reached.contains(hold.key)) continue;
            if (first == nullptr || hold.key == from) first = &hold;
            if (hold.waited == to) return first;
            more = reached.insert(hold.waited).second || more;
        }
    }
    return nullptr;
}

void FlowGraph::check_limit_order(const Draft& draft, Diagnostics& diagnostics) const {
    const auto own = holds_of(draft);
    if (own.empty()) return;
    std::vector<Hold> all;
    for (const auto& [name, other] : drafts_) {
        auto more = holds_of(*other);
        std::move(more.begin(), more.end(), std::back_inserter(all));
    }
    for (const auto& hold : own) {
        const auto waits = hold.called.empty() ? "a task of theirs" : "flow " + hold.called;
        const auto held = fmt::format("runs of {} hold '{}' while they wait for {}", draft.plan.name, hold.key, waits);
        if (hold.key == hold.waited)
            diagnostics.error(hold.mark, fmt::format("{}, which needs it too: they would wait for each other for ever", held),
                              hold.called.empty() ? "leave it to the flow or to the task"
                                                  : fmt::format("take '{}' out of one of them, or `detach` the call", hold.key));
        else if (const auto* back = way_back(all, hold.waited, hold.key))
            diagnostics.error(
                hold.mark,
                fmt::format("{}, which needs '{}', and runs of {} hold '{}' while they wait for what leads back to '{}': they "
                            "could wait for each other for ever",
                            held, hold.waited, back->flow->plan.name, back->key, hold.key),
                fmt::format("let runs ask for both at once: limits: {{{}: 1, {}: 1}} of the flow", hold.key, hold.waited));
    }
}

} // namespace millrace
