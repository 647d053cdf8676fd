/// A sum of floating-point numbers varies with the order of its rows, so a load of it would find changes where there are none.
#include "flows/compiler/draft.hpp"
#include "flows/sql_scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace millrace {
namespace {

using Tokens = std::vector<SqlToken>;
using enum SqlToken::Kind;

template <std::size_t N>
bool among(const std::array<std::string_view, N>& words, const std::string& text) {
    return std::find(words.begin(), words.end(), text) != words.end();
}

constexpr std::array<std::string_view, 19> operators{
    "+", "-", "*", "(", ")", ",", "=", "<", ">", "<=", ">=", "<>", "!=", "%", "case", "when", "then", "else", "end"};
constexpr std::array<std::string_view, 11> plain_words{"distinct", "and",  "or",    "not",      "is", "in",
                                                       "null",     "true", "false", "coalesce", "abs"};
constexpr std::array<std::string_view, 4> floats{"double", "float", "real", "float8"};

bool is_symbol(const SqlToken& token, std::string_view text) { return token.kind == Symbol && token.text == text; }
int depth_of(const SqlToken& token) { return is_symbol(token, "(") ? 1 : is_symbol(token, ")") ? -1 : 0; }

bool is_float(const std::string& type) { return type == "DOUBLE" || type == "FLOAT"; }

/// The type of a field of `STRUCT(a BIGINT, "b" VARCHAR)`; empty: it has none of that name.
std::string field_type(const std::string& type, const std::string& name) {
    if (!type.starts_with("STRUCT(") || !type.ends_with(")")) return {};
    const std::string inner = type.substr(7, type.size() - 8);
    const auto tokens = scan_sql(inner);
    int depth = 0;
    for (std::size_t i = 0, begin = 0; i <= tokens.size(); ++i) {
        const bool end = i == tokens.size() || (depth == 0 && is_symbol(tokens[i], ","));
        if (!end) {
            depth += depth_of(tokens[i]);
            continue;
        }
        const auto stop = i < tokens.size() ? tokens[i].offset : inner.size();
        if (begin + 1 < i && lower_case(tokens[begin].text) == lower_case(name))
            return inner.substr(tokens[begin + 1].offset, stop - tokens[begin + 1].offset);
        begin = i + 1;
    }
    return {};
}

class SumCheck {
public:
    SumCheck(Draft& draft, CompileScope& scope) : draft_(draft), scope_(scope) {}

    void check() {
        for (const auto& task : draft_.tasks)
            if (const auto* load = std::get_if<LoadOptions>(&task.options))
                for (const auto& table : load->tables) check_task(table.task);
    }

private:
    void check_task(const std::string& name) {
        const auto* task = draft_.find(name);
        const auto* sql = task != nullptr && task->plan.verb == Verb::Transform ? task->piece("") : nullptr;
        if (sql == nullptr || !linted_.insert(name).second) return;
        for (const auto& read : task->reads) check_task(read);
        std::string column;
        for (const auto& c :
             task->contract.columns.empty() ? task->sql_columns.value_or(std::vector<InferColumn>()) : task->columns_seen().value())
            if (is_float(c.type)) column = c.name;
        const auto tokens = scan_sql(sql->sql);
        const auto sum = column.empty() ? tokens.end() : first_float_sum(*task, tokens);
        if (sum != tokens.end())
            scope_.diagnostics.warning(
                scope_.mark_in(*sql, sum->offset, sum->length),
                fmt::format(
                    "'{}' is a floating-point number beside a {}: its last digits vary from run to run, and so would the loaded rows",
                    column, sum->text),
                "cast to decimal before adding up, and give the column a decimal type");
    }

    /// One that may add floating-point numbers; what it adds is not always known.
    Tokens::const_iterator first_float_sum(const DraftTask& task, const Tokens& tokens) {
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            if (tokens[i].kind != Word || (tokens[i].text != "sum" && tokens[i].text != "avg")) continue;
            std::size_t end = i + 1;
            for (int depth = 0; end < tokens.size(); ++end)
                if ((depth += depth_of(tokens[end])) <= 0) break;
            if (!is_exact(task, tokens, i + 1, end)) return tokens.begin() + static_cast<std::ptrdiff_t>(i);
        }
        return tokens.end();
    }

    /// Integers and decimals, and what keeps them such.
    bool is_exact(const DraftTask& task, const Tokens& tokens, std::size_t from, std::size_t to) {
        for (std::size_t i = from; i < to; ++i) {
            const auto& token = tokens[i];
            if (is_symbol(token, "::")) {
                if (++i == to || among(floats, tokens[i].text)) return false;
            } else if (token.kind == Number) {
                if (token.text.find_first_of("eE") != std::string::npos) return false;
            } else if (token.kind == Parameter) {
                if (draft_.param(token.text) == nullptr) return false;
            } else if (token.kind == Quoted || (token.kind == Word && !among(operators, token.text) && !among(plain_words, token.text))) {
                std::vector<std::string> path{token.text};
                for (; i + 2 < to && is_symbol(tokens[i + 1], "."); i += 2) path.push_back(tokens[i + 2].text);
                const auto type = type_of(task, tokens, path);
                if (type.empty() || is_float(type) || (i + 1 < to && is_symbol(tokens[i + 1], "("))) return false;
            } else if (token.kind == Symbol && !among(operators, token.text)) {
                return false;
            }
        }
        return true;
    }

    /// Of a column that an upstream table has, or a field of it; empty: it may be anything.
    std::string type_of(const DraftTask& task, const Tokens& tokens, const std::vector<std::string>& path) {
        for (std::size_t i = 0; i + 1 < tokens.size(); ++i)
            if (tokens[i].kind == Word && tokens[i].text == "as" && lower_case(tokens[i + 1].text) == lower_case(path.back())) return {};
        for (const auto& read : task.reads) {
            const auto* upstream = draft_.find(read);
            for (const auto& column :
                 upstream == nullptr ? std::vector<InferColumn>() : upstream->columns_seen().value_or(std::vector<InferColumn>()))
                for (std::size_t at = 0; at < std::min<std::size_t>(path.size(), 2); ++at) { // `table.column`, or `column`
                    if (lower_case(column.name) != lower_case(path[at])) continue;
                    std::string type = column.type;
                    for (std::size_t i = at + 1; i < path.size(); ++i) type = field_type(type, path[i]);
                    if (!type.empty()) return type;
                }
        }
        return {};
    }

    Draft& draft_;
    CompileScope& scope_;
    std::set<std::string> linted_;
};

} // namespace

void check_sums(Draft& draft, CompileScope& scope) { SumCheck(draft, scope).check(); }

} // namespace millrace
