/// What a new run begins with, beside its row.
#pragma once

#include "flows/run_plan.hpp"
#include "scheduler/store/rows.hpp"

#include <map>
#include <memory>

namespace millrace {

/// What stands of the chunk of an earlier run. By its interval: another `chunk` makes other parts.
struct RepeatedChunk {
    std::int64_t run_id = 0;
    Reused reused;
    bool done = false; ///< all of it: the part is not run again
};
using RepeatedChunks = std::map<std::pair<Instant, Instant>, RepeatedChunk>;

struct RunStart {
    std::shared_ptr<const FlowPlan> plan;
    Reused reused;             ///< of the run that it repeats
    RepeatedChunks repeated{}; ///< the same for one in chunks
    std::optional<FiringRow> firing;
    bool catch_up = false; ///< a missed firing: queues whatever `overlap` says
    std::string warning{}; ///< of what was asked for; told with the run
    std::string rerun{};   ///< of a rerun: what it repeats, and who asked; told with the run
    bool stored = false;   ///< its row is in the store already, together with what caused it
};

} // namespace millrace
