/// The folders of runs in the staging folder, and how files go from them. Blocking: for a thread of the pool, a little at a time.
/// Others may do the same in the same folder meanwhile.
#pragma once

#include "flows/time.hpp"
#include "scheduler/retention.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace millrace {

struct RunFolder {
    std::string staging_id; ///< its name, a uuid
    Instant changed_at{};
};

/// The names in `staging` that are uuids.
[[nodiscard]] std::vector<std::string> run_folders(const std::filesystem::path& staging);
/// Those of `names` that are there and were not changed after `before`; those that hold nothing but logs, after `logs_before`.
[[nodiscard]] std::vector<RunFolder> changed_before(const std::filesystem::path& staging, const std::vector<std::string>& names,
                                                    Instant before, Instant logs_before);

struct Swept {
    std::int64_t files = 0, bytes = 0, folders = 0; ///< what went; folders: of runs, whole
    std::int64_t failed = 0;
    std::string failure; ///< the first, with its path

    void add(const Swept& other);
};

/// Removes the files of `kinds` from a run's folder, then folders that are empty. False: `longest` was over before; call it again.
/// The folder keeps the time of its last change: it is that of its run.
[[nodiscard]] bool sweep(const std::filesystem::path& folder, const std::set<Kept>& kinds, std::chrono::milliseconds longest, Swept& swept);

} // namespace millrace
