#include "flows/column_type.hpp"
#include "flows/compiler/draft.hpp"
#include "flows/compiler/likely_key.hpp"
#include "flows/nearest.hpp"
#include "flows/scope.hpp"
#include "flows/sql_scan.hpp"
#include "flows/substitute.hpp"
#include "flows/type_names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return lower_case(n) == lower_case(name); });
}

class ColumnCheck {
public:
    ColumnCheck(Draft& draft, CompileScope& scope) : draft_(draft), scope_(scope) {}

    void check() {
        for (auto& task : draft_.tasks) {
            if (task.sql_columns) check_names(task);
            if (task.sql_columns && !task.contract.columns.empty()) compare(task);
            check_item_columns(task);
            warn_of_coarser_step(task);
        }
        for (auto& task : draft_.tasks) {
            for (const auto& reference : task.columns_named) check_named(reference);
            for (const auto& missing : task.keys_missing) report(missing);
            if (const auto* load = std::get_if<LoadOptions>(&task.options)) {
                check_scope(task, *load);
                if (!load->newest_by.empty()) warn_of_unique(*load);
            }
        }
    }

private:
    static std::optional<std::vector<std::string>> names_of(const std::optional<std::vector<InferColumn>>& columns) {
        if (!columns) return std::nullopt;
        std::vector<std::string> names;
        for (const auto& column : *columns) names.push_back(column.name);
        return names;
    }

    /// The names that readers of a task's dataset see, when known.
    std::optional<std::vector<std::string>> columns_of(const std::string& name) {
        const auto* task = draft_.find(name);
        if (task == nullptr) return std::nullopt;
        auto names = names_of(task->columns_seen());
        if (names && task->contract.columns.empty() && task->for_each && task->plan.verb == Verb::Extract) names->emplace_back("_item");
        return names;
    }

    /// A dataset's columns are told apart by their names.
    void check_names(const DraftTask& task) {
        std::set<std::string> seen;
        for (const auto& column : *task.sql_columns)
            if (!seen.insert(lower_case(column.name)).second)
                scope_.diagnostics.error(task.object_mark, fmt::format("the SQL gives two columns called '{}'", column.name),
                                         "give one of them another name with `as`, or leave it out");
    }

    /// What the SQL gives against what the contract says.
    void compare(const DraftTask& task) {
        std::vector<std::string> given, wanted;
        for (const auto& column : *task.sql_columns) given.push_back(column.name);
        for (const auto& column : task.contract.columns) wanted.push_back(column.name);
        for (const auto& name : wanted)
            if (!contains(given, name))
                scope_.diagnostics.error(task.column_marks.at(name), fmt::format("the SQL gives no column '{}'", name),
                                         near_missing(name, given, wanted));
        for (const auto& column : task.contract.columns)
            for (const auto& source : *task.sql_columns)
                if (lower_case(source.name) == lower_case(column.name)) {
                    warn_of_rounding(task, source, column);
                    if (const auto mistake = contradiction(source.type, column.type))
                        scope_.diagnostics.error(
                            task.column_marks.at(column.name),
                            fmt::format("the SQL gives '{}' as {}: {}", column.name, shown_type(source.type), mistake->what),
                            mistake->hint);
                }
        std::erase_if(given, [&](const std::string& name) { return contains(wanted, name); });
        if (given.size() == 1)
            scope_.diagnostics.error(task.columns_mark, fmt::format("the SQL gives the column '{}', which `columns` lacks", given[0]),
                                     "add it there with its type, or leave it out of the select");
        if (given.size() < 2) return;
        constexpr std::size_t most_named = 6; // of a `select *`
        const auto count = given.size();
        given.resize(std::min(count, most_named));
        scope_.diagnostics.error(task.columns_mark,
                                 fmt::format("the SQL gives {} columns that `columns` lacks: {}{}", count, fmt::join(given, ", "),
                                             count > most_named ? ", ..." : ""),
                                 "add them there with their types, or select only what is wanted");
    }

