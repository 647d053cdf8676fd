/// The little that the language knows of SQL: tokens, so that `${}` and `$name` in code are told from those in strings and
/// comments, and a guess at the tables that a query reads. The exact answer is DuckDB's (InferOrder); the guess serves
/// where no host can be asked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace {

struct SqlToken {
    enum class Kind { Word, Quoted, String, Number, Parameter, Reference, Symbol };
    Kind kind;
    std::string text;   ///< of a Word in lower case; of Quoted and String without the quotes; of Parameter without the `$`
    std::size_t offset; ///< in the SQL, in bytes
    std::size_t length;
};

/// A name, quoted or not; keywords look like names.
[[nodiscard]] inline bool is_name(const SqlToken& token) {
    return token.kind == SqlToken::Kind::Word || token.kind == SqlToken::Kind::Quoted;
}

/// Without comments. A `${}` is one Reference wherever it stands, in strings and quoted names too, because none is allowed;
/// an unclosed string or comment ends with the text.
[[nodiscard]] std::vector<SqlToken> scan_sql(std::string_view sql);

/// Where a text stops to be one query: the word that begins another kind of statement, such as `insert` or `create`, or what
/// follows a `;`. Null: nowhere.
[[nodiscard]] const SqlToken* beyond_one_query(const std::vector<SqlToken>& tokens);

/// The query as it can stand in brackets: without the `;` at its end and comments after it.
[[nodiscard]] std::string without_semicolon(const std::string& sql);

/// The unqualified names in table position: after from, join, and the commas of a from clause, and what DuckDB's pivot,
/// unpivot, describe, summarize and table read; without the names of the query's own `with`. In lower case, each once.
/// It errs on the side of too few: a table in a position that it does not know needs `needs:`.
[[nodiscard]] std::vector<std::string> tables_read(const std::vector<SqlToken>& tokens);

} // namespace millrace
