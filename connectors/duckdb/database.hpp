/// An in-memory DuckDB in a cage: it sees the folders that it is given and nothing else, installs nothing, and its
/// settings are locked. SQL of a flow cannot leave it.
#pragma once

#include "connectors/duckdb/connection.hpp"

#include <string>
#include <utility>
#include <vector>

namespace millrace::duckdb {

struct DatabaseOptions {
    std::vector<std::string> folders{};      ///< absolute; SQL may read and write below them
    std::string temp_folder{};               ///< below it is a folder of its own for what it spills; empty: it does not
    std::int64_t memory_bytes = 256LL << 20; ///< of DuckDB's buffers; the process needs more (about 100 MB)
    int threads = 1;
    bool keep_order = true; ///< false: rows may come in any order, with less memory

    friend bool operator==(const DatabaseOptions&, const DatabaseOptions&) = default;
};

/// A DuckDB that is open and has no settings yet. Opening takes ten times as long as a small query, so a host with nothing to
/// do makes one beforehand.
class EmptyDatabase {
public:
    /// Throws Error{Permanent} when the library is missing, Error{Resource} when it cannot start.
    EmptyDatabase();
    EmptyDatabase(EmptyDatabase&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    EmptyDatabase& operator=(EmptyDatabase&&) = delete;
    ~EmptyDatabase();

private:
    friend class Database;
    void* handle_;
};

/// Where one database spills, removed at its end. Nobody else's: DuckDB names its files by size alone, and empties the folder
/// when it closes.
struct SpillFolder {
    explicit SpillFolder(std::string folder) : path(std::move(folder)) {}
    SpillFolder(SpillFolder&& other) noexcept : path(std::exchange(other.path, {})) {}
    SpillFolder& operator=(SpillFolder&&) = delete;
    ~SpillFolder();
    std::string path; ///< empty: it does not spill
};

class Database {
public:
    /// Throws as EmptyDatabase does, and Error{Resource} when it cannot make its folder.
    explicit Database(const DatabaseOptions& options, EmptyDatabase empty = EmptyDatabase());
    Database(Database&& other) noexcept = default;
    Database& operator=(Database&&) = delete;

    /// Sessions must be gone before the database. `zone` is the one in which the session's SQL reads a clock or a calendar off an
    /// instant, and an instant off a local time; throws QueryError for one that DuckDB does not know.
    [[nodiscard]] Connection connect(const std::string& zone = "UTC") const;
    [[nodiscard]] const DatabaseOptions& options() const { return options_; }

private:
    SpillFolder spill_; ///< goes after the database
    EmptyDatabase database_;
    DatabaseOptions options_;
};

/// DuckDB's version, "v1.5.6".
[[nodiscard]] std::string library_version();

} // namespace millrace::duckdb
