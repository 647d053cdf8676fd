#include "flows/duckdb_words.hpp"

#include "flows/nearest.hpp"
#include "flows/sql_scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>
#include <vector>

namespace millrace {
namespace {

using Kind = SqlToken::Kind;

/// What a hint may look at.
struct Mistake {
    const std::string& error; ///< all that DuckDB says
    const std::string& message;
    const std::string& sql;
    std::vector<SqlToken> tokens;
    std::size_t at; ///< the token where it is; the number of tokens: at the end, or nobody knows
};

/// The one of DuckDB's candidates ("a", "b") that the name in its sentence is nearest to, else all of them.
std::string among(const std::string& message, const std::string& candidates) {
    const auto names = quoted_words(message), known = quoted_words(candidates);
    const auto near = names.empty() ? "" : nearest(names.back(), known);
    return near.empty() ? "there are " + candidates : "did you mean \"" + near + "\"?";
}

// Calls of a function with arguments of other types than it takes.

struct Call {
    std::string name;
    std::vector<std::string> arguments; ///< types, or what the SQL has
};

/// Splits at commas that stand in no brackets.
std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> parts;
    std::string part;
    int depth = 0;
    for (const char c : text) {
        depth += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
        if (c == ',' && depth == 0)
            parts.push_back(std::exchange(part, {}));
        else if (c != ' ' || !part.empty())
            part += c;
    }
    if (!part.empty()) parts.push_back(part);
    return parts;
}

/// "sum(VARCHAR) -> DOUBLE"
std::optional<Call> signature(std::string_view text) {
    const auto open = text.find('(');
    if (open == std::string_view::npos || open == 0) return std::nullopt;
    int depth = 0;
    for (std::size_t i = open; i < text.size(); ++i) {
        depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
        if (depth == 0) return Call{std::string(text.substr(0, open)), split_list(text.substr(open + 1, i - open - 1))};
    }
    return std::nullopt;
}

std::vector<Call> candidates(const std::string& error) {
    std::vector<Call> found;
    for (auto line = error.find("\n\t"); line != std::string::npos; line = error.find("\n\t", line + 1))
        if (auto call = signature(std::string_view(error).substr(line + 2, error.find('\n', line + 2) - line - 2))) found.push_back(*call);
    return found;
}

/// The call in the SQL whose name is the token `at`, with its arguments as they are written.
std::optional<Call> written_call(const Mistake& m) {
    if (m.at + 1 >= m.tokens.size() || !is_name(m.tokens[m.at]) || m.tokens[m.at + 1].text != "(") return std::nullopt;
    int depth = 0;
    for (auto i = m.at + 1; i < m.tokens.size(); ++i) {
        if (m.tokens[i].kind != Kind::Symbol) continue;
        depth += m.tokens[i].text == "(" ? 1 : m.tokens[i].text == ")" ? -1 : 0;
        if (depth > 0) continue;
        const auto from = m.tokens[m.at + 1].offset + 1;
        return Call{m.sql.substr(m.tokens[m.at].offset, m.tokens[m.at].length),
                    split_list(std::string_view(m.sql).substr(from, m.tokens[i].offset - from))};
    }
    return std::nullopt;
}

bool is_text(const std::string& type) { return type == "VARCHAR" || type == "STRING_LITERAL"; }

/// Values of `from` are taken where `to` is declared.
bool takes(const std::string& from, const std::string& to) {
    return from == to || to == "ANY" || to == "T" || (is_text(from) && is_text(to)) ||
           (from == "INTEGER_LITERAL" && to.find("INT") != std::string::npos);
}

struct CastType {
    std::string_view declared; ///< by a function
    std::string_view written;  ///< in a cast
};
/// What a value is cast to where a function takes several types: the first of these.
constexpr std::array<CastType, 8> cast_types{{{"BIGINT", "bigint"},
                                              {"DECIMAL", "decimal(18,2)"},
                                              {"DOUBLE", "double"},
                                              {"TIMESTAMP WITH TIME ZONE", "timestamptz"},
                                              {"TIMESTAMP", "timestamp"},
                                              {"DATE", "date"},
                                              {"VARCHAR", "text"},
                                              {"BOOLEAN", "boolean"}}};

const CastType* cast_type(const std::string& declared) {
    const auto* found = std::find_if(cast_types.begin(), cast_types.end(), [&](const CastType& type) { return type.declared == declared; });
    return found == cast_types.end() ? nullptr : found;
}

/// How well a candidate fits: fewer casts, then types that come first in the table. Nothing: it does not fit at all.
std::optional<std::pair<int, std::ptrdiff_t>> casts_needed(const Call& given, const Call& candidate) {
    if (candidate.name != given.name || candidate.arguments.size() != given.arguments.size()) return std::nullopt;
    int casts = 0;
    std::ptrdiff_t rank = 0;
    for (std::size_t i = 0; i < given.arguments.size(); ++i) {
        if (takes(given.arguments[i], candidate.arguments[i])) continue;
        const auto* type = cast_type(candidate.arguments[i]);
        if (type == nullptr) return std::nullopt;
        ++casts;
        rank += type - cast_types.data();
    }
    return std::pair(casts, rank);
}

const Call* nearest_candidate(const Call& given, const std::vector<Call>& all) {
    const Call* best = nullptr;
    for (const auto& candidate : all) {
        const auto casts = casts_needed(given, candidate);
        if (casts && casts->first > 0 && (best == nullptr || *casts < *casts_needed(given, *best))) best = &candidate;
    }
    return best;
}

std::string cast_of(const std::string& expression, std::string_view type) {
    const bool simple = std::all_of(expression.begin(), expression.end(), [](char c) {
        return c == '_' || c == '.' || c == '"' || (static_cast<unsigned char>(c) & 0x80) != 0 ||
               std::isalnum(static_cast<unsigned char>(c));
    });
    return simple ? fmt::format("{}::{}", expression, type) : fmt::format("({})::{}", expression, type);
}

/// "a is text, cast it to what it means: sum(a::bigint)"
std::string cast_hint(const Mistake& m) {
    constexpr std::size_t longest = 60;
    const std::string usual = "cast what is of another type than it takes, such as x::bigint, x::date";
    const auto open = m.message.find('\'');
    const auto given = open == std::string::npos ? std::nullopt : signature(std::string_view(m.message).substr(open + 1));
    auto written = written_call(m);
    if (!given || !written || written->arguments.size() != given->arguments.size()) return usual;
    const auto all = candidates(m.error);
    const auto* wanted = nearest_candidate(*given, all);
    if (wanted == nullptr) return usual;
    std::string facts;
    for (std::size_t i = 0; i < given->arguments.size(); ++i) {
        if (takes(given->arguments[i], wanted->arguments[i])) continue;
        auto& argument = written->arguments[i];
        facts += fmt::format("{}{} is {}", facts.empty() ? "" : " and ", argument.size() > longest ? "its argument" : argument,
                             is_text(given->arguments[i]) ? "text" : "of type " + given->arguments[i]);
        argument = argument.size() > longest ? "...::" + std::string(cast_type(wanted->arguments[i])->written)
                                             : cast_of(argument, cast_type(wanted->arguments[i])->written);
    }
    return fmt::format("{}; cast it to what it means: {}({})", facts, written->name, fmt::join(written->arguments, ", "));
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

std::string syntax_hint(const Mistake& m) {
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

std::string ambiguous_hint(const Mistake& m) {
    const auto names = quoted_words(m.message);
    return names.size() < 2 ? "write the table's name before it" : fmt::format("say which one: {}", names.at(1));
}

/// Other databases' functions for the time of day: DuckDB's own are no better here, for a re-run would give other rows.
std::string unknown_function_hint(const Mistake& m) {
    constexpr std::array<std::string_view, 8> clocks{"getdate", "getutcdate",   "sysdatetime", "sysutcdatetime",
                                                     "sysdate", "systimestamp", "curdate",     "curtime"};
    constexpr std::string_view before = "with name ";
    auto name = m.message.substr(m.message.find(before) + before.size());
    std::erase(name, '"');
    name = name.substr(0, name.find(' '));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (std::find(clocks.begin(), clocks.end(), name) == clocks.end()) return {};
    return "the run's time is $run_at; of the day, $run_at::date";
}

struct Row {
    std::string_view said; ///< anywhere in DuckDB's sentence
    std::string_view hint; ///< empty: `find` says it
    std::string (*find)(const Mistake&) = nullptr;
};

/// What helps beyond DuckDB's own candidates, which it goes before.
constexpr std::array<Row, 16> rows{{
    {"More than one row returned by a subquery",
     "a query in place of a value gives one row: aggregate in it, max(..), or `limit 1` behind an `order by`"},
    {"\"_item\" not found", "records carry `_item` where their extract has `for_each`"},
    {"\"_window\" not found", "records carry `_window` where their resource is read by days: see `millrace sources show`"},
    {"must appear in the GROUP BY clause", "add it to `group by`, or say which of its values is meant: any_value(..), max(..)"},
    {"No function matches the given name and argument types", "", cast_hint},
    {"Could not choose a best candidate function", "cast its arguments to what they mean, such as x::bigint, x::date"},
    {"Cannot compare values of type", "cast one side to what it means, such as x::bigint, x::date"},
    {"Cannot mix values of type", "cast them to one type, such as x::bigint, x::text"},
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
    Mistake mistake{error, words.message, sql, scan_sql(sql), 0};
    while (mistake.at < mistake.tokens.size() &&
           (offset == std::string::npos || mistake.tokens[mistake.at].offset + mistake.tokens[mistake.at].length <= offset))
        ++mistake.at;
    auto hint = row->find == nullptr ? std::string(row->hint) : row->find(mistake);
    if (!hint.empty()) words.hint = std::move(hint);
    return words;
}

} // namespace millrace
