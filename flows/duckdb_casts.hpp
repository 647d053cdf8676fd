/// Calls of a function with arguments of other types than it takes, and the cast that mends them. Pure text.
#pragma once

#include "flows/sql_scan.hpp"

#include <string>
#include <vector>

namespace millrace {

/// What a hint may look at.
struct MistakeInSql {
    const std::string& error; ///< all that DuckDB says
    const std::string& message;
    const std::string& sql;
    std::vector<SqlToken> tokens;
    std::size_t at; ///< the token where it is; the number of tokens: at the end, or nobody knows
};

/// Where DuckDB says that no function takes these arguments: "a is text; cast it to what it means: sum(a::bigint)".
[[nodiscard]] std::string cast_hint(const MistakeInSql& mistake);

} // namespace millrace