    /// A contract never rounds: what a division leaves behind the point is rejected when the task runs.
    void warn_of_rounding(const DraftTask& task, const InferColumn& source, const ColumnSpec& column) {
        if ((source.type != "DOUBLE" && source.type != "FLOAT") || !column.type.starts_with("DECIMAL")) return;
        const auto tokens = scan_sql(task.piece("")->sql);
        if (std::any_of(tokens.begin(), tokens.end(), [](const SqlToken& t) {
                return t.kind == SqlToken::Kind::Word && (t.text == "round" || t.text == "trunc" || t.text == "floor" || t.text == "ceil");
            }))
            return;
        const auto comma = column.type.find(',');
        const auto scale = comma == std::string::npos ? "0" : column.type.substr(comma + 1, column.type.find(')') - comma - 1);
        scope_.diagnostics.warning(task.column_marks.at(column.name),
                                   fmt::format("the SQL gives '{}' as {}, and a value with more digits than {} holds is rejected",
                                               column.name, type_words(source.type), type_words(column.type)),
                                   fmt::format("write round(..., {}) as {} in the SQL", scale, column.name));
    }

    /// Of several rows of one key the contract keeps the first, before `newest_by` can look for the newest.
    void warn_of_unique(const LoadOptions& load) {
        for (const auto& table : load.tables) {
            const auto* task = draft_.find(table.task);
            if (task == nullptr || table.key.size() != 1) continue;
            for (const auto& column : task->contract.columns)
                if (column.unique && lower_case(column.name) == lower_case(table.key[0]))
                    scope_.diagnostics.warning(task->column_marks.at(column.name),
                                               fmt::format("`unique` rejects all rows but the first of each '{}', so `newest_by: {}` of "
                                                           "the load finds nothing to choose from",
                                                           column.name, load.newest_by),
                                               "leave `unique` out: the load writes one row of each key in any case");
        }
    }

