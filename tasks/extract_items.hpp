/// The rows of an extract's for_each, each once (an item is known by its values), in a table that every session of the database sees.
#pragma once

#include "connectors/duckdb/database.hpp"
#include "flows/host_message.hpp"
#include "flows/plan.hpp"

#include <string>
#include <vector>

namespace millrace {

class ExtractItems {
public:
    /// Throws Error for SQL that fails. `db` outlives this.
    ExtractItems(const AttemptOrder& order, const ForEach& each, duckdb::Connection& db);
    ExtractItems(const ExtractItems&) = delete;
    ~ExtractItems(); ///< drops the table

    [[nodiscard]] const std::string& table() const { return name_; } ///< columns: ordinal BIGINT from 0, item STRUCT, times BIGINT
    [[nodiscard]] const std::string& type() const { return type_; }  ///< of an item, DuckDB's spelling
    [[nodiscard]] const std::vector<Json>& rows() const { return rows_; }
    [[nodiscard]] std::int64_t repeated() const { return repeated_; } ///< rows that are another one again

private:
    duckdb::Connection& db_;
    std::string name_, type_;
    std::vector<Json> rows_;
    std::int64_t repeated_ = 0;
};

} // namespace millrace
