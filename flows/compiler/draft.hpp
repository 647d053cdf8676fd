/// A flow while it is compiled: the plan so far, and the place of everything in it. The YAML tree outlives the draft.
#pragma once

#include "flows/compile.hpp"
#include "flows/letters.hpp"
#include "flows/yaml.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace millrace {

/// One text of SQL. `label` tells it from the others of its task, in the words of InferTask::expressions.
struct SqlPiece {
    std::string label; ///< "" the transform itself; when, for_each, scope, delete, wait, "check NAME", "column NAME"
    std::string sql;
    const YamlNode* node; ///< the scalar that holds it
    std::size_t at = 0;   ///< the byte of the scalar's text where it begins

    /// Not a condition or a part of one.
    [[nodiscard]] bool is_query() const { return label.empty() || label == "for_each" || label.starts_with("check ") || is_of_a_server(); }
    /// In the SQL of a connection: it sees the tables there, none of the flow's, and the server's clock.
    [[nodiscard]] bool is_of_a_server() const { return label == "wait"; }
};

/// A task that another one names.
struct TaskReference {
    std::string task;
    Mark mark;
    bool needs_dataset; ///< false: `needs`
};

/// A text that may hold `${}`.
struct TemplateText {
    const YamlNode* node;
    bool item; ///< `${item.x}` is allowed
};

/// A column that is named outside SQL (keys, stamps), to be found in the dataset of `task`.
struct ColumnReference {
    std::string column;
    std::string task;
    Mark mark;
    std::string key; ///< where it stands: "key"
};

/// Of a load whose mode needs `key`: the hint names columns of the dataset of `task`.
struct MissingKey {
    std::string mode, task;
    Mark mark;
};

using VerbOptions =
    std::variant<std::monostate, ExtractOptions, TransformOptions, LoadOptions, RunOptions, SubflowOptions, ApproveOptions, WaitOptions>;

struct DraftTask {
    TaskPlan plan; ///< `needs` and `options` come last
    Mark mark;     ///< of its name
    const YamlNode* node = nullptr;
    VerbOptions options;
    bool makes_dataset = false;
    ContractSpec contract;
    std::map<std::string, Mark> column_marks; ///< of the contract
    Mark columns_mark;                        ///< of the key `columns`
    Mark object_mark;                         ///< of the verb's object
    std::vector<TaskReference> references;
    std::vector<SqlPiece> sql;
    std::vector<TemplateText> templates;
    std::vector<ColumnReference> columns_named;
    std::vector<MissingKey> keys_missing; ///< of a load
    std::optional<ForEach> for_each;
    const ResourceSpec* resource = nullptr; ///< of an extract, once it is found

    std::set<std::string> reads;                          ///< tasks whose tables its SQL reads
    std::optional<std::vector<InferColumn>> sql_columns;  ///< what a transform's SQL gives, when a host said so
    std::optional<std::vector<InferColumn>> dataset;      ///< the columns that readers see, when known
    std::optional<std::vector<InferColumn>> item_columns; ///< what the query of `for_each` gives, when a host said so

    /// Of a scalar; nothing for none.
    void add_sql(const std::string& label, const YamlNode* node) {
        if (node != nullptr && node->is_scalar()) sql.push_back({label, node->text, node, 0});
    }
    /// Every text in the node. `item`: they may name `${item.x}`.
    void add_templates(const YamlNode* node, bool item) {
        if (node == nullptr) return;
        if (node->is_scalar()) templates.push_back({node, item});
        for (const auto& element : node->items) add_templates(&element, item);
        for (const auto& entry : node->entries) add_templates(&entry.value, item);
    }
    /// What readers of its dataset see, when known.
    [[nodiscard]] std::optional<std::vector<InferColumn>> columns_seen() const {
        if (contract.columns.empty()) return dataset;
        std::vector<InferColumn> columns;
        for (const auto& column : contract.columns) columns.push_back({column.name, column.type});
        return columns;
    }
    [[nodiscard]] const SqlPiece* piece(const std::string& label) const {
        for (const auto& p : sql)
            if (p.label == label) return &p;
        return nullptr;
    }
};

struct Draft {
    FlowPlan plan; ///< everything but `tasks` and `sources`
    Mark name_mark;
    std::map<std::string, Mark> param_marks;
    std::vector<Mark> trigger_marks; ///< of the flows that plan.triggers name
    std::vector<SlotDemand> limits;
    std::vector<std::pair<SlotDemand, Mark>> limit_marks;             ///< of the flow, then of all tasks
    std::vector<std::pair<TemplateText, std::size_t>> param_defaults; ///< with the number of the parameters that they may use
    std::vector<DraftTask> tasks;                                     ///< in the order of the file
    std::map<std::string, std::size_t> index;                         ///< name -> place in `tasks`

