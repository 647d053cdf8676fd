/// Writes the dataset of a task run: rows of a query, cast to their contract, as Parquet with a manifest.
#pragma once

#include "connectors/duckdb/database.hpp"
#include "connectors/manifest.hpp"
#include "flows/task_options.hpp"
#include "tasks/contract.hpp"
#include "tasks/verb.hpp"

#include <map>
#include <string>

namespace millrace {

struct DatasetRequest {
    std::string sql;                ///< a SELECT; its tables are views of the connection
    const duckdb::Bindings* values; ///< of its parameters
    ContractSpec contract;          ///< with no columns the rows are written as they come
    std::string folder;             ///< of the task run
    int attempt = 1;                ///< names the files, so that a dead attempt's never stand in the way
    Manifest manifest;              ///< what is known beforehand, see `begun`; rejected rows of an earlier stage count as its own
    TaskOrigin origin = {};         ///< of the task whose SQL it is
    std::int64_t rows_read = -1;    ///< that its tables hold; -1: unknown
    RowsOf rows_of = RowsOf::Sql;   ///< Command: whoever wrote the flow has never seen `sql`
};

/// What is known of a dataset before its rows come: whose it is, complete unless the run has a row limit.
[[nodiscard]] Manifest begun(const AttemptOrder& order);

/// The same of a dataset that is made of the order's inputs: as old, as narrow and as doubtful as they are.
[[nodiscard]] Manifest inherited(const AttemptOrder& order);

struct WrittenDataset {
    Manifest manifest;
    std::string path; ///< of manifest.json
};

/// The outcome of the attempt that wrote it.
[[nodiscard]] AttemptDone completed(const WrittenDataset& written);

/// Judges every row in the pass that writes it; only when one is rejected are the files written again without it, and
/// the rejected rows into a dataset of their own (rejects.hpp). Throws FailedWithRejects beyond the limit of `rejects`, and
/// for a broken check of severity error (checks.hpp). Tables that `references` name must be views of `db`.
[[nodiscard]] WrittenDataset write_dataset(duckdb::Connection& db, const DatasetRequest& request, AttemptSession& session);

} // namespace millrace
