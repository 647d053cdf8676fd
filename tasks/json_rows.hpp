/// The JSON that a command wrote, as rows for its contract: scalars as the text that stands in the file, so that the contract
/// judges what was written and nothing passes through a double; objects and lists as the contract declares them. A record with a
/// member that is not declared is a mistake, one that lacks a member has NULL there.
#pragma once

#include "connectors/duckdb/row_source.hpp"
#include "flows/task_options.hpp"

#include <memory>
#include <string>
#include <vector>

namespace millrace {

class JsonRows {
public:
    /// A list of objects, or one object after the other (NDJSON). The first is held in memory as a whole. The file is read when
    /// the query reads the rows, once. Throws Error{Permanent} for a type that has no form in JSON.
    JsonRows(duckdb::Connection& db, const std::string& path, const std::vector<ColumnSpec>& columns);
    ~JsonRows();

    /// What to write after FROM.
    [[nodiscard]] std::string sql() const;
    /// Throws the Error{BadData} that made the query fail, if one did.
    void rethrow() const;

private:
    struct Reader;
    std::unique_ptr<Reader> reader_;
    std::unique_ptr<duckdb::RowSource> source_;
};

/// Throws Error{BadData} where DuckDB, whose own read_json guesses the columns, `said` that the file at `path` is no JSON.
void explain_json(const std::string& said, const std::string& path);

} // namespace millrace
