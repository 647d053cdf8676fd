#include "flows/compiler/draft.hpp"
#include "flows/compiler/sql_mistake.hpp"
#include "flows/decimal_param.hpp"
#include "flows/error.hpp"
#include "flows/sql_identifier.hpp"
#include "flows/sql_scan.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

/// The item query of an extract is a task of its own in the order, so that its columns are known. No task can have this name.
std::string items_name(const std::string& task) { return task + " items"; }

std::string duckdb_type(const std::string& param_type) {
    if (param_type == "int") return "BIGINT";
    if (param_type == "decimal") return fmt::format("DECIMAL({},{})", decimal_param_width, decimal_param_scale);
    if (param_type == "bool") return "BOOLEAN";
    if (param_type == "date") return "DATE";
    if (param_type == "timestamptz") return "TIMESTAMP WITH TIME ZONE";
    if (param_type == "list") return "VARCHAR[]";
    return "VARCHAR";
}

/// Without a host: what scan_sql says, and contracts.
void guess(Draft& draft) {
    for (auto& task : draft.tasks) {
        for (const auto& piece : task.sql) {
            if (piece.label == "scope" || piece.label == "delete" || piece.label.starts_with("column ") || piece.is_of_a_server()) continue;
            const auto tables = tables_read(scan_sql(piece.sql));
            for (const auto& table : tables)
                if (table != task.plan.name && draft.index.contains(table)) task.reads.insert(table);
        }
    }
}

class Inference {
public:
    Inference(Draft& draft, CompileScope& scope) : draft_(draft), scope_(scope) {}

    /// The schema of an extract's `_item` is what its items turn out to be, so the host is asked again while that says more.
    void run() {
        InferReply reply;
        for (std::size_t round = 0, before = std::string::npos; round < draft_.tasks.size() + 1 && items_.size() != before; ++round) {
            before = items_.size();
            reply = scope_.inference->infer(order());
            learn_items(reply);
        }
        for (auto& task : draft_.tasks) apply(task, reply);
        for (auto& task : draft_.tasks) // when the columns of all are known
            for (const auto& result : reply.tasks)
                if (!result.error.empty() && (result.name == task.plan.name || result.name == items_name(task.plan.name)))
                    report(task, result, result.name != task.plan.name);
    }

private:
    InferOrder order() {
        InferOrder order;
        for (const auto& param : draft_.plan.params) order.bindings[param.name] = duckdb_type(param.type);
        order.bindings["run_at"] = "TIMESTAMP WITH TIME ZONE";
        if (draft_.plan.interval)
            for (const char* name : {"interval_start", "interval_end"}) {
                order.bindings[name] = "TIMESTAMP WITH TIME ZONE";
                order.bindings[std::string(name) + "_date"] = "DATE";
            }
        for (const auto& task : draft_.tasks) {
            if (task.makes_dataset || task.piece("when") != nullptr || task.piece("for_each") != nullptr)
                order.tasks.push_back(infer_task(task));
            if (const auto* items = task.piece("for_each")) order.tasks.push_back({items_name(task.plan.name), items->sql, {}, true, {}});
        }
        add_deletes(order);
        return order;
    }

    InferTask infer_task(const DraftTask& task) const {
        InferTask infer{task.plan.name, "", {}, true, {}};
        if (const auto* sql = task.piece("")) infer.sql = sql->sql;
        for (const auto& piece : task.sql)
            if (piece.label == "when" || piece.label.starts_with("check ") || piece.label.starts_with("column "))
                infer.expressions[piece.label] = piece.sql;
        for (const auto& column : task.contract.columns) infer.columns.push_back({column.name, column.type});
        if (!infer.columns.empty() || !infer.sql.empty()) return infer;
        const auto item = items_.find(task.plan.name);
        infer.schema_known = task.dataset.has_value() && (!task.for_each || item != items_.end());
        if (infer.schema_known) infer.columns = *task.dataset;
        if (infer.schema_known && item != items_.end()) infer.columns.push_back({"_item", item->second});
        return infer;
    }

    /// The condition of a delete is over the row of each dataset that is loaded, so it is prepared with those.
    void add_deletes(InferOrder& order) const {
        for (const auto& task : draft_.tasks) {
            const auto* load = std::get_if<LoadOptions>(&task.options);
            const auto* piece = task.piece("delete");
            if (load == nullptr || piece == nullptr) continue;
            for (auto& other : order.tasks)
                if (std::any_of(load->tables.begin(), load->tables.end(), [&](const LoadTable& t) { return t.task == other.name; }))
                    other.expressions["column delete of " + task.plan.name] = piece->sql;
        }
    }

