/// What a load may take for deleted: `delete: missing` and mode replace read it off what their dataset lacks.
#include "flows/compiler/draft.hpp"
#include "flows/substitute.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

namespace millrace {
namespace {

class DeleteCheck {
public:
    DeleteCheck(Draft& draft, CompileScope& scope) : draft_(draft), scope_(scope) {}

    void check() {
        warn_of_shared_tables();
        for (const auto& task : draft_.tasks)
            if (const auto* options = std::get_if<LoadOptions>(&task.options)) {
                const auto* rule = task.node->find("delete");
                const bool has_rule = rule != nullptr && !options->delete_is_sql && options->delete_rule != "none";
                if (has_rule) check_delete_param(*options, rule->value);
                if (has_rule && options->scope.empty()) require_scope(*options, rule->value.mark);
                warn_of_rejects(task, *options, has_rule);
                warn_of_lookback(task, *options);
            }
    }

private:
    /// Two loads of one table, of which one deletes what its dataset lacks: it lacks all that the other one brings.
    void warn_of_shared_tables() {
        std::map<std::string, const DraftTask*> loaded; // table -> the task that loads it first
        for (const auto& task : draft_.tasks) {
            const auto* options = std::get_if<LoadOptions>(&task.options);
            if (options == nullptr) continue;
            for (const auto& table : options->tables) {
                const auto [first, fresh] = loaded.emplace(options->connection + "." + table.table, &task);
                if (fresh || first->second == &task) continue;
                const auto& other = std::get<LoadOptions>(first->second->options);
                const bool deletes = takes_all(*options, table.table) || takes_all(other, table.table);
                if (!deletes || options->scope != other.scope) continue;
                scope_.diagnostics.warning(task.object_mark,
                                           fmt::format("'{}' loads {} too, and each run of one deletes what the other one brought",
                                                       first->second->plan.name, table.table),
                                           "load them as one dataset (union all by name), or give each a `scope` of its own");
            }
        }
    }

    static bool takes_all(const LoadOptions& options, const std::string& table) {
        const bool replaces = std::any_of(options.tables.begin(), options.tables.end(),
                                          [&](const LoadTable& t) { return t.table == table && t.mode == "replace"; });
        return replaces || (!options.delete_rule.empty() && options.delete_rule != "none" && !options.delete_is_sql);
    }

    /// `delete: missing` takes the dataset for all that there is. Where an extract above it is narrowed, that is true of a
    /// part of the target only, and without a scope the rest would be deleted.
    void require_scope(const LoadOptions& options, Mark mark) {
        const auto why = first_above(options, [this](const DraftTask& task) { return narrowed(task); });
        if (!why.empty()) scope_.diagnostics.error(mark, fmt::format("`delete: missing` needs a `scope`: {}", why), scope_hint(options));
    }

    /// One to paste, where the dataset has a column of a day or an instant.
    std::string scope_hint(const LoadOptions& options) {
        const std::string what = "say which rows the dataset speaks for";
        const auto* task = options.tables.empty() ? nullptr : draft_.find(options.tables.front().task);
        const auto columns = task == nullptr ? std::nullopt : task->columns_seen();
        if (!columns) return what + ": scope: date >= $interval_start_date and date < $interval_end_date, for example";
        std::vector<std::string> names;
        std::string day, instant;
        for (const auto& column : *columns) {
            names.push_back(column.name);
            if (day.empty() && column.type == "DATE") day = column.name;
            if (instant.empty() && column.type == "TIMESTAMP WITH TIME ZONE") instant = column.name;
        }
        if (draft_.plan.interval && !day.empty())
            return fmt::format("{0}: scope: {1} >= $interval_start_date and {1} < $interval_end_date", what, day);
        if (draft_.plan.interval && !instant.empty())
            return fmt::format("{0}: scope: {1} >= $interval_start and {1} < $interval_end", what, instant);
        return fmt::format("{}: scope: COLUMN = $parameter, for example, where COLUMN is one of {}", what, fmt::join(names, ", "));
    }

