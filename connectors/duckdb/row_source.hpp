/// Rows that we make ourselves, as a table that SQL can read: pulled a chunk at a time, on the thread that runs the query,
/// so a query over it needs the memory of one chunk and no other copy of the rows.
#pragma once

#include "connectors/duckdb/column_writer.hpp"
#include "connectors/duckdb/connection.hpp"

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace millrace::duckdb {

/// A column by the spelling of its type.
struct ColumnText {
    std::string name;
    std::string type;
};

/// What DuckDB makes of the types. Throws QueryError for one that is none.
[[nodiscard]] std::vector<Column> resolve_columns(Connection& connection, const std::vector<ColumnText>& columns);

class RowSource {
public:
    /// Writes at most `capacity` rows, gives how many; 0 ends the table. By the next call DuckDB has copied what it wants of
    /// the rows before. May throw: the query then fails, and `rethrow` has it.
    using Fill = std::function<std::uint64_t(std::vector<ColumnWriter>& columns, std::uint64_t capacity)>;

    /// Known to this connection from now on; may be read once. Must outlive the query that reads it.
    RowSource(Connection& connection, const std::vector<ColumnText>& columns, Fill fill);
    ~RowSource();

    /// What to write after FROM.
    [[nodiscard]] std::string sql() const;
    [[nodiscard]] const std::vector<Column>& columns() const;
    /// Throws what `fill` threw, if it did. Call it when the query failed.
    void rethrow() const;

private:
    struct State;
    std::shared_ptr<State> state_; ///< DuckDB holds another reference
    std::string name_;
};

} // namespace millrace::duckdb
