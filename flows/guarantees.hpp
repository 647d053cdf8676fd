/// What a load can promise, by kind of target and mode (section "guarantees" of the reference): the table that `validate`
/// reads, and the only place that says which modes a target takes.
#pragma once

#include <span>
#include <string_view>

namespace millrace {

/// Empty text: the target refuses that mode. Else what a reader of the table can rely on.
struct Guarantee {
    std::string_view targets; ///< connection types, "postgres|sqlserver|duckdb"
    std::string_view append, insert_new, upsert, replace, delete_missing;
    std::string_view how;
};

[[nodiscard]] std::span<const Guarantee> guarantees();
/// Null for a type that is no target.
[[nodiscard]] const Guarantee* guarantee_of(std::string_view type);
/// By the name of the mode, or "delete: missing".
[[nodiscard]] std::string_view promise(const Guarantee& g, std::string_view mode);

} // namespace millrace
