/// Where the runner's changes become durable. A side effect starts only in `committed`; an empty folder is none.
///
///     runner --submit--> [ changes that gathered ] --one transaction--> PostgreSQL
///        ^                                                                  |
///        +---------------- committed (on the loop, in order) <--------------+
#pragma once

#include "scheduler/expectations.hpp"
#include "scheduler/store/rows.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// From a node's last commit. With the time that it takes to notice, the runs of a dead node are adopted within ten seconds.
inline constexpr auto lease_length = std::chrono::seconds(9);

/// A run asks whether it is its turn among the runs of its flow that wait for each other, over all nodes.
struct LineClaim {
    std::string flow;
    std::int64_t run_id = 0; ///< stored, or in the same changes
    Instant created_at{};    ///< of those who wait the oldest is next
    std::string overlap;     ///< queue; skip: not if one waits that came before; cancel_previous: those of other nodes are asked to end
    // Filled in before committed() is called.
    std::optional<bool> granted; ///< until it ends; nothing: the answer was lost, ask again
    std::int64_t holder = 0;     ///< where it is not granted: whose turn it is; 0: not known
};

/// Told in place of an SQLSTATE, of which none begins with it: the instant has its run already.
inline constexpr const char* fired_by_another_node = "MR001";

/// What changed together: it is committed together, or refused together. All of one run.
struct RunChanges {
    std::int64_t run_id = 0; ///< 0: of no run
    std::optional<RunRow> new_run;
    std::vector<RunRow> also_new; ///< runs that it causes: they are there when what caused them is
    std::optional<RunRow> run;    ///< its state, message, summary and times
    std::vector<TaskRunRow> task_runs;
    std::vector<AttemptRow> begun, ended;
    std::vector<EventRow> events;
    std::optional<FiringRow> firing;
    std::optional<ScheduleEnd> schedule_end;
    std::vector<Breach> breaches;     ///< one that is told already is left as it is
    std::vector<Recovery> recoveries; ///< likewise one that is over already
    std::vector<TaskKey> released;    ///< task runs whose slots become free
    std::string leaves_line;          ///< of this flow: the run ends, and it is the next one's turn
    std::shared_ptr<LineClaim> claims_line;
    bool even_if_refused = false;    ///< taken though earlier rows of the run were not: its end, and its slots
    std::function<void()> committed; ///< may be empty
    /// PostgreSQL will never take these rows (sqlstate, message), and nothing later of this run is written either; other runs
    /// are not concerned. May be empty.
    std::function<void(std::string, std::string)> refused;
};

/// The answer to a claim of slots.
struct SlotClaim {
    bool granted = false;
    std::optional<OrderError> never; ///< why waiting does not help
    std::string lacking{};           ///< where waiting helps: for which limit; empty: the store is away, and may have granted it
    std::string holders{};           ///< of that limit, in words
};

/// Used on the loop's thread. Callbacks come on the loop, never from inside submit(), in the order of submission.
class Journal {
public:
    virtual ~Journal() = default;
    virtual void submit(RunChanges changes) = 0;
    /// Task-run rows submitted and not yet committed: who makes many should wait when it grows.
    [[nodiscard]] virtual std::size_t backlog() const = 0;
};

} // namespace millrace
