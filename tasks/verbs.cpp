/// The verbs, by name: the one table. A new verb is a file with its function and a line here.
#include "tasks/verb.hpp"

#include <array>
#include <utility>

namespace millrace {

VerbFunction find_verb(std::string_view name) {
    static constexpr std::array<std::pair<std::string_view, VerbFunction>, 5> verbs{{
        {"extract", run_extract},
        {"transform", run_transform},
        {"load", run_load},
        {"run", run_command},
        {"wait", run_wait},
    }};
    for (const auto& [known, function] : verbs)
        if (known == name) return function;
    return nullptr;
}

const Json& connection_of(const AttemptOrder& order, const std::string& name) {
    const auto found = order.connections.find(name);
    if (found == order.connections.end())
        throw Error(ErrorClass::Permanent, "there is no connection '" + name + "'", "declare it under `connections` in millrace.yaml");
    return found->second;
}

} // namespace millrace
