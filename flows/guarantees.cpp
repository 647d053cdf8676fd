#include "flows/guarantees.hpp"

#include "flows/grammar/shapes.hpp"

#include <algorithm>
#include <array>

namespace millrace {
namespace {

constexpr std::array<Guarantee, 5> table{{
    {"postgres|sqlserver|duckdb", "atomic", "atomic", "atomic", "atomic (swap in the transaction)", "atomic",
     "a ledger row in the data transaction"},
    {"bigquery", "atomic", "atomic", "atomic", "atomic (WRITE_TRUNCATE)", "atomic", "a deterministic job id"},
    {"mongodb", "repeatable (_id from content hash and ordinal)", "repeatable", "repeatable; readers may see half a batch",
     "atomic (rename)", "repeatable", "idempotent writes, the ledger after them; no transaction is assumed"},
    {"files", "atomic per object", "", "", "atomic", "", "the manifest last, generation match"},
    {"http", "", "look-up by natural key, then create", "idempotent where the API is, else look-up", "", "by flag",
     "outbox row, write, record"},
}};

} // namespace

std::span<const Guarantee> guarantees() { return table; }

const Guarantee* guarantee_of(std::string_view type) {
    for (const auto& row : table) {
        const auto types = choices_of(row.targets);
        if (std::find(types.begin(), types.end(), type) != types.end()) return &row;
    }
    return nullptr;
}

std::string_view promise(const Guarantee& g, std::string_view mode) {
    if (mode == "append") return g.append;
    if (mode == "insert_new") return g.insert_new;
    if (mode == "upsert") return g.upsert;
    if (mode == "replace") return g.replace;
    if (mode == "delete: missing") return g.delete_missing;
    return {};
}

} // namespace millrace
