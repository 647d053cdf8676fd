/// `scope:` of a load, understood: comparisons joined with `and`, each of a column of the target with values that need no row of
/// it: a literal, `$name`, or a cast of one. What a value is, DuckDB says. Pure.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace millrace {

struct ScopeComparison {
    std::string column;
    std::size_t offset, length;      ///< of the column in the text, in bytes
    std::string op;                  ///< = <> < <= > >= in | is null | is not null
    std::vector<std::string> values; ///< SQL: one; several for in; none for null tests
};

/// `what()` is the sentence, `offset` and `length` are bytes of the text.
class ScopeMistake : public std::invalid_argument {
public:
    ScopeMistake(const std::string& message, std::size_t at, std::size_t bytes)
        : std::invalid_argument(message), offset(at), length(bytes) {}

    std::size_t offset, length;
};

/// What to write, for whoever made a mistake.
inline constexpr const char* scope_form =
    "a scope is comparisons joined with `and` of a column with a literal, a $parameter or a cast of one, without functions and "
    "arithmetic: date >= $interval_start_date and day = $run_at::date";

/// `date >= $from and client in ('a', 'b') and "open" is not null`. Throws ScopeMistake.
[[nodiscard]] std::vector<ScopeComparison> parse_scope(const std::string& text);

} // namespace millrace
