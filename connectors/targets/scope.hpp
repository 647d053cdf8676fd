/// `scope:` of a load with the values of its run. Each target writes it in its own dialect.
#pragma once

#include "connectors/duckdb/connection.hpp"

#include <string>
#include <vector>

namespace millrace {

struct ScopeValue {
    std::string text;
    std::string type;  ///< date | timestamptz | list | text: anything else
    std::string shown; ///< as it is written
};

struct ScopeTerm {
    std::string column;
    std::string op;                 ///< = <> < <= > >= in | is null | is not null
    std::vector<ScopeValue> values; ///< one; several for in; none for null tests
};

/// `db` is a session in the flow's zone, `values` are the run's. Throws Error for what is no scope, or has no value in this run.
[[nodiscard]] std::vector<ScopeTerm> evaluate_scope(const std::string& text, duckdb::Connection& db, const duckdb::Bindings& values);

} // namespace millrace
