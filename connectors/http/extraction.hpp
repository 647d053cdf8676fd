/// One extraction of a declared source: slices, each a walk over pages, into raw spool and typed Parquet parts.
///
/// Each worker thread takes a slice, asks for its pages, and is itself the reader from which DuckDB writes a Parquet part: what
/// one worker types overlaps with what the others download, and nothing piles up in memory. Workers without a slice of their
/// own join one whose total is known. A slice becomes visible by its manifest, which is written last; a later attempt reuses
/// finished slices and repeats none of their requests.
///
/// A walk that drifted (see page_walk.hpp) is repeated, twice at most. If it still drifts, the records of all walks are taken,
/// each key once, newest first, and an event says so. A source that gives the same page for different numbers is an error.
#pragma once

#include "connectors/duckdb/database.hpp"
#include "connectors/duckdb/row_source.hpp"
#include "connectors/http/requester.hpp"
#include "connectors/http/slices.hpp"
#include "connectors/spool.hpp"
#include "flows/task_options.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

struct ExtractionPlan {
    SourceSpec source;
    ResourceSpec resource;
    Json connection;             ///< complete (complete_connection)
    std::string connection_name; ///< for people; empty: that of the source
    bool shared_rate = false;    ///< as AttemptOrder::shared_rates
    std::string zone = "UTC";
    std::vector<Slice> slices;
    std::string items_table; ///< DuckDB table (ordinal, item) behind Slice::item; empty: no `_item`
    std::string item_type;   ///< of `_item`, DuckDB's spelling
    std::string folder;      ///< staging folder of the task run
    int concurrency = 0;     ///< 0: rate.concurrency of the source
    std::string on_drift = "evolve";
    std::int64_t most_rejects = 0; ///< so many records that break the contract are written to quarantine files
    bool sensitive = false;        ///< what is told of a record holds none of its values
    std::optional<Share> allow_failed;
    std::optional<std::int64_t> limit_rows;
    HttpLimits limits;
    RetryRules retries;
    int repeats = 2; ///< of a drifted walk
};

struct ExtractionProgress {
    std::int64_t requests = 0, pages = 0, records = 0, bytes = 0, slices_done = 0, slices_total = 0, records_total = 0;
    std::string step;
};

/// Calls come from any worker's thread.
struct ExtractionEvents {
    std::function<bool()> cancelled = [] { return false; };
    std::function<void(const ExtractionProgress&)> progress = [](const auto&) {};
    std::function<void(std::string_view level, const std::string& text)> log = [](auto, const auto&) {};
    std::function<void(const std::string& kind, const std::string& text, const Json& details)> event = [](const auto&, const auto&,
                                                                                                          const auto&) {};
};

[[nodiscard]] std::vector<duckdb::ColumnText> resource_columns(const ResourceSpec& resource);
/// The columns of the dataset: those of the resource, then `_item` (item_type is not empty) and `_window` (it has windows).
[[nodiscard]] std::vector<duckdb::ColumnText> extraction_columns(const ResourceSpec& resource, const std::string& item_type);

/// Manifests of all slices, in the plan's order; those that failed within `allow_failed` have no records.
/// Throws Error for what the source or the disk refuses; finished slices stay.
[[nodiscard]] std::vector<SliceManifest> extract(const ExtractionPlan& plan, Governors& governors, duckdb::Database& database,
                                                 ExtractionEvents events);

} // namespace millrace
