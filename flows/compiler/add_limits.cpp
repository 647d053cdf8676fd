// Limits that count by themselves (limit_key.hpp) become demands of the flow and its tasks, as if it had named them.
#include "flows/compiler/draft.hpp"
#include "flows/limit_key.hpp"

#include <algorithm>

namespace millrace {
namespace {

/// Where hosts do the work; what the daemon only waits for takes nobody's place.
bool is_work(const DraftTask& task) {
    const auto verb = task.plan.verb;
    const auto* wait = std::get_if<WaitOptions>(&task.options);
    return verb == Verb::Extract || verb == Verb::Transform || verb == Verb::Load || verb == Verb::Run ||
           (wait != nullptr && !wait->sql.empty());
}

bool has(const std::vector<std::string>& tags, const std::string& tag) { return std::find(tags.begin(), tags.end(), tag) != tags.end(); }

/// As the flow names them: "clockify", or "${workspace}" for a parameter.
std::vector<std::string> connections_of(const DraftTask& task) {
    if (const auto* extract = std::get_if<ExtractOptions>(&task.options)) return {extract->connection};
    if (const auto* transform = std::get_if<TransformOptions>(&task.options)) return {transform->in};
    if (const auto* wait = std::get_if<WaitOptions>(&task.options)) return {wait->in};
    const auto* load = std::get_if<LoadOptions>(&task.options);
    if (load == nullptr) return {};
    return {load->connection, load->via.substr(0, load->via.find('/'))};
}

/// The parameter that decides which connection it is, where it may be `limited`; nothing: it never is. Empty: it is that one.
std::optional<std::string> param_that_decides(const std::string& connection, const std::string& limited, const Draft& draft) {
    if (connection == limited) return "";
    if (!connection.starts_with("${")) return std::nullopt;
    auto name = connection.substr(2, connection.size() - 3);
    const auto* param = draft.param(name);
    if (param == nullptr || (!param->enumeration.empty() && !has(param->enumeration, limited))) return std::nullopt;
    return name;
}

} // namespace

void add_limits(Draft& draft, const CompileScope& scope) {
    using enum LimitKey::Kind;
    for (const auto& [key, slots] : scope.project.limits) {
        const auto [kind, name] = limit_key(key);
        if (kind == Flow && name == draft.plan.name) draft.plan.limits.push_back({key, 1});
        for (auto& task : draft.tasks) {
            if (!is_work(task)) continue;
            auto& demands = task.plan.limits;
            if (kind == All || (kind == Tag && (has(draft.plan.tags, name) || has(task.plan.tags, name)))) demands.push_back({key, 1});
            if (kind != Connection) continue;
            std::optional<std::string> param;
            for (const auto& connection : connections_of(task))
                if (auto decides = param_that_decides(connection, name, draft); decides && (!param || decides->empty()))
                    param = std::move(decides);
            if (param) demands.push_back({key, 1, *param});
        }
    }
}

} // namespace millrace
