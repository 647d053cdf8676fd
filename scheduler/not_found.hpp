/// What is said of a name or a number that nothing has, the same on the reading and the writing side.
#pragma once

#include "flows/nearest.hpp"
#include "scheduler/catalogue.hpp"
#include "scheduler/service.hpp"

namespace millrace {

[[nodiscard]] inline Refusal no_run(std::int64_t id) {
    return {Refusal::Kind::NotFound, "there is no run " + std::to_string(id), "`millrace runs list` shows those that there are"};
}

[[nodiscard]] inline Refusal no_flow(const std::string& name, const Catalogue& catalogue) {
    std::vector<std::string> names;
    for (const auto& [known, flow] : catalogue.all())
        if (!flow.archived) names.push_back(known);
    const std::string near = nearest(name, names);
    return {Refusal::Kind::NotFound, "there is no flow " + name,
            near.empty() ? "`millrace flows` lists them; a new file needs `millrace deploy`" : "did you mean " + near + "?"};
}

} // namespace millrace
