#include "flows/compiler/likely_key.hpp"

#include "flows/sql_scan.hpp"

#include <algorithm>
#include <cstdlib>

namespace millrace {
namespace {

using Tokens = std::vector<SqlToken>;

bool is_symbol(const SqlToken& token, const char* text) { return token.kind == SqlToken::Kind::Symbol && token.text == text; }
bool is_word(const SqlToken& token, const char* text) { return token.kind == SqlToken::Kind::Word && token.text == text; }

/// The tokens behind `group by`, where there is one outside of brackets.
std::optional<Tokens> grouping(const Tokens& tokens) {
    constexpr const char* after[] = {"having", "window", "qualify", "order", "limit", "union", "except", "intersect"};
    std::optional<Tokens> found;
    int depth = 0;
    bool inside = false;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        depth += is_symbol(tokens[i], "(") ? 1 : is_symbol(tokens[i], ")") ? -1 : 0;
        if (depth == 0 && std::any_of(std::begin(after), std::end(after), [&](const char* word) { return is_word(tokens[i], word); }))
            inside = false;
        if (inside) found->push_back(tokens[i]);
        if (depth == 0 && is_word(tokens[i], "group") && i + 1 < tokens.size() && is_word(tokens[i + 1], "by")) {
            found = Tokens();
            inside = true;
            ++i;
        }
    }
    return found;
}

/// One item of a grouping, a name or its number, as a column; empty: it is something else.
std::string column_of(const Tokens& item, const std::vector<InferColumn>& columns) {
    if (item.size() == 1 && item[0].kind == SqlToken::Kind::Number) {
        const auto place = std::strtoul(item[0].text.c_str(), nullptr, 10);
        return place >= 1 && place <= columns.size() ? columns[place - 1].name : "";
    }
    const bool plain = item.size() == 1 || (item.size() == 3 && is_symbol(item[1], "."));
    if (!plain) return {};
    const auto found = std::find_if(columns.begin(), columns.end(),
                                    [&](const InferColumn& c) { return lower_case(c.name) == lower_case(item.back().text); });
    return found == columns.end() ? "" : found->name;
}

std::vector<std::string> columns_of(const Tokens& grouped, const std::vector<InferColumn>& columns) {
    std::vector<std::string> out;
    Tokens item;
    for (std::size_t i = 0; i <= grouped.size(); ++i) {
        if (i < grouped.size() && !is_symbol(grouped[i], ",") && !is_symbol(grouped[i], ";")) {
            item.push_back(grouped[i]);
            continue;
        }
        if (i == grouped.size() && item.empty()) break;
        const auto column = column_of(item, columns);
        if (column.empty()) return {};
        out.push_back(column);
        item.clear();
    }
    return out;
}

} // namespace

std::vector<std::string> likely_key(const DraftTask& task) {
    for (const auto& column : task.contract.columns)
        if (column.unique) return {column.name};
    const auto columns = task.columns_seen().value_or(std::vector<InferColumn>());
    if (const auto* sql = task.plan.verb == Verb::Transform ? task.piece("") : nullptr)
        if (const auto grouped = grouping(scan_sql(sql->sql))) return columns_of(*grouped, task.sql_columns.value_or(columns));
    const auto has = [&](const std::string& name) {
        return std::any_of(columns.begin(), columns.end(), [&](const InferColumn& c) { return c.name == name; });
    };
    if (task.resource != nullptr && !task.for_each && !task.resource->key.empty() &&
        std::all_of(task.resource->key.begin(), task.resource->key.end(), has))
        return task.resource->key;
    return has("id") ? std::vector<std::string>{"id"} : std::vector<std::string>();
}

} // namespace millrace
