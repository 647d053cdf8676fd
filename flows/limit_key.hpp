/// The keys of `limits:` in millrace.yaml. A plain name counts for the flows and tasks that ask for it; the others count by
/// themselves, for whatever they say, and no flow names them:
///
///     limits:
///       warehouse_writers: 2      # asked for by name: `limits: {warehouse_writers: 1}` of a flow or task
///       all: 20                   # task runs under way
///       flow.hours: 1             # runs of that flow
///       tag.nightly: 4            # task runs with that tag, their own or their flow's
///       connection.clockify: 2    # task runs that use that connection
#pragma once

#include "flows/plan.hpp"

#include <map>
#include <string>
#include <vector>

namespace millrace {

struct LimitKey {
    enum class Kind { Named, All, Flow, Tag, Connection };
    Kind kind = Kind::Named;
    std::string name; ///< of the flow, tag or connection; of a named limit the whole key
};

/// Any text is one: what looks like none of the others is a name, good or bad.
[[nodiscard]] LimitKey limit_key(const std::string& text);

/// A limit that counts by itself and never will, for it names what is not there.
struct UnmetLimit {
    std::string key, message, hint;
};

/// `flows`: all that are in force. Connections are the project's matter, it knows them all.
[[nodiscard]] std::vector<UnmetLimit> unmet_limits(const std::map<std::string, int>& limits, const std::vector<const FlowPlan*>& flows);

} // namespace millrace