    void check_delete_param(const LoadOptions& options, const YamlNode& node) {
        if (options.delete_rule == "missing") return;
        std::vector<Reference> found;
        try {
            found = references(options.delete_rule);
        } catch (const std::invalid_argument&) {
            return; // reported with the templates
        }
        if (found.empty()) return;
        const auto* param = draft_.param(found[0].name);
        const auto good = [](const std::string& v) { return v == "none" || v == "missing"; };
        if (param == nullptr) return;
        if (found.size() != 1 || found[0].length != options.delete_rule.size() || param->enumeration.empty() ||
            !std::all_of(param->enumeration.begin(), param->enumeration.end(), good))
            scope_.diagnostics.error(node.mark, "`delete` may be one parameter whose `enum` holds only none and missing",
                                     fmt::format("params: {{{}: {{enum: [none, missing], default: none}}}}", found[0].name));
    }

    /// The intervals of runs overlap by it, and what one run appended is known by its whole interval.
    void warn_of_lookback(const DraftTask& task, const LoadOptions& options) {
        const auto& interval = draft_.plan.interval;
        if (!interval || interval->lookback.is_zero()) return;
        if (std::none_of(options.tables.begin(), options.tables.end(), [](const LoadTable& t) { return t.mode == "append"; })) return;
        scope_.diagnostics.warning(task.node->find("mode")->value.mark,
                                   fmt::format("each run appends the rows of its `lookback` of {} again", to_text(interval->lookback)),
                                   "use mode upsert with a key, or leave `lookback` out");
    }

    /// A rejected row is not in the dataset, and is no deleted one: such a dataset is refused when it is loaded.
    void warn_of_rejects(const DraftTask& task, const LoadOptions& options, bool deletes_missing) {
        const auto replaced =
            std::find_if(options.tables.begin(), options.tables.end(), [](const LoadTable& t) { return t.mode == "replace"; });
        if (!deletes_missing && replaced == options.tables.end()) return;
        const auto lossy = first_above(options, [](const DraftTask& above) {
            const auto& contract = above.contract;
            return contract.rejects.to != "fail" && !(contract.columns.empty() && contract.checks.empty()) ? above.plan.name : "";
        });
        if (lossy.empty()) return;
        scope_.diagnostics.warning(
            task.node->find(deletes_missing ? "delete" : "mode")->value.mark,
            fmt::format("{} refuses a dataset that lacks rejected rows, and '{}' may reject some",
                        deletes_missing ? "`delete: missing`" : "mode replace", lossy),
            fmt::format("one rejected row fails this load, since it would look like a deleted one: let '{}' fail instead, without "
                        "`rejects`, or {}",
                        lossy, deletes_missing ? "let vanished rows stay: `delete: none`" : "use mode upsert"));
    }

    /// What `says` of the first task, from the loaded ones upwards, of which it says anything.
    std::string first_above(const LoadOptions& options, const std::function<std::string(const DraftTask&)>& says) {
        std::set<std::string> seen;
        for (const auto& table : options.tables)
            if (auto text = first_above(table.task, says, seen); !text.empty()) return text;
        return {};
    }

    std::string first_above(const std::string& name, const std::function<std::string(const DraftTask&)>& says,
                            std::set<std::string>& seen) {
        const auto* task = draft_.find(name);
        if (task == nullptr || !seen.insert(name).second) return {};
        if (auto text = says(*task); !text.empty()) return text;
        auto upstream = task->reads;
        if (const auto* options = std::get_if<RunOptions>(&task->options)) upstream.insert(options->inputs.begin(), options->inputs.end());
        if (task->for_each && !task->for_each->task.empty()) upstream.insert(task->for_each->task);
        for (const auto& other : upstream)
            if (auto text = first_above(other, says, seen); !text.empty()) return text;
        return {};
    }

    /// Why what the task extracts is not all that there is, empty when it is, or is not known.
    [[nodiscard]] static std::string narrowed(const DraftTask& task) {
        const auto* options = std::get_if<ExtractOptions>(&task.options);
        if (options == nullptr || task.resource == nullptr) return {};
        if (task.resource->window) return fmt::format("'{}' reads only the days of the interval", task.plan.name);
        if (!task.resource->complete) return fmt::format("'{}' never reads everything", task.plan.name);
        for (const auto& param : task.resource->params)
            if (param.narrows && options->with.contains(param.name))
                return fmt::format("`{}` narrows what '{}' reads", param.name, task.plan.name);
        return {};
    }

    Draft& draft_;
    CompileScope& scope_;
};

} // namespace

void check_deletes(Draft& draft, CompileScope& scope) { DeleteCheck(draft, scope).check(); }

} // namespace millrace
