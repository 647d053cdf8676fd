/// SQL that shows a row as whoever wrote it did, for the rows that break a rule. Pure text.
#pragma once

#include "connectors/manifest.hpp"

#include <string>
#include <vector>

namespace millrace {

/// A value of a type as DuckDB spells it: 4 where a column of doubles or decimals holds 4.0, and with all digits of a decimal or a
/// hugeint, as a text where a reader of JSON would drop some; infinity, which JSON does not know, is a text too.
[[nodiscard]] std::string shown_json(const std::string& value, const std::string& type);
/// The same as a text.
[[nodiscard]] std::string shown_text(const std::string& value, const std::string& type);

/// The text of a JSON object of these columns of `row`, a table or a struct.
[[nodiscard]] std::string row_json(const std::string& row, const std::vector<ManifestColumn>& columns);

} // namespace millrace
