#include "flows/compiler/sql_mistake.hpp"

#include "flows/duckdb_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace millrace {
namespace {

constexpr std::string_view not_grouped = "must appear in the GROUP BY clause";

/// Whether the token is an argument, however deep, of a function that makes one value of many rows.
bool is_aggregated(const std::vector<SqlToken>& tokens, std::size_t i) {
    constexpr std::array<std::string_view, 24> aggregates{
        "sum",     "count",   "min",      "max",       "avg",    "mean",   "any_value",     "first",
        "last",    "arg_max", "arg_min",  "max_by",    "min_by", "list",   "array_agg",     "string_agg",
        "bool_or", "median",  "bool_and", "histogram", "mode",   "stddev", "quantile_cont", "group_concat"};
    int depth = 0;
    while (i-- > 0) {
        if (tokens[i].text == ")") ++depth;
        if (tokens[i].text != "(" || tokens[i].kind != SqlToken::Kind::Symbol) continue;
        if (depth > 0)
            --depth;
        else if (i > 0 && std::find(aggregates.begin(), aggregates.end(), tokens[i - 1].text) != aggregates.end())
            return true;
    }
    return false;
}

/// The items of the select list that begins behind `select`, each [first, last); the last one ends where the list does.
std::vector<std::pair<std::size_t, std::size_t>> items_behind(const std::vector<SqlToken>& tokens, std::size_t select) {
    std::vector<std::pair<std::size_t, std::size_t>> items;
    int depth = 0;
    std::size_t first = select + 1;
    for (std::size_t i = first; i <= tokens.size(); ++i) {
        const bool counts = i < tokens.size() && tokens[i].kind != SqlToken::Kind::String;
        const std::string_view text = counts ? std::string_view(tokens[i].text) : std::string_view();
        depth += text == "(" ? 1 : text == ")" ? -1 : 0;
        const bool ends = i == tokens.size() || depth < 0 || (depth == 0 && text == "from");
        if (!ends && !(depth == 0 && text == ",")) continue;
        items.emplace_back(first, i);
        if (ends) break;
        first = i + 1;
    }
    return items;
}

/// Whether the `group by` behind a select list names the item: by its alias, or as it is.
bool is_grouped(const std::vector<SqlToken>& tokens, std::size_t first, std::size_t last, std::size_t list_end) {
    const auto same = [](const SqlToken& a, const SqlToken& b) {
        return is_name(a) == is_name(b) && lower_case(a.text) == lower_case(b.text);
    };
    const auto at = [&](std::size_t i) { return tokens.begin() + static_cast<std::ptrdiff_t>(i); };
    const auto group =
        std::find_if(at(list_end), tokens.end(), [](const SqlToken& t) { return t.kind == SqlToken::Kind::Word && t.text == "group"; });
    if (last - first > 2 && tokens[last - 2].text == "as") {
        if (std::any_of(group, tokens.end(), [&](const SqlToken& t) { return same(t, tokens[last - 1]); })) return true;
        last -= 2;
    }
    return std::search(group, tokens.end(), at(first), at(last), same) != tokens.end();
}

/// The column in the item of a select list that neither groups nor aggregates it.
const SqlToken* ungrouped(const std::string& column, const std::vector<SqlToken>& tokens) {
    for (std::size_t select = 0; select < tokens.size(); ++select) {
        if (tokens[select].kind != SqlToken::Kind::Word || tokens[select].text != "select") continue;
        const auto items = items_behind(tokens, select);
        for (const auto& [first, last] : items)
            for (std::size_t i = first; i < last; ++i)
                if (is_name(tokens[i]) && lower_case(tokens[i].text) == lower_case(column) && !is_aggregated(tokens, i) &&
                    !is_grouped(tokens, first, last, items.back().second))
                    return &tokens[i];
    }
    return nullptr;
}

/// Where the SQL has the name that a message without a place is about, from behind, since clauses like `having` come last; else
/// where it begins.
std::size_t place_of(const std::string& message, const std::vector<SqlToken>& tokens) {
    auto names = quoted_words(message);
    constexpr std::string_view column = "column ";
    if (names.empty() && message.starts_with(column))
        names.push_back(message.substr(column.size(), message.find(' ', column.size()) - column.size()));
    else if (!names.empty() && message.find(not_grouped) != std::string::npos)
        if (const auto* token = ungrouped(names.front(), tokens)) return token->offset;
    for (auto name = names.rbegin(); name != names.rend(); ++name)
        for (auto token = tokens.rbegin(); token != tokens.rend(); ++token)
            if (is_name(*token) && lower_case(token->text) == lower_case(*name)) return token->offset;
    return tokens.empty() ? 0 : tokens.front().offset;
}

class Explanation {
public:
    Explanation(const InferResult& result, const std::string& sql, const std::vector<SqlToken>& tokens, Draft& draft,
                const CompileScope& scope)
        : reads_(result.reads), tokens_(tokens), draft_(draft), scope_(scope) {
        const auto known = result.error_offset < 0 ? std::string::npos : static_cast<std::size_t>(result.error_offset);
        auto words = explain_duckdb(result.error, sql, known);
        mistake_.message = std::move(words.message);
        mistake_.hint = std::move(words.hint);
        mistake_.offset = known == std::string::npos ? place_of(mistake_.message, tokens) : known;
    }

