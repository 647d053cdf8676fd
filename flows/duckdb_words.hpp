/// What DuckDB says about a mistake in SQL, in words that somebody who wrote a flow can act upon. One table; pure text.
#pragma once

#include <string>
#include <vector>

namespace millrace {

struct SqlWords {
    std::string message; ///< one sentence, without a full stop
    std::string hint;    ///< what to write instead; empty: nothing is known
};

/// `error` as DuckDB says it, candidates and all; `offset` is where it is in `sql`, npos: nobody knows.
[[nodiscard]] SqlWords explain_duckdb(const std::string& error, const std::string& sql, std::size_t offset);

/// What stands between double quotes, as DuckDB writes names.
[[nodiscard]] std::vector<std::string> quoted_words(const std::string& text);

} // namespace millrace
