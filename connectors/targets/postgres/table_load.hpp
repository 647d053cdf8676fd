/// One dataset into one table, inside the batch's transaction.
///
///   created or empty   COPY straight into it, then its key
///   append             COPY straight into it, after the rows of the earlier batch of the same interval are gone
///   keyed, similar size   the server's row hashes come here (row_hash.hpp), only rows that differ are staged and merged
///   keyed, otherwise      all rows are staged and merged: a small batch into a large table, deletes, `newest_by`
///   replace without key   nothing when both hold the same rows, else all rows are exchanged
#pragma once

#include "connectors/targets/postgres/table_plan.hpp"
#include "connectors/targets/target.hpp"

namespace millrace::postgres {

class TableLoad {
public:
    TableLoad(Session& session, const duckdb::Database& database, const LoadRequest& request, const LoadRequest::Table& table,
              const LoadMonitor& monitor, const std::string& default_schema, int number);

    /// Counts are exact. Throws Error; the transaction must then be rolled back.
    [[nodiscard]] LoadCounts run();

private:
    void write_rows();
    void append();
    void tell_of_overlap(const std::string& ledger);
    void load_into_empty();
    void make_key();
    void replace_without_key();
    void merge();

    [[nodiscard]] bool may_load_directly() const;
    [[nodiscard]] bool hashes_pay() const;
    [[nodiscard]] Rows sums_of(const std::string& table);
    [[nodiscard]] bool sums_to(const Rows& theirs);
    [[nodiscard]] std::string newest_rows() const;
    [[nodiscard]] std::string merged_rows() const;
    std::int64_t copy_all(const std::string& sql, const std::string& into);
    void make_stage();
    [[nodiscard]] bool stage_differing();
    [[nodiscard]] bool pull_hashes(class PresentRows& present);
    [[nodiscard]] std::int64_t memory_for_hashes() const;
    void merge_stage();
    void tell_of_repeated_keys();
    void delete_marked();
    [[nodiscard]] std::int64_t delete_all(const std::string& rows);
    [[nodiscard]] std::int64_t arrived(std::int64_t sent, std::int64_t stored);
    void delete_missing(const std::string& missing, std::int64_t present);
    [[nodiscard]] bool may_delete(std::int64_t rows, std::int64_t of) const;
    [[noreturn]] void refuse_deletes(std::int64_t rows, std::int64_t of, const std::string& doomed) const;
    void check_deletes() const;
    void check_replace() const;
    void check_nulls() const;
    void tell_of_emptied_columns();
    void check_rows_read() const;
    [[noreturn]] void refuse_duplicate(const std::string& key) const;
    [[nodiscard]] bool met_only_its_own_rows() const;
    [[noreturn]] void explain_violation(const SqlError& e) const;
    [[noreturn]] void refuse_swallowed(const std::string& what, std::int64_t rows, const std::string& key) const;
    [[nodiscard]] std::string scope();
    void tell_of_rows_outside(const std::string& scope, const std::string& where);
    [[nodiscard]] bool key_may_be_null() const;
    [[nodiscard]] std::string repeated_key() const;
    void step(const std::string& name, std::int64_t rows = 0) const;

    Session& session_;
    const duckdb::Database& database_;
    const LoadRequest& request_;
    const LoadRequest::Table& table_;
    const LoadMonitor& monitor_;
    std::string dataset_;     ///< SQL of its rows, to stand after FROM
    std::string stage_;       ///< name of the temporary table of rows
    std::string doomed_;      ///< name of that of rows to delete
    std::string delete_rule_; ///< "" | missing | when
    TablePlan plan_;
    LoadCounts counts_;
    std::int64_t rows_read_ = 0; ///< of the dataset, into the table and its stages
    bool has_stage_ = false;
    bool has_savepoint_ = false; ///< before_copy: the table was empty and is filled directly
};

} // namespace millrace::postgres