    SqlMistake explain() {
        word_of_sql();
        missing_column();
        task_without_dataset();
        table_of_a_schema();
        for (const auto& token : tokens_)
            if (token.offset <= mistake_.offset && mistake_.offset < token.offset + token.length) at(token);
        return std::move(mistake_);
    }

private:
    void at(const SqlToken& token) {
        mistake_.length = token.offset + token.length - mistake_.offset;
        const bool is_column = mistake_.message.starts_with("Referenced column");
        if (token.kind == SqlToken::Kind::Quoted && is_column && !mistake_.hint.starts_with("did you"))
            mistake_.hint = "double quotes are for names; a text stands in single ones: '" + token.text + "'";
    }

    /// A task's name that is also a word of SQL.
    void word_of_sql() {
        constexpr std::string_view near = "syntax error at or near \"";
        const auto& message = mistake_.message;
        if (!message.starts_with(near) || !message.ends_with('"')) return;
        const auto word = message.substr(near.size(), message.size() - near.size() - 1);
        if (draft_.find(lower_case(word)) != nullptr)
            mistake_.hint = fmt::format("'{}' is also a word of SQL: as a task it stands in double quotes", word);
    }

    /// A column that DuckDB misses, or means, is told with the task that has it.
    void missing_column() {
        const auto& message = mistake_.message;
        const bool is_column =
            message.starts_with("Referenced column") || message.find("does not have a column named") != std::string::npos;
        if (!is_column ||
            (!mistake_.hint.starts_with("did you mean \"") && !mistake_.hint.starts_with("there are ") && !mistake_.hint.empty()))
            return;
        const auto candidates = quoted_words(mistake_.hint);
        std::string owners, listed;
        std::size_t found = 0;
        for (const auto& name : reads_) {
            const auto columns = columns_of(name);
            const auto has = [&](const std::string& candidate) {
                return std::find(columns.begin(), columns.end(), candidate) != columns.end();
            };
            found += static_cast<std::size_t>(std::count_if(candidates.begin(), candidates.end(), has));
            if (!candidates.empty() && has(candidates.front())) owners += (owners.empty() ? "" : " and ") + fmt::format("'{}'", name);
            if (!columns.empty()) listed += fmt::format("{}'{}' has {}", listed.empty() ? "" : "; ", name, shortened(columns));
        }
        if (mistake_.hint.starts_with("did you mean")) {
            if (!owners.empty()) mistake_.hint = fmt::format("did you mean \"{}\", of {}?", candidates.front(), owners);
        } else if (!listed.empty() && found >= candidates.size()) { // else the query names columns of its own
            mistake_.hint = listed;
        }
    }

