/// A session of an open DuckDB, its statements and the values bound to them. One thread at a time; `interrupt` is the exception.
#pragma once

#include "connectors/duckdb/result.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace millrace::duckdb {

/// A typed parameter. Text is never spliced into SQL.
class Value {
public:
    [[nodiscard]] static Value null();
    [[nodiscard]] static Value boolean(bool v);
    [[nodiscard]] static Value integer(std::int64_t v);
    [[nodiscard]] static Value real(double v);
    [[nodiscard]] static Value text(std::string_view v);
    [[nodiscard]] static Value instant(std::int64_t micros); ///< TIMESTAMPTZ
    [[nodiscard]] static Value date(std::int32_t days);      ///< days since 1970-01-01
    /// "-12.34" -> DECIMAL(width,scale). Throws std::invalid_argument for text that is none.
    [[nodiscard]] static Value decimal(std::string_view digits, int width, int scale);
    [[nodiscard]] static Value text_list(const std::vector<std::string>& v);

    explicit Value(void* handle) : handle_(handle) {}
    Value(Value&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
    Value& operator=(Value&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Value();
    [[nodiscard]] void* handle() const { return handle_; }

private:
    void* handle_;
};

using Bindings = std::map<std::string, Value>; ///< `$name` -> value

/// One prepared statement. Must not outlive its connection.
class Statement {
public:
    Statement(void* connection, void* handle, const std::atomic<bool>& interrupted)
        : connection_(connection), handle_(handle), interrupted_(&interrupted) {}
    Statement(Statement&& other) noexcept : connection_(other.connection_), handle_(other.handle_), interrupted_(other.interrupted_) {
        other.handle_ = nullptr;
    }
    Statement& operator=(Statement&&) = delete;
    ~Statement();

    /// What a SELECT gives.
    [[nodiscard]] std::vector<Column> columns() const;
    [[nodiscard]] bool is_select() const;
    /// Names of the parameters that the statement uses.
    [[nodiscard]] std::vector<std::string> parameters() const;
    /// Gives each parameter of the statement its value; throws Error{Permanent} for one that `values` lacks.
    void bind(const Bindings& values);

    /// Runs to the end; the result is held in memory.
    [[nodiscard]] Result run();
    /// Rows are made as they are fetched: for results that need not fit into memory. One at a time on a connection.
    [[nodiscard]] Result stream();
    /// DuckDB's own handle, for the other files of this folder.
    [[nodiscard]] void* handle() const { return handle_; }

private:
    [[nodiscard]] Result finish(void* pending);

    void* connection_;
    void* handle_;
    const std::atomic<bool>* interrupted_; ///< the connection's
};

class Connection {
public:
    explicit Connection(void* database);
    Connection(Connection&& other) noexcept : handle_(other.handle_), interrupted_(std::move(other.interrupted_)) {
        other.handle_ = nullptr;
    }
    Connection& operator=(Connection&&) = delete;
    ~Connection();

    /// One or more statements without parameters; gives the last one's result. Throws QueryError.
    Result query(const std::string& sql);
    /// Exactly one statement, else Error{Permanent}.
    [[nodiscard]] Statement prepare(const std::string& sql);
    /// Ends the running statement, and each that is begun later, with Error{Cancelled}. From any thread.
    void interrupt();
    /// DuckDB's own handle, for the other files of this folder.
    [[nodiscard]] void* handle() const { return handle_; }

private:
    void* handle_;
    std::unique_ptr<std::atomic<bool>> interrupted_ =
        std::make_unique<std::atomic<bool>>(false); ///< DuckDB forgets an interrupt when a statement begins
};

} // namespace millrace::duckdb
