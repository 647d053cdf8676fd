/// The ceiling that the journal is measured against: the same rows, each inserted pending and updated to completed, written
/// by the fastest plain SQL we know (one client, batches through unnest arrays, every batch one durable transaction that
/// begins with the fence row).
#pragma once

#include <string>

namespace millrace::bench {

struct Ceiling {
    double task_runs_per_second = 0;
    /// The same rows inserted completed: what of a run begins and ends between two commits needs no update.
    double inserted_once_per_second = 0;
    double commit_ms = 0; ///< one commit of one row, median: the price of durability on this machine
};

/// The store at `url` must be migrated; rows of run -1 are written and removed again.
[[nodiscard]] Ceiling journal_ceiling(const std::string& url, int task_runs, int batch);

} // namespace millrace::bench
