#include "flows/limit_key.hpp"

#include "flows/nearest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace millrace {

LimitKey limit_key(const std::string& text) {
    using enum LimitKey::Kind;
    if (text == "all") return {All, ""};
    const auto point = text.find('.');
    const auto kind = text.substr(0, point);
    if (point == std::string::npos || point + 1 == text.size()) return {Named, text};
    if (kind == "flow") return {Flow, text.substr(point + 1)};
    if (kind == "tag") return {Tag, text.substr(point + 1)};
    if (kind == "connection") return {Connection, text.substr(point + 1)};
    return {Named, text};
}

std::vector<UnmetLimit> unmet_limits(const std::map<std::string, int>& limits, const std::vector<const FlowPlan*>& flows) {
    std::set<std::string> names, tags;
    for (const auto* flow : flows) {
        names.insert(flow->name);
        tags.insert(flow->tags.begin(), flow->tags.end());
        for (const auto& task : flow->tasks) tags.insert(task.tags.begin(), task.tags.end());
    }
    std::vector<UnmetLimit> unmet;
    for (const auto& [key, slots] : limits) {
        const auto [kind, name] = limit_key(key);
        const bool is_flow = kind == LimitKey::Kind::Flow;
        const auto& known = is_flow ? names : tags;
        if ((!is_flow && kind != LimitKey::Kind::Tag) || known.contains(name)) continue;
        const auto near = nearest(name, {known.begin(), known.end()});
        unmet.push_back({key, is_flow ? fmt::format("no flow is called '{}'", name) : fmt::format("no flow or task has the tag '{}'", name),
                         near.empty() ? "" : "did you mean '" + near + "'?"});
    }
    return unmet;
}

} // namespace millrace
