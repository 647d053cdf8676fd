/// What DuckDB says about a mistake, as data. Connections run with `errors_as_json`, so nothing is guessed from prose.
#pragma once

#include "flows/error.hpp"

#include <string>

namespace millrace::duckdb {

class QueryError : public Error {
public:
    using Error::Error;

    std::string kind;          ///< DuckDB's exception type: "Catalog", "Binder", "Conversion", ...
    int offset = -1;           ///< byte in the statement; -1: unknown
    std::string missing_table; ///< the table or view that does not exist; empty: another mistake
};

/// From the text of a DuckDB error (JSON, or prose where DuckDB fails before the connection's settings apply).
[[nodiscard]] QueryError make_query_error(const std::string& text);

/// Of SQL that no contract follows, such as a condition.
[[nodiscard]] std::string remedy_without_contract(const QueryError& e);
/// The same with the key of that SQL in front of the message.
[[nodiscard]] Error told_of(const QueryError& e, const std::string& key);

} // namespace millrace::duckdb
