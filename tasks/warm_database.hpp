/// DuckDB, kept open between the attempts of one run: opening it takes longer than a small transform.
#pragma once

#include "connectors/duckdb/database.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// What one order needs of a database. 0: the host's default.
struct DatabaseNeeds {
    std::vector<std::string> folders; ///< absolute
    std::string temp_folder;
    std::int64_t memory_bytes = 0;
    int threads = 0;
};

class WarmDatabase {
public:
    /// The open database where its cage covers the needs, else a new one, which is kept from now on. An old one lives as
    /// long as somebody uses it. From any thread.
    [[nodiscard]] std::shared_ptr<duckdb::Database> get(const DatabaseNeeds& needs);

    /// Opens an empty one for the next run, unless there is one; for a moment without work.
    void prepare();

private:
    std::mutex mutex_; ///< guards what follows
    std::shared_ptr<duckdb::Database> open_;
    std::optional<duckdb::EmptyDatabase> spare_;
};

/// The folder that holds a whole run's staging, from the path of one of its logs or manifests: its grandparent.
[[nodiscard]] std::string run_folder(const std::string& path);

} // namespace millrace
