#include "flows/compiler/draft.hpp"
#include "flows/nearest.hpp"
#include "flows/sql_scan.hpp"
#include "flows/substitute.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

/// DuckDB tells no column from another by case alone.
bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return lower(n) == lower(name); });
}

class ColumnCheck {
public:
    ColumnCheck(Draft& draft, CompileScope& scope) : draft_(draft), scope_(scope) {}

    void check() {
        for (auto& task : draft_.tasks) {
            if (task.sql_columns && !task.contract.columns.empty()) compare(task);
            check_item_columns(task);
        }
        for (auto& task : draft_.tasks) {
            for (const auto& reference : task.columns_named) check_named(reference);
            if (const auto* load = std::get_if<LoadOptions>(&task.options)) {
                check_scope(task, *load);
                for (const auto& table : load->tables) check_float_sums(table.task);
            }
        }
    }

private:
    /// The names that readers of a task's dataset see, when known.
    std::optional<std::vector<std::string>> columns_of(const std::string& name) {
        const auto* task = draft_.find(name);
        if (task == nullptr) return std::nullopt;
        std::vector<std::string> names;
        if (!task->contract.columns.empty()) {
            for (const auto& column : task->contract.columns) names.push_back(column.name);
            return names;
        }
        if (!task->dataset) return std::nullopt;
        for (const auto& column : *task->dataset) names.push_back(column.name);
        if (task->for_each && task->plan.verb == Verb::Extract) names.emplace_back("_item");
        return names;
    }

    /// What the SQL gives against what the contract says.
    void compare(const DraftTask& task) {
        std::vector<std::string> given, wanted;
        for (const auto& column : *task.sql_columns) given.push_back(column.name);
        for (const auto& column : task.contract.columns) wanted.push_back(column.name);
        for (const auto& name : wanted)
            if (!contains(given, name)) scope_.diagnostics.error(task.column_marks.at(name), fmt::format("the SQL gives no column '{}'", name), near_missing(name, given, wanted));
        for (const auto& name : given)
            if (!contains(wanted, name))
                scope_.diagnostics.error(task.columns_mark, fmt::format("the SQL gives the column '{}', which `columns` lacks", name), "add it there with its type, or leave it out of the select");
    }

    /// The nearest name that has no place in the contract yet; else all of those.
    static std::string near_missing(const std::string& name, const std::vector<std::string>& given, const std::vector<std::string>& wanted) {
        std::vector<std::string> spare;
        for (const auto& g : given)
            if (!contains(wanted, g)) spare.push_back(g);
        const auto near = nearest(name, spare);
        return near.empty() ? "select it, or remove it here" : "did you mean '" + near + "'?";
    }

    void check_named(const ColumnReference& reference) {
        const auto columns = columns_of(reference.task);
        if (!columns || contains(*columns, reference.column)) return check_nullable(reference);
        scope_.diagnostics.error(reference.mark, fmt::format("`{}` names the column '{}', which '{}' does not have", reference.key, reference.column, reference.task),
                                 did_you_mean(reference.column, *columns, fmt::format("its columns are {}", fmt::join(*columns, ", "))));
    }

    void check_nullable(const ColumnReference& reference) {
        const auto* task = draft_.find(reference.task);
        if (reference.key != "key" || task == nullptr) return;
        for (const auto& column : task->contract.columns)
            if (lower(column.name) == lower(reference.column) && column.nullable)
                scope_.diagnostics.warning(reference.mark, fmt::format("the key column '{}' may be NULL, and a NULL never matches: such a row is inserted again by every run", column.name), "make it a value: coalesce(..., '')");
    }

    /// `${item.x}` against the columns of the task that gives the items.
    void check_item_columns(const DraftTask& task) {
        if (!task.for_each || task.for_each->task.empty()) return;
        const auto columns = columns_of(task.for_each->task);
        if (!columns) return;
        for (const auto& text : task.templates) {
            if (!text.item) continue;
            std::vector<Reference> found;
            try {
                found = references(text.node->text);
            } catch (const std::invalid_argument&) {
                continue; // reported before
            }
            for (const auto& r : found) {
                if (!r.name.starts_with("item.")) continue;
                const auto column = r.name.substr(5, r.name.find('.', 5) - 5);
                if (contains(*columns, column)) continue;
                scope_.diagnostics.error(mark_inside(*text.node, r.offset, r.length, scope_.diagnostics.source()), fmt::format("'{}' has no column '{}'", task.for_each->task, column),
                                         did_you_mean(column, *columns, fmt::format("its columns are {}", fmt::join(*columns, ", "))));
            }
        }
    }

