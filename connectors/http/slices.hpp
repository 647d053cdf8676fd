/// The slices of an extraction: windows of its interval times rows of `for_each`. The slice is the unit of restart. Pure.
#pragma once

#include "flows/interval.hpp"
#include "flows/source_spec.hpp"
#include "flows/substitute.hpp"

#include <optional>
#include <string>
#include <vector>

namespace millrace {

struct Slice {
    std::string label; ///< for people: "2026-11-01 .. 2026-11-08, item 3"; empty: it is the only slice
    std::optional<Interval> window;
    std::optional<std::size_t> item; ///< number of the row of for_each
    std::string item_hash;           ///< of the row's values: what identifies it
    Json values;                     ///< the resource's parameters, all of them: null where not given
};

/// "tags", "detailed_report of 2026-11-01 .. 2026-11-08": what is asked for, by the slice's label, for messages.
[[nodiscard]] std::string place_of(const ResourceSpec& resource, const std::string& label);

/// `with` after substitution, checked against what the resource takes: unknown names, missing ones, wrong kinds of values.
/// Gives every parameter. Throws Error{Permanent}.
[[nodiscard]] Json resource_parameters(const ResourceSpec& resource, const Json& with);

/// Some parameter that narrows the snapshot is set.
[[nodiscard]] bool is_narrowed(const ResourceSpec& resource, const Json& values);

/// One slice per window and item; rows with the same values are one item. `items` empty with `mapped`: no slices. Windows are
/// cut by the calendar of the run's zone.
[[nodiscard]] std::vector<Slice> make_slices(const ResourceSpec& resource, const Json& with, const Scope& run,
                                             const std::vector<Json>& items, bool mapped);

/// What the resource's templates see in this slice.
[[nodiscard]] Scope slice_scope(const Slice& slice, const Json& connection, const std::string& zone);

} // namespace millrace
