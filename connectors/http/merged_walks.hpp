/// Several walks over the same pages as one part, each key once, and what came twice in the last of them (internal to the extraction).
#pragma once

#include "connectors/http/slice_worker.hpp"

namespace millrace {

/// Records of one walk whose key an earlier record of it had.
struct Repeats {
    std::int64_t equal = 0;     ///< all columns are
    std::int64_t different = 0; ///< other columns than the key are not
    std::string example;        ///< the key of one that differs, "id 64a1"; empty: there is none, or the records are sensitive
};

/// Of the last walk. The resource has a key.
[[nodiscard]] Repeats repeats_of(const SliceRun& run, const ExtractionShare& share, duckdb::Connection& connection);

/// The part that holds each key once, as it came last: in the latest walk, there on the highest page, there furthest down. Which
/// worker fetched a page has no say in it.
[[nodiscard]] ManifestPart merged_walks(const SliceRun& run, const ExtractionShare& share, duckdb::Connection& connection);

} // namespace millrace
