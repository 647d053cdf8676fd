/// What flows will miss when they run: the connections that their tasks name, and what each of those lacks. Pure; whoever asks knows
/// how a connection is filled in.
#pragma once

#include "flows/plan.hpp"

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace millrace {

struct ConnectionLack {
    std::string connection;
    std::set<std::string> flows; ///< that name it
    std::string task;            ///< the first of the first of those plans that does
    std::string message, remedy; ///< for people
};

/// Of each connection that the plans name, by its name; one that a parameter chooses is known only in a run. `resolve` throws Error
/// for a connection that lacks something, and nothing for one that need not be told of.
[[nodiscard]] std::vector<ConnectionLack> lacks_of_flows(const std::vector<const FlowPlan*>& plans,
                                                         const std::function<void(const std::string& connection)>& resolve);

} // namespace millrace