    /// A sum over a month, of an interval of days: the run at its edge would replace the whole by a part.
    void warn_of_coarser_step(const DraftTask& task) {
        const auto* piece = task.piece("");
        if (task.plan.verb != Verb::Transform || piece == nullptr || !draft_.plan.interval || !some_load_replaces()) return;
        const Span every = draft_.plan.interval->every;
        const std::int64_t step = every.months * 28 + every.days; // days, at least
        const auto tokens = scan_sql(piece->sql);
        if (std::none_of(tokens.begin(), tokens.end(),
                         [](const SqlToken& t) { return t.kind == SqlToken::Kind::Word && t.text == "group"; }))
            return;
        for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
            const auto& unit = tokens[i + 2];
            if (tokens[i].text != "date_trunc" || tokens[i + 1].text != "(" || unit.kind != SqlToken::Kind::String) continue;
            const std::map<std::string, std::pair<std::int64_t, const char*>> units{
                {"week", {7, "7d"}}, {"month", {28, "1mo"}}, {"quarter", {84, "3mo"}}, {"year", {336, "1y"}}};
            const auto coarse = units.find(lower_case(unit.text));
            if (coarse == units.end() || step >= coarse->second.first) continue;
            scope_.diagnostics.warning(
                scope_.mark_in(*piece, unit.offset, unit.length),
                fmt::format("this groups by {}, and the interval's `every` is {}: a run whose interval holds only a part of a {} replaces "
                            "the rows of the whole",
                            coarse->first, to_text(every), coarse->first),
                fmt::format("write every: {}, or group by what lies within a step", coarse->second.second));
            return;
        }
    }

    [[nodiscard]] bool some_load_replaces() const {
        return std::any_of(draft_.tasks.begin(), draft_.tasks.end(), [](const DraftTask& task) {
            const auto* load = std::get_if<LoadOptions>(&task.options);
            return load != nullptr && replaces_rows(*load);
        });
    }

    /// The nearest name that has no place in the contract yet; else all of those.
    static std::string near_missing(const std::string& name, const std::vector<std::string>& given,
                                    const std::vector<std::string>& wanted) {
        std::vector<std::string> spare;
        for (const auto& g : given)
            if (!contains(wanted, g)) spare.push_back(g);
        const auto near = nearest(name, spare);
        return near.empty() ? "select it, or remove it here" : "did you mean '" + near + "'?";
    }

    void check_named(const ColumnReference& reference) {
        const auto columns = columns_of(reference.task);
        if (!columns || contains(*columns, reference.column)) return check_nullable(reference);
        if (reference.column.find(',') != std::string::npos)
            return scope_.diagnostics.error(reference.mark, fmt::format("`{}: {}` is one name", reference.key, reference.column),
                                            fmt::format("several columns are a list: {}: [{}]", reference.key, reference.column));
        scope_.diagnostics.error(
            reference.mark,
            fmt::format("`{}` names the column '{}', which '{}' does not have", reference.key, reference.column, reference.task),
            did_you_mean(reference.column, *columns, fmt::format("its columns are {}", fmt::join(*columns, ", "))));
    }

    void report(const MissingKey& missing) {
        const auto* task = draft_.find(missing.task);
        const auto columns = columns_of(missing.task);
        const auto key = task == nullptr ? std::vector<std::string>() : likely_key(*task);
        const auto hint = key.size() == 1 ? "key: " + key[0]
                          : !key.empty()  ? fmt::format("key: [{}]", fmt::join(key, ", "))
                          : !columns      ? "key: id, for example"
                                          : fmt::format("key: [..], of {}", fmt::join(*columns, ", "));
        scope_.diagnostics.error(missing.mark, fmt::format("mode {} needs `key`", missing.mode),
                                 "the columns that identify a row: " + hint);
    }

    void check_nullable(const ColumnReference& reference) {
        const auto* task = draft_.find(reference.task);
        if (reference.key != "key" || task == nullptr) return;
        for (const auto& column : task->contract.columns)
            if (lower_case(column.name) == lower_case(reference.column) && column.nullable)
                scope_.diagnostics.warning(reference.mark,
                                           fmt::format("the key column '{}' may be NULL: NULL counts as one value, and a new table gets a "
                                                       "unique index for its key instead of a primary key",
                                                       column.name),
                                           null_key_remedy(column.type));
    }

    /// `${item.x}` against the columns of the task that gives the items.
    void check_item_columns(const DraftTask& task) {
        if (!task.for_each) return;
        const bool by_query = task.for_each->task.empty();
        const auto columns = by_query ? names_of(task.item_columns) : columns_of(task.for_each->task);
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
                scope_.diagnostics.error(
                    mark_inside(*text.node, r.offset, r.length, scope_.diagnostics.source()),
                    fmt::format("{} has no column '{}'", by_query ? "the query of `for_each`" : "'" + task.for_each->task + "'", column),
                    did_you_mean(column, *columns, fmt::format("its columns are {}", fmt::join(*columns, ", "))));
            }
        }
    }

    void check_scope(const DraftTask& task, const LoadOptions& load) {
        const auto* piece = task.piece("scope");
        if (piece == nullptr) return;
        try {
            for (const auto& comparison : parse_scope(piece->sql))
                for (const auto& table : load.tables)
                    if (const auto columns = columns_of(table.task); columns && !contains(*columns, comparison.column))
                        scope_.diagnostics.error(
                            scope_.mark_in(*piece, comparison.offset, comparison.length),
                            fmt::format("`scope` names the column '{}', which '{}' does not have", comparison.column, table.task),
                            did_you_mean(comparison.column, *columns, fmt::format("its columns are {}", fmt::join(*columns, ", "))));
            warn_of_no_value(*piece);
        } catch (const ScopeMistake& e) {
            scope_.diagnostics.error(scope_.mark_in(*piece, e.offset, e.length), e.what(), scope_form);
        }
    }

    /// What the dataset speaks for cannot be left open.
    void warn_of_no_value(const SqlPiece& piece) {
        for (const auto& token : scan_sql(piece.sql)) {
            const auto* param = token.kind == SqlToken::Kind::Parameter ? draft_.param(token.text) : nullptr;
            if (param != nullptr && param->default_value.is_null() && !param->required)
                scope_.diagnostics.warning(scope_.mark_in(piece, token.offset, token.length),
                                           fmt::format("the parameter '{}' may have no value, and then this load fails", param->name),
                                           "give it a `default`, or `required: true`");
        }
    }

    Draft& draft_;
    CompileScope& scope_;
};

} // namespace

void check_columns(Draft& draft, CompileScope& scope) { ColumnCheck(draft, scope).check(); }

} // namespace millrace
