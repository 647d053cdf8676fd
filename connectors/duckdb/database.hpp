/// An in-memory DuckDB in a cage: it sees the folders that it is given and nothing else, installs nothing, and its
/// settings are locked. SQL of a flow cannot leave it.
#pragma once

#include "connectors/duckdb/connection.hpp"

#include <string>
#include <vector>

namespace millrace::duckdb {

struct DatabaseOptions {
    std::vector<std::string> folders{};       ///< absolute; SQL may read and write below them
    std::string temp_folder{};                ///< below it is a folder of its own for what it spills; empty: it does not
    std::int64_t memory_bytes = 256LL << 20;  ///< of DuckDB's buffers; the process needs more (about 100 MB)
    int threads = 1;
    bool keep_order = true;                   ///< false: rows may come in any order, with less memory

    friend bool operator==(const DatabaseOptions&, const DatabaseOptions&) = default;
};

class Database {
public:
    /// Throws Error{Permanent} when the library is missing, Error{Resource} when it cannot start.
    explicit Database(const DatabaseOptions& options);
    Database(Database&& other) noexcept : handle_(other.handle_), options_(std::move(other.options_)), spill_(std::move(other.spill_)) { other.handle_ = nullptr; }
    Database& operator=(Database&&) = delete;
    ~Database();

    /// Sessions must be gone before the database.
    [[nodiscard]] Connection connect() const { return Connection(handle_); }
    [[nodiscard]] const DatabaseOptions& options() const { return options_; }

private:
    void* handle_;
    DatabaseOptions options_;
    std::string spill_; ///< nobody else's folder: DuckDB names its files by size alone, and empties the folder when it closes
};

/// DuckDB's version, "v1.5.6".
[[nodiscard]] std::string library_version();

} // namespace millrace::duckdb
