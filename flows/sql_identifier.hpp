/// Quoting for SQL text that we write ourselves: standard double quotes, understood by PostgreSQL and DuckDB.
#pragma once

#include <string>
#include <string_view>

namespace millrace {
/// `a"b` -> `"a""b"`.
[[nodiscard]] std::string quote_identifier(std::string_view name);
/// `it's` -> `'it''s'`. The text must not contain NUL.
[[nodiscard]] std::string quote_literal(std::string_view text);
} // namespace millrace
