/// A parameter of type decimal: how it is written, and the one type that it has in SQL, whatever its value.
#pragma once

#include <string>
#include <string_view>

namespace millrace {

inline constexpr int decimal_param_width = 38, decimal_param_scale = 9; ///< DECIMAL(38,9), as BigQuery's NUMERIC

/// Why the text is none: "is no number such as 12.50"; empty: it is one.
[[nodiscard]] std::string decimal_mistake(std::string_view text);

} // namespace millrace