    [[nodiscard]] DraftTask* find(const std::string& name) {
        const auto found = index.find(name);
        return found == index.end() ? nullptr : &tasks[found->second];
    }
    [[nodiscard]] const ParamSpec* param(const std::string& name) const {
        for (const auto& p : plan.params)
            if (p.name == name) return &p;
        return nullptr;
    }
};

/// What a step may look at.
struct CompileScope {
    const Project& project;
    const Sources& sources;
    InferencePort* inference;
    Diagnostics& diagnostics;

    /// The place of a byte of a piece of SQL.
    [[nodiscard]] Mark mark_in(const SqlPiece& piece, std::size_t offset, std::size_t length) const {
        return mark_inside(*piece.node, piece.at + offset, length, diagnostics.source());
    }
};

/// "did you mean 'x'?", or the list of what there is, or `otherwise`.
[[nodiscard]] std::string did_you_mean(const std::string& name, const std::vector<std::string>& known, const std::string& otherwise = {});

/// The steps. Each reports what it finds.
[[nodiscard]] Draft parse_flow(const YamlNode& root, Diagnostics& diagnostics);
void parse_tasks(const YamlNode& tasks, const YamlNode* defaults, Draft& draft, Diagnostics& diagnostics);
void check_references(Draft& draft, CompileScope& scope);
/// Gives every extract whose resource is known the columns of its dataset; reports nothing.
void describe_extracts(Draft& draft, const CompileScope& scope);
void check_connections(Draft& draft, CompileScope& scope);
void check_deletes(Draft& draft, CompileScope& scope);
void infer(Draft& draft, CompileScope& scope);
void check_columns(Draft& draft, CompileScope& scope);
void check_sums(Draft& draft, CompileScope& scope);
void add_limits(Draft& draft, const CompileScope& scope);
/// Fills plan.tasks.
void order_tasks(Draft& draft, CompileScope& scope);

/// How the flows of a project start each other, by name: those of the files, and those beside them.
class FlowGraph {
public:
    /// The draft outlives the graph. The first one of a name counts.
    void add(const Draft& draft);
    /// There is a file that nobody can read: what is not known may be in it.
    void add_unreadable() { incomplete_ = true; }
    /// The flows that are named exist and take what they are given, none starts itself over others, and no runs can wait for each
    /// other's slots.
    void check(const Draft& draft, Diagnostics& diagnostics) const;

private:
    void check_call(const Draft& draft, const DraftTask& task, Diagnostics& diagnostics) const;
    void check_trigger(const Draft& draft, std::size_t place, Diagnostics& diagnostics) const;
    [[nodiscard]] const Draft* known(const std::string& flow, Mark mark, Diagnostics& diagnostics) const;
    void check_round(const std::string& from, const std::string& to, Mark mark, Diagnostics& diagnostics) const;

    /// A run holds slots of `key` while it waits for some of `waited`: for its own task, or for the run of the flow `called`.
    struct Hold {
        std::string key, waited;
        const Draft* flow;
        Mark mark; ///< of the task
        std::string called;
    };
    [[nodiscard]] const Draft* waited_for(const DraftTask& task) const;
    void add_asked_for(const Draft& draft, std::set<std::string>& keys, std::set<const Draft*>& seen) const;
    [[nodiscard]] std::vector<Hold> holds_of(const Draft& draft) const;
    [[nodiscard]] static const Hold* way_back(const std::vector<Hold>& holds, const std::string& from, const std::string& to);
    void check_limit_order(const Draft& draft, Diagnostics& diagnostics) const;

    bool incomplete_ = false;
    std::map<std::string, const Draft*> drafts_;
    std::map<std::string, std::vector<std::string>> starts_; ///< flow -> those whose runs its runs start
};

/// A connection named by a verb's object. Several types when it is a parameter that may name several connections.
struct ResolvedConnection {
    std::set<std::string> types;
    bool open = false; ///< a parameter that may name any connection
};

/// "clockify.projects" -> {clockify, projects}; "${workspace}.clients" -> {${workspace}, clients}.
struct ConnectionObject {
    std::string connection;
    std::string rest;
};
[[nodiscard]] ConnectionObject split_object(const std::string& text);
/// Nothing, after an error, when it names none.
[[nodiscard]] std::optional<ResolvedConnection> resolve_connection(const std::string& connection, Mark mark, const Draft& draft,
                                                                   CompileScope& scope);

} // namespace millrace
