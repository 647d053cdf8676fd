/// Letters of ASCII, and the spaces around a text. Pure.
#pragma once

#include <string>
#include <string_view>

namespace millrace {

/// DuckDB tells no name from another by case alone, nor do headers of HTTP.
[[nodiscard]] std::string lower_case(std::string_view text);
[[nodiscard]] std::string upper_case(std::string_view text);

/// Without those of `spaces` that it begins and ends with. It points into `text`.
[[nodiscard]] std::string_view trimmed(std::string_view text, std::string_view spaces = " \t\r\n");

} // namespace millrace
