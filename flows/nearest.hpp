/// "did you mean": the valid name that a mistyped one is closest to. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Insertions, deletions, substitutions and swaps of neighbours, each counted as one; upper and lower case are the same.
[[nodiscard]] int edit_distance(std::string_view a, std::string_view b);

/// The candidate with the smallest distance, when that is at most a third of the longer name (but at least one letter);
/// else the only candidate that begins with `name`, or that is the beginning and at least half of `name`; else empty.
[[nodiscard]] std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

/// The candidate that other tools call `word` ("depends_on" for "needs"); empty where there is none.
[[nodiscard]] std::string our_word_for(std::string_view word, const std::vector<std::string>& candidates);

} // namespace millrace