    void learn_items(const InferReply& reply) {
        for (const auto& task : draft_.tasks) {
            if (!task.for_each || items_.contains(task.plan.name) || task.plan.verb != Verb::Extract) continue;
            const auto source = task.for_each->task.empty() ? items_name(task.plan.name) : task.for_each->task;
            for (const auto& result : reply.tasks) {
                if (result.name != source) continue;
                const auto columns = visible(source, result);
                if (!columns) continue;
                std::string members;
                for (const auto& column : *columns)
                    members += (members.empty() ? "" : ", ") + quote_identifier(column.name) + " " + column.type;
                items_[task.plan.name] = "STRUCT(" + members + ")";
            }
        }
    }

    /// The columns that readers of a result see.
    std::optional<std::vector<InferColumn>> visible(const std::string& name, const InferResult& result) {
        if (const auto* task = draft_.find(name); task != nullptr && !task->contract.columns.empty()) {
            std::vector<InferColumn> columns;
            for (const auto& column : task->contract.columns) columns.push_back({column.name, column.type});
            return columns;
        }
        if (!result.schema_known || result.columns.empty()) return std::nullopt;
        return result.columns;
    }

    void apply(DraftTask& task, const InferReply& reply) {
        for (const auto& result : reply.tasks) {
            const bool items = result.name == items_name(task.plan.name);
            if (result.name != task.plan.name && !items) continue;
            for (const auto& read : result.reads)
                if (draft_.find(read) != nullptr && read != task.plan.name) task.reads.insert(read);
            if (items && std::find(result.reads.begin(), result.reads.end(), task.plan.name) != result.reads.end())
                scope_.diagnostics.error(task.piece("for_each")->node->mark,
                                         fmt::format("the items of '{}' come from '{}' itself", task.plan.name, task.plan.name),
                                         "name another task");
            const bool prepared = result.error.empty() || !result.expression.empty();
            if (!result.schema_known || !prepared) continue;
            if (items) {
                task.item_columns = result.columns;
                continue;
            }
            if (task.piece("") != nullptr) task.sql_columns = result.columns;
            if (task.makes_dataset) task.dataset = result.columns;
        }
    }

    void report(DraftTask& task, const InferResult& result, bool items) {
        auto label = items ? std::string("for_each") : result.expression;
        const DraftTask* owner = &task;
        constexpr std::string_view of_load = "column delete of ";
        if (label.starts_with(of_load)) {
            owner = draft_.find(label.substr(of_load.size()));
            label = "delete";
        }
        const auto* piece = owner->piece(label);
        if (piece == nullptr) return scope_.diagnostics.error(task.mark, fmt::format("'{}': {}", task.plan.name, result.error));
        // What the references check has already said in better words.
        const auto tokens = scan_sql(piece->sql);
        if (std::any_of(tokens.begin(), tokens.end(), [](const SqlToken& t) { return t.kind == SqlToken::Kind::Reference; })) return;
        if (result.error.starts_with("there is no parameter $") || (piece->is_query() && beyond_one_query(tokens) != nullptr)) return;
        const auto mistake = explain_sql_mistake(result, piece->sql, tokens, draft_, scope_);
        scope_.diagnostics.error(scope_.mark_in(*piece, mistake.offset, mistake.length), mistake.message, mistake.hint);
    }

    Draft& draft_;
    CompileScope& scope_;
    std::map<std::string, std::string> items_; ///< task -> type of its `_item`
};

} // namespace

void infer(Draft& draft, CompileScope& scope) {
    guess(draft);
    if (scope.inference == nullptr) return;
    const auto guessed = [&] {
        std::vector<std::set<std::string>> all;
        for (auto& task : draft.tasks) all.push_back(std::exchange(task.reads, {}));
        return all;
    }();
    try {
        Inference(draft, scope).run();
    } catch (const Error& e) {
        for (std::size_t i = 0; i < guessed.size(); ++i) draft.tasks[i].reads = guessed[i];
        scope.diagnostics.error({}, std::string("the SQL could not be checked: ") + e.what(), e.remedy);
    }
}

} // namespace millrace
