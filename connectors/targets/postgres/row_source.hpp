/// The rows of a dataset as COPY's binary rows, in the order of a table's planned columns.
#pragma once

#include "connectors/targets/postgres/row_hash.hpp"
#include "connectors/targets/postgres/table_plan.hpp"

#include <optional>
#include <string_view>

namespace millrace::postgres {

/// `sql`: a SELECT of exactly the dataset's columns. Must not outlive plan and connection.
class RowSource {
public:
    RowSource(duckdb::Connection& db, const std::string& sql, const duckdb::Bindings& values, const TablePlan& plan);

    /// Moves to the next row; false: there is none. Throws Error{BadData} that names column and key of a value that cannot be written.
    [[nodiscard]] bool next();
    /// The current row in COPY's form; valid until the next one.
    [[nodiscard]] std::string_view bytes() const { return row_; }
    [[nodiscard]] std::uint64_t key_hash(int seed) const { return hash(seed, &PlannedColumn::is_key); }
    [[nodiscard]] std::uint64_t row_hash(int seed) const { return hash(seed, &PlannedColumn::compared); }
    /// "17, x": the current row's key for an error.
    [[nodiscard]] std::string shown_key() const;
    /// Every now and then, first at the first row: a good moment to report and to look whether to stop.
    [[nodiscard]] bool is_time_to_report() const { return row_in_chunk_ % 128 == 1; }

private:
    [[nodiscard]] std::uint64_t hash(int seed, bool PlannedColumn::*chosen) const;
    void encode();
    [[nodiscard]] std::string key_of(std::uint64_t row_in_chunk) const;

    const TablePlan& plan_;
    duckdb::Statement statement_;
    duckdb::Result result_;
    std::optional<duckdb::Chunk> chunk_;
    std::uint64_t row_in_chunk_ = 0; ///< of the next row
    std::string row_;
    std::vector<std::size_t> offsets_; ///< of each planned column's field in row_
};

} // namespace millrace::postgres
