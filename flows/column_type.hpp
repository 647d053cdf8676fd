/// The lines of `columns:`, "decimal(9,4) null unique check (hours >= 0) references projects(id)", and DuckDB's type names.
#pragma once

#include "flows/task_options.hpp"

#include <optional>
#include <stdexcept>
#include <string>

namespace millrace {

/// A mistake in a line of `columns:`; `what()` is the sentence, `offset` and `length` are bytes of the line.
class ColumnMistake : public std::invalid_argument {
public:
    ColumnMistake(const std::string& message, std::size_t at, std::size_t bytes, std::string what_to_do = {})
        : std::invalid_argument(message), offset(at), length(bytes), hint(std::move(what_to_do)) {}

    std::size_t offset, length;
    std::string hint;
};

/// "text" -> "VARCHAR", "timestamptz" -> "TIMESTAMP WITH TIME ZONE", "decimal(9,4)" -> "DECIMAL(9,4)"; STRUCT(..), MAP(..)
/// and [] may nest. Throws ColumnMistake.
[[nodiscard]] std::string canonical_type(const std::string& text);

/// Instants, local times and dates are three types: why a value of type `from` is none of type `to` although DuckDB would cast
/// it with the zone of its session, and what to write. Nothing: it may be cast. Both as DuckDB spells them.
struct TypeMistake {
    std::string what; ///< "a local time is no instant"
    std::string hint;
};
[[nodiscard]] std::optional<TypeMistake> mixes_times(const std::string& from, const std::string& to);

/// The same for all types: why no value of type `from` ever is one of type `to`.
[[nodiscard]] std::optional<TypeMistake> contradiction(const std::string& from, const std::string& to);

/// What to write where a key column of that type, as DuckDB spells it, holds NULL.
[[nodiscard]] std::string null_key_remedy(const std::string& type);

/// Throws ColumnMistake.
[[nodiscard]] ColumnSpec parse_column(const std::string& name, const std::string& line);

/// Where the SQL of `check (..)` begins in a line that parse_column accepts; npos without one.
[[nodiscard]] std::size_t check_offset(const std::string& line);

} // namespace millrace