    static std::string shortened(const std::vector<std::string>& names) {
        constexpr std::size_t most = 15;
        const std::vector<std::string> first(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(most, names.size())));
        return fmt::format("{}{}", fmt::join(first, ", "), names.size() > most ? fmt::format(" and {} more", names.size() - most) : "");
    }

    /// Of the dataset of a task, as far as they are known.
    [[nodiscard]] std::vector<std::string> columns_of(const std::string& task) const {
        std::vector<std::string> names;
        const auto* draft = draft_.find(task);
        if (draft == nullptr) return names;
        for (const auto& column : draft->contract.columns) names.push_back(column.name);
        if (names.empty() && draft->dataset)
            for (const auto& column : *draft->dataset) names.push_back(column.name);
        return names;
    }

    /// "there is no task 'x' to read", when it is there after all.
    void task_without_dataset() {
        constexpr std::string_view before = "there is no task '", after = "' to read";
        const auto& message = mistake_.message;
        if (!message.starts_with(before) || !message.ends_with(after)) return;
        const auto* task = draft_.find(message.substr(before.size(), message.size() - before.size() - after.size()));
        if (task == nullptr) return;
        mistake_.message = fmt::format("'{}' is a {} task and makes no dataset", task->plan.name, to_string(task->plan.verb));
        mistake_.hint =
            task->plan.verb == Verb::Run ? "add `output: parquet` to it" : "extract, transform and run (with output) make datasets";
    }

    /// `from clockify.tags`: SQL reads a connection or a schema, where there are only tasks.
    void table_of_a_schema() {
        const auto& said = mistake_.message;
        const bool no_schema = said.starts_with("Table with name ") && said.find(" because schema ") != std::string::npos;
        if (!no_schema && !(said.starts_with("Catalog ") && said.ends_with(" does not exist"))) return;
        const auto name = dotted_name();
        const auto dot = name.rfind('.');
        if (dot == std::string::npos) return;
        const auto table = name.substr(dot + 1);
        mistake_.message = fmt::format("'{}' is no task, and SQL reads the datasets of tasks", name);
        const auto connection = scope_.project.connections.find(name.substr(0, name.find('.')));
        const auto extract = std::find_if(draft_.tasks.begin(), draft_.tasks.end(), [&](const DraftTask& task) {
            const auto* options = std::get_if<ExtractOptions>(&task.options);
            return options != nullptr && options->connection + "." + options->resource == name;
        });
        if (extract != draft_.tasks.end())
            mistake_.hint = fmt::format("the task '{0}' extracts it: from {0}", extract->plan.name);
        else if (draft_.find(lower_case(table)) != nullptr)
            mistake_.hint = fmt::format("a task's name stands alone: from {}", table);
        else if (connection != scope_.project.connections.end() && scope_.sources.contains(connection->second.type))
            mistake_.hint = fmt::format("extract it in a task, {}: {{extract: {}}}, and name that task here", table, name);
        else
            mistake_.hint = "name the task that makes these rows; tables of a database are not read yet";
    }

    /// The name with points in it that begins at the mistake.
    [[nodiscard]] std::string dotted_name() const {
        auto i = static_cast<std::size_t>(
            std::find_if(tokens_.begin(), tokens_.end(), [&](const SqlToken& t) { return t.offset == mistake_.offset; }) - tokens_.begin());
        std::string name;
        for (; i < tokens_.size() && is_name(tokens_[i]) && (name.empty() || tokens_[i - 1].text == "."); i += 2)
            name += (name.empty() ? "" : ".") + tokens_[i].text;
        return name;
    }

    const std::vector<std::string>& reads_; ///< tasks
    const std::vector<SqlToken>& tokens_;
    Draft& draft_;
    const CompileScope& scope_;
    SqlMistake mistake_;
};

} // namespace

SqlMistake explain_sql_mistake(const InferResult& result, const std::string& sql, const std::vector<SqlToken>& tokens, Draft& draft,
                               const CompileScope& scope) {
    return Explanation(result, sql, tokens, draft, scope).explain();
}

} // namespace millrace