    /// A scope is comparisons joined with `and`: column, operator, literal or `$name`.
    void check_scope(const DraftTask& task, const LoadOptions& load) {
        const auto* piece = task.piece("scope");
        if (piece == nullptr) return;
        const auto tokens = scan_sql(piece->sql);
        const auto columns = load.tables.empty() ? std::nullopt : columns_of(load.tables.front().task);
        const auto refuse = [&](std::size_t at, const std::string& message, const std::string& hint) {
            const bool end = at >= tokens.size();
            scope_.diagnostics.error(scope_.mark_in(*piece, end ? piece->sql.size() : tokens[at].offset, end ? 1 : tokens[at].length), message, hint);
        };
        const auto is_operator = [](const SqlToken& t) { return t.text == "=" || t.text == "<" || t.text == ">" || t.text == "<=" || t.text == ">=" || t.text == "<>" || t.text == "!="; };
        constexpr const char* form = "a scope is comparisons joined with `and`: date >= $interval_start_date and date < $interval_end_date";
        for (std::size_t i = 0;; i += 4) {
            using enum SqlToken::Kind;
            if (i >= tokens.size() || (tokens[i].kind != Word && tokens[i].kind != Quoted)) return refuse(i, "a column of the target belongs here", form);
            if (i + 1 >= tokens.size() || !is_operator(tokens[i + 1])) return refuse(i + 1, "a comparison (=, <>, <, <=, >, >=) belongs here", form);
            const auto value = i + 2;
            const bool good = value < tokens.size() && (tokens[value].kind == String || tokens[value].kind == Number || tokens[value].kind == Parameter || tokens[value].kind == Reference ||
                                                        tokens[value].text == "true" || tokens[value].text == "false");
            if (!good) return refuse(value, "a literal or a $parameter belongs here", form);
            if (columns && !contains(*columns, tokens[i].text))
                refuse(i, fmt::format("`scope` names the column '{}', which '{}' does not have", tokens[i].text, load.tables.front().task), did_you_mean(tokens[i].text, *columns, fmt::format("its columns are {}", fmt::join(*columns, ", "))));
            if (i + 3 >= tokens.size()) return;
            if (tokens[i + 3].text != "and") return refuse(i + 3, "only `and` may stand here", form);
        }
    }

    /// A sum of floats varies with the order of its rows, so a load of it would find changes where there are none.
    void check_float_sums(const std::string& name) {
        const auto* task = draft_.find(name);
        const auto* sql = task != nullptr && task->plan.verb == Verb::Transform ? task->piece("") : nullptr;
        if (sql == nullptr || !linted_.insert(name).second) return;
        const auto tokens = scan_sql(sql->sql);
        const auto sum = std::find_if(tokens.begin(), tokens.end(), [](const SqlToken& t) { return t.kind == SqlToken::Kind::Word && (t.text == "sum" || t.text == "avg"); });
        if (sum == tokens.end()) return;
        const auto floating = [](const std::string& type) { return type == "DOUBLE" || type == "FLOAT"; };
        std::string column;
        for (const auto& c : task->contract.columns)
            if (floating(c.type)) column = c.name;
        if (task->contract.columns.empty() && task->sql_columns)
            for (const auto& c : *task->sql_columns)
                if (floating(c.type)) column = c.name;
        if (!column.empty())
            scope_.diagnostics.warning(scope_.mark_in(*sql, sum->offset, sum->length), fmt::format("'{}' is a floating-point number beside a {}: its last digits vary from run to run, and so would the loaded rows", column, sum->text),
                                       "cast to decimal before adding up, and give the column a decimal type");
    }

    Draft& draft_;
    CompileScope& scope_;
    std::set<std::string> linted_;
};

} // namespace

void check_columns(Draft& draft, CompileScope& scope) { ColumnCheck(draft, scope).check(); }

} // namespace millrace
