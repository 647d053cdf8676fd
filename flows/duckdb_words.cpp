#include "flows/duckdb_words.hpp"

#include "flows/duckdb_casts.hpp"
#include "flows/letters.hpp"
#include "flows/nearest.hpp"
#include "flows/sql_scan.hpp"
#include "flows/type_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace millrace {
namespace {

using Kind = SqlToken::Kind;

/// The one of DuckDB's candidates ("a", "b") that the name in its sentence is nearest to, else all of them.
std::string among(const std::string& message, const std::string& candidates) {
    const auto names = quoted_words(message), known = quoted_words(candidates);
    const auto near = names.empty() ? "" : nearest(names.back(), known);
    return near.empty() ? "there are " + candidates : "did you mean \"" + near + "\"?";
}

// Words at which DuckDB's parser stumbles.

constexpr std::array<std::string_view, 25> words_of_sql{"select", "from",  "where", "group",   "order", "having", "limit", "join", "left",
                                                        "right",  "inner", "full",  "union",   "case",  "when",   "then",  "else", "with",
                                                        "using",  "over",  "asc",   "qualify", "on",    "offset", "end"};

bool is_word_of_sql(const SqlToken& token) {
    return token.kind == Kind::Word && std::find(words_of_sql.begin(), words_of_sql.end(), token.text) != words_of_sql.end();
}

/// The word of SQL that this one was meant to be; empty: none is near.
std::string meant(const SqlToken& token) {
    if (token.kind != Kind::Word || token.text.size() < 3 || is_word_of_sql(token)) return {};
    for (const auto word : words_of_sql)
        if (word.size() > 3 && edit_distance(token.text, word) == 1) return std::string(word);
    return {};
}

std::string syntax_hint(const MistakeInSql& m) {
    const SqlToken* here = m.at < m.tokens.size() ? &m.tokens[m.at] : nullptr;
    const SqlToken* before = m.at > 0 && m.at <= m.tokens.size() ? &m.tokens[m.at - 1] : nullptr;
    if (here == nullptr) return {};
    if (here->text == "{" || here->text == ":" || here->text == "%")
        return "SQL has no templates: a parameter is written $name, a task's table by its name";
    for (const auto* token : {before, here})
        if (token != nullptr)
            if (const auto word = meant(*token); !word.empty()) return fmt::format("did you mean `{}` instead of `{}`?", word, token->text);
    if (before == nullptr) return {};
    if (before->text == "," && here->kind == Kind::Symbol) return "there is a comma too many before it";
    if ((before->text == "group" || before->text == "order") && before->kind == Kind::Word)
        return fmt::format("it is `{} by`", before->text);
    if (is_word_of_sql(*here) && (before->kind == Kind::Symbol || before->text == "by" || before->text == "as" || before->text == "select"))
        return fmt::format("'{0}' is a word of SQL: as a name it stands in double quotes, \"{0}\"", here->text);
    if (here->kind != Kind::Symbol && !is_word_of_sql(*here) && !is_word_of_sql(*before) && before->kind != Kind::Symbol)
        return "is a comma missing before it?";
    return {};
}

std::string ambiguous_hint(const MistakeInSql& m) {
    const auto names = quoted_words(m.message);
    return names.size() < 2 ? "write the table's name before it" : fmt::format("say which one: {}", names.at(1));
}

/// Other databases' functions for the time of day: DuckDB's own are no better here, for a re-run would give other rows.
std::string unknown_function_hint(const MistakeInSql& m) {
    constexpr std::array<std::string_view, 8> clocks{"getdate", "getutcdate",   "sysdatetime", "sysutcdatetime",
                                                     "sysdate", "systimestamp", "curdate",     "curtime"};
    constexpr std::string_view before = "with name ";
    auto name = lower_case(m.message.substr(m.message.find(before) + before.size()));
    std::erase(name, '"');
    name = name.substr(0, name.find(' '));
    if (std::find(clocks.begin(), clocks.end(), name) == clocks.end()) return {};
    return "the run's time is $run_at; of the day, $run_at::date";
}

struct Row {
    std::string_view said; ///< anywhere in DuckDB's sentence
    std::string_view hint; ///< empty: `find` says it
    std::string (*find)(const MistakeInSql&) = nullptr;
    bool names_types = false; ///< as DuckDB spells them
};

/// What helps beyond DuckDB's own candidates, which it goes before.
constexpr std::array<Row, 16> rows{{
    {"More than one row returned by a subquery",
     "a query in place of a value gives one row: aggregate in it, max(..), or `limit 1` behind an `order by`"},
    {"\"_item\" not found", "records carry `_item` where their extract has `for_each`"},
    {"\"_window\" not found", "records carry `_window` where their resource is read by days: see `millrace sources show`"},
    {"must appear in the GROUP BY clause", "add it to `group by`, or say which of its values is meant: any_value(..), max(..)"},
    {"No function matches the given name and argument types", "", cast_hint, true},
    {"Could not choose a best candidate function", "cast its arguments to what they mean, such as x::bigint, x::date", nullptr, true},
    {"Cannot compare values of type", "cast one side to what it means, such as x::bigint, x::date", nullptr, true},
    {"Cannot mix values of type", "cast them to one type, such as x::bigint, x::text", nullptr, true},
    {"WHERE clause cannot contain aggregates", "a condition on sum(..) or count(..) stands in `having`, behind `group by`"},
    {"WHERE clause cannot contain window functions", "a condition on row_number() over (..) stands in `qualify`"},
    {"aggregate function calls cannot be nested", "compute the inner one in a query of its own: with x as (select ..) select .. from x"},
    {"Ambiguous reference to column name", "", ambiguous_hint},
    {"Function with name ", "", unknown_function_hint},
    {"syntax error at or near", "", syntax_hint},
    {"syntax error at end of input", "it ends too early: a closing bracket or the rest of a clause is missing"},
    {"unterminated quoted", "a quote is opened and never closed; one within a text is written twice: 'it''s'"},
}};

/// "...: did you mean 'x'?" and DuckDB's "...!\nCandidate bindings: ..." -> the sentence and the hint.
SqlWords split_hint(const std::string& error) {
    if (const auto at = error.find(": did you mean "); at != std::string::npos) return {error.substr(0, at), error.substr(at + 2)};
    const auto line = std::min(error.find('\n'), error.size());
    auto message = error.substr(0, line);
    if (const auto more = message.find(". You might need to add explicit type casts"); more != std::string::npos) message.resize(more);
    while (message.ends_with('!') || message.ends_with('.')) message.pop_back();
    const auto text = error.find_first_not_of('\n', line);
    auto hint = text == std::string::npos ? "" : error.substr(text, error.find('\n', text) - text);
    for (const std::string_view found : {"Candidate bindings: ", "Candidate Entries: ", "Candidate tables: "})
        if (hint.starts_with(found)) hint = among(message, hint.substr(hint.find('"', found.size())));
    if (hint.find("Candidate functions:") != std::string::npos) hint.clear(); // the list itself is on further lines
    if (hint.find_first_not_of(" ^") == std::string::npos) hint.clear();      // a caret below a value
    if (hint.starts_with("Did you mean")) hint = "did you mean" + hint.substr(12);
    if (message.ends_with("file system operations are disabled by configuration"))
        return {"SQL reads no files", "it reads the datasets of other tasks; a `run` task with `output` can make one of a file"};
    return {message, hint};
}

} // namespace

std::vector<std::string> quoted_words(const std::string& text) {
    std::vector<std::string> found;
    for (auto open = text.find('"'); open != std::string::npos;) {
        const auto close = text.find('"', open + 1);
        if (close == std::string::npos) break;
        found.push_back(text.substr(open + 1, close - open - 1));
        open = text.find('"', close + 1);
    }
    return found;
}

SqlWords explain_duckdb(const std::string& error, const std::string& sql, std::size_t offset) {
    auto words = split_hint(error);
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return words.message.find(r.said) != std::string::npos; });
    if (row == rows.end()) return words;
    MistakeInSql mistake{error, words.message, sql, scan_sql(sql), 0};
    while (mistake.at < mistake.tokens.size() &&
           (offset == std::string::npos || mistake.tokens[mistake.at].offset + mistake.tokens[mistake.at].length <= offset))
        ++mistake.at;
    auto hint = row->find == nullptr ? std::string(row->hint) : row->find(mistake);
    if (!hint.empty()) words.hint = std::move(hint);
    if (row->names_types) words.message = with_type_words(words.message);
    return words;
}

} // namespace millrace
