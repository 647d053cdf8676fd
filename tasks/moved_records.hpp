/// Records that stand in two slices of one extract, because they moved from one window to another between its requests.
#pragma once

#include "connectors/duckdb/database.hpp"
#include "connectors/http/slices.hpp"
#include "connectors/spool.hpp"

#include <string>
#include <vector>

namespace millrace {

struct SettledParts {
    std::vector<ManifestPart> parts;
    std::int64_t left_out = 0; ///< records
};

/// The parts of all slices with each key once, as it was read last; a part that holds another is written again beside it, its
/// name marked by `attempt`. Windows of one item are judged together, never two items: both may own one record. `plan` and
/// `slices` are in one order.
[[nodiscard]] SettledParts settle_moved_records(duckdb::Connection& db, const std::string& folder, int attempt,
                                                const std::vector<std::string>& key, const std::vector<Slice>& plan,
                                                const std::vector<SliceManifest>& slices);

} // namespace millrace
