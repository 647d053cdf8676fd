#include "flows/connection_lacks.hpp"

#include "flows/error.hpp"

#include <map>

namespace millrace {

std::vector<ConnectionLack> lacks_of_flows(const std::vector<const FlowPlan*>& plans,
                                           const std::function<void(const std::string&)>& resolve) {
    std::map<std::string, ConnectionLack> named;
    for (const auto* plan : plans)
        for (const auto& task : plan->tasks) {
            const auto name = task.options.value(polls(task) ? "in" : "connection", "");
            if (name.empty() || name.find("${") != std::string::npos) continue;
            named.try_emplace(name, ConnectionLack{name, {}, task.name, "", ""}).first->second.flows.insert(plan->name);
        }
    std::vector<ConnectionLack> lacks;
    for (auto& [name, lack] : named) {
        try {
            resolve(name);
        } catch (const Error& e) {
            lack.message = e.what();
            lack.remedy = e.remedy;
            lacks.push_back(std::move(lack));
        }
    }
    return lacks;
}

} // namespace millrace
