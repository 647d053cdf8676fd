#include "flows/duckdb_casts.hpp"

#include "flows/type_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

namespace millrace {
namespace {

using Kind = SqlToken::Kind;

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
std::optional<Call> written_call(const MistakeInSql& m) {
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

} // namespace

std::string cast_hint(const MistakeInSql& m) {
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
                             is_text(given->arguments[i]) ? "text" : "of type " + type_words(given->arguments[i]));
        argument = argument.size() > longest ? "...::" + std::string(cast_type(wanted->arguments[i])->written)
                                             : cast_of(argument, cast_type(wanted->arguments[i])->written);
    }
    return fmt::format("{}; cast it to what it means: {}({})", facts, written->name, fmt::join(written->arguments, ", "));
}

} // namespace millrace
