/// The CSV that a command wrote: commas, a first line of names, double quotes, as many fields in each row. Its form is never guessed.
/// The types are, where no contract says them; with one every field is a text for it to judge.
#pragma once

#include "connectors/duckdb/connection.hpp"
#include "flows/task_options.hpp"

#include <string>
#include <vector>

namespace millrace {

class CsvRows {
public:
    /// Throws Error{BadData} for a file without a header.
    CsvRows(duckdb::Connection& db, const std::string& path, const std::vector<ColumnSpec>& columns);

    /// What to write after FROM.
    [[nodiscard]] std::string sql() const { return sql_; }
    /// A query of the rows failed: throws Error{BadData} with the line of the file that has not this form, if there is one.
    void explain() const;

private:
    duckdb::Connection& db_;
    std::string strict_; ///< the file as texts
    std::string sql_;
};

} // namespace millrace
