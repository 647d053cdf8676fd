/// `scope:` of a load, understood: a conjunction of simple comparisons on columns of the target. Each target writes it in its
/// own dialect. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace millrace {

/// A literal or the value of `$name`.
struct ScopeValue {
    std::string text;
    std::string type;  ///< text | decimal | bool | date | timestamptz | list
    std::string shown; ///< "$name", or the literal as it is written
};

struct ScopeTerm {
    std::string column;
    std::string op;                 ///< = <> < <= > >= in | is null | is not null
    std::vector<ScopeValue> values; ///< one; several for in; none for null tests
};

/// `date >= $from and client in ('a', 'b') and "open" is not null`. `lookup` gives the value of a `$name`; throws for one that
/// does not exist. Throws Error{Permanent} that says what may stand in a scope.
[[nodiscard]] std::vector<ScopeTerm> parse_scope(const std::string& text, const std::function<ScopeValue(const std::string& name)>& lookup);

} // namespace millrace
