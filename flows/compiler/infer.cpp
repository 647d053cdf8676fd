#include "flows/compiler/draft.hpp"
#include "flows/error.hpp"
#include "flows/nearest.hpp"
#include "flows/sql_scan.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

/// The item query of an extract is a task of its own in the order, so that its columns are known. No task can have this name.
std::string items_name(const std::string& task) { return task + " items"; }

std::string duckdb_type(const std::string& param_type) {
    if (param_type == "int") return "BIGINT";
    if (param_type == "decimal") return "DECIMAL(38,9)";
    if (param_type == "bool") return "BOOLEAN";
    if (param_type == "date") return "DATE";
    if (param_type == "timestamptz") return "TIMESTAMP WITH TIME ZONE";
    if (param_type == "list") return "VARCHAR[]";
    return "VARCHAR";
}

std::string quoted(const std::string& name) {
    std::string text = "\"";
    for (const char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
    return text + "\"";
}

/// Without a host: what scan_sql says, and contracts.
void guess(Draft& draft) {
    for (auto& task : draft.tasks) {
        for (const auto& piece : task.sql) {
            if (piece.label == "scope" || piece.label == "delete" || piece.label.starts_with("column ")) continue;
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
                for (const auto& column : *columns) members += (members.empty() ? "" : ", ") + quoted(column.name) + " " + column.type;
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
            if (!result.error.empty()) report(task, result, items);
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
        if (result.error.starts_with("there is no parameter $")) return;
        auto [message, hint] = split_hint(result.error);
        if (hint.empty()) hint = syntax_hint(message);
        if (message.find("\"_item\" not found") != std::string::npos) hint = "records carry `_item` where their extract has `for_each`";
        if (message.find("\"_window\" not found") != std::string::npos)
            hint = "records carry `_window` where their resource is read by days: see `millrace sources show`";
        if (const auto* other = task_without_dataset(message)) {
            message = fmt::format("'{}' is a {} task and makes no dataset", other->plan.name, to_string(other->plan.verb));
            hint = other->plan.verb == Verb::Run ? "add `output: parquet` to it" : "extract, transform and run (with output) make datasets";
        }
        if (result.error_offset < 0) return scope_.diagnostics.error(piece->node->mark, message, hint);
        const auto offset = static_cast<std::size_t>(result.error_offset);
        std::size_t length = 1;
        for (const auto& token : tokens)
            if (token.offset <= offset && offset < token.offset + token.length) {
                length = token.offset + token.length - offset;
                if (token.kind == SqlToken::Kind::Quoted && message.starts_with("Referenced column") && !hint.starts_with("did you"))
                    hint = "double quotes are for names; a text stands in single ones: '" + token.text + "'";
            }
        scope_.diagnostics.error(scope_.mark_in(*piece, offset, length), message, hint);
    }

    /// What the word or sign means at which DuckDB's parser stumbled, where other templates or a task's name explain it.
    std::string syntax_hint(const std::string& message) {
        constexpr std::string_view near = "syntax error at or near \"";
        if (!message.starts_with(near) || !message.ends_with('"')) return {};
        const auto word = message.substr(near.size(), message.size() - near.size() - 1);
        if (word == "{" || word == ":" || word == "%")
            return "SQL has no templates: a parameter is written $name, a task's table by its name";
        if (draft_.find(lower_case(word)) != nullptr)
            return fmt::format("'{}' is also a word of SQL: as a task it stands in double quotes", word);
        return {};
    }

    /// The task of "there is no task 'x' to read", when it is there after all.
    const DraftTask* task_without_dataset(const std::string& message) {
        constexpr std::string_view before = "there is no task '", after = "' to read";
        if (!message.starts_with(before) || !message.ends_with(after)) return nullptr;
        return draft_.find(message.substr(before.size(), message.size() - before.size() - after.size()));
    }

    /// "...: did you mean 'x'?" and DuckDB's "...!\nCandidate bindings: ..." -> the sentence and the hint.
    static std::pair<std::string, std::string> split_hint(const std::string& error) {
        if (const auto at = error.find(": did you mean "); at != std::string::npos) return {error.substr(0, at), error.substr(at + 2)};
        const auto line = std::min(error.find('\n'), error.size());
        auto message = error.substr(0, line);
        while (message.ends_with('!') || message.ends_with('.')) message.pop_back();
        const auto text = error.find_first_not_of('\n', line);
        auto hint = text == std::string::npos ? "" : error.substr(text, error.find('\n', text) - text);
        for (const std::string_view candidates : {"Candidate bindings: ", "Candidate Entries: ", "Candidate tables: "})
            if (hint.starts_with(candidates)) hint = among(message, hint.substr(candidates.size()));
        if (hint.find("Candidate functions:") != std::string::npos) hint.clear(); // the list itself is on further lines
        if (hint.starts_with("Did you mean")) hint = "did you mean" + hint.substr(12);
        if (message.ends_with("file system operations are disabled by configuration"))
            return {"SQL reads no files", "it reads the datasets of other tasks; a `run` task with `output` can make one of a file"};
        return {message, hint};
    }

    /// The one of DuckDB's candidates ("a", "b") that the name in its sentence is nearest to, else all of them.
    static std::string among(const std::string& message, const std::string& candidates) {
        const auto quoted_words = [](const std::string& text) {
            std::vector<std::string> found;
            for (auto open = text.find('"'); open != std::string::npos;) {
                const auto close = text.find('"', open + 1);
                if (close == std::string::npos) break;
                found.push_back(text.substr(open + 1, close - open - 1));
                open = text.find('"', close + 1);
            }
            return found;
        };
        const auto names = quoted_words(message), known = quoted_words(candidates);
        const auto near = names.empty() ? "" : nearest(names.back(), known);
        return near.empty() ? "there are " + candidates : "did you mean \"" + near + "\"?";
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
