/// The CSV that a command wrote, in the form of csv_form.hpp, which is never guessed. The types are, where no contract says them; with
/// one every field is a text for it to judge. As in PostgreSQL an empty field is NULL and "" the empty text; where the type is none of
/// texts, "" is NULL as well.
#pragma once

#include "connectors/duckdb/connection.hpp"
#include "flows/task_options.hpp"

#include <string>
#include <vector>

namespace millrace {

class CsvRows {
public:
    /// Reads the whole file once. Throws Error{BadData} for one that has not the form, or two columns of one name. What ends its lines
    /// may be changed.
    CsvRows(duckdb::Connection& db, const std::string& path, const std::vector<ColumnSpec>& columns);

    /// What to write after FROM.
    [[nodiscard]] std::string sql() const { return sql_; }
    /// A query of the rows failed: throws Error{BadData} with the line of the file that is not UTF-8, if there is one.
    void explain() const;

private:
    std::string path_;
    std::string sql_;
};

} // namespace millrace
