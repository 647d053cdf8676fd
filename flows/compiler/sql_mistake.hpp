/// A mistake in SQL of a flow, as a host tells it in DuckDB's words, in those of a flow: what is wrong, where, and what to write.
#pragma once

#include "flows/compiler/draft.hpp"
#include "flows/sql_scan.hpp"

namespace millrace {

struct SqlMistake {
    std::string message;
    std::string hint;       ///< may be empty
    std::size_t offset = 0; ///< in the SQL, in bytes
    std::size_t length = 1;
};

/// `result` has an error in `sql`, whose tokens are `tokens`.
[[nodiscard]] SqlMistake explain_sql_mistake(const InferResult& result, const std::string& sql, const std::vector<SqlToken>& tokens,
                                             Draft& draft, const CompileScope& scope);

} // namespace millrace
