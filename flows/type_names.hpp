/// The names of types: those that a flow may write, DuckDB's own, and which of them people are told. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// "text", in lower case -> "VARCHAR"; empty for what is no name of a type. Of what has several words (`timestamp with time zone`)
/// and of what nests it knows the first.
[[nodiscard]] std::string_view duckdb_name(std::string_view word);
/// All that it knows.
[[nodiscard]] std::vector<std::string> type_names();

/// A type, as DuckDB spells it or as somebody wrote it, in the words of the reference: "text" for VARCHAR, "struct(a int, b text[])"
/// for STRUCT("a" INTEGER, b VARCHAR[]). People are told no others.
[[nodiscard]] std::string type_words(std::string_view type);
/// For a message: a long one is cut.
[[nodiscard]] std::string shown_type(std::string_view type);
/// What DuckDB says of types in a sentence: "sum(VARCHAR)" -> "sum(text)".
[[nodiscard]] std::string with_type_words(std::string_view text);

} // namespace millrace
