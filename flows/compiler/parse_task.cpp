#include "flows/compiler/draft.hpp"
#include "flows/compiler/find_verb.hpp"
#include "flows/compiler/parse_contract.hpp"
#include "flows/compiler/policies.hpp"
#include "flows/grammar/flow_tables.hpp"
#include "flows/grammar/form.hpp"
#include "flows/interval.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

/// What `defaults:` gives to every task.
struct Defaults {
    std::optional<RetryPolicy> retry; ///< nothing: by the verb
    double timeout = 0;
    std::int64_t memory_bytes = 0;
};

class TaskParser {
public:
    TaskParser(const YamlEntry& entry, const VerbRow& verb, const Defaults& defaults, Draft& draft, Diagnostics& diagnostics)
        : form_(entry.value, tables(verb), fmt::format("the {} task '{}'", to_string(verb.verb), entry.key), diagnostics), verb_(verb),
          defaults_(defaults), draft_(draft), diagnostics_(diagnostics) {
        task_.plan.name = entry.key;
        task_.plan.verb = verb.verb;
        task_.mark = entry.mark;
        task_.node = &entry.value;
        const auto* object = entry.value.find(to_string(verb.verb));
        task_.object_mark = object->value.mark;
    }

    DraftTask parse() {
        common();
        task_.makes_dataset = verb_.makes_dataset;
        switch (verb_.verb) {
        case Verb::Extract: task_.options = extract(); break;
        case Verb::Transform: task_.options = transform(); break;
        case Verb::Load: task_.options = load(); break;
        case Verb::Run: task_.options = run(); break;
        case Verb::Approve: task_.options = approve(); break;
        case Verb::Wait: task_.options = wait(); break;
        case Verb::Flow:
        case Verb::Notify: break; // refused before
        }
        if (verb_.makes_dataset) parse_contract(form_, task_, diagnostics_);
        return std::move(task_);
    }

private:
    static std::vector<const Table*> tables(const VerbRow& verb) {
        std::vector<const Table*> all{verb.table, &task_table}; // the verb first: `timeout` of an approval is its own
        if (verb.makes_dataset) all.push_back(&dataset_table);
        return all;
    }

    void common() {
        auto& plan = task_.plan;
        if (const auto* needs = form_.get("needs"))
            for (const auto* element : elements(*needs)) task_.references.push_back({element->text, element->mark, false});
        add_sql("when", "when");
        plan.when = form_.text("when");
        plan.retry = parse_retry(form_, "retry", defaults_.retry.value_or(usual_retry(verb_.verb)), diagnostics_);
        plan.timeout = verb_.verb == Verb::Approve ? 0 : parse_timeout(form_, defaults_.timeout, diagnostics_);
        plan.memory_bytes = defaults_.memory_bytes;
        if (const auto* memory = form_.get("memory")) plan.memory_bytes = parse_memory(memory->text);
        plan.limits = parse_limits(form_, draft_.limit_marks);
        plan.tags = form_.texts("tags");
        plan.continue_on_failure = form_.text("on_failure") == "continue";
    }

    void add_sql(std::string_view key, const std::string& label) {
        if (const auto* node = form_.get(key); node != nullptr && node->is_scalar()) task_.sql.push_back({label, node->text, node, 0});
    }

    void add_templates(const YamlNode* node, bool item) {
        if (node == nullptr) return;
        if (node->is_scalar()) task_.templates.push_back({node, item});
        for (const auto& element : node->items) add_templates(&element, item);
        for (const auto& entry : node->entries) add_templates(&entry.value, item);
    }

    [[nodiscard]] bool has_items() const { return form_.get("for_each") != nullptr; }

    std::optional<ForEach> for_each() {
        const auto* node = form_.get("for_each");
        if (node == nullptr) return std::nullopt;
        ForEach items;
        if (node->is_scalar()) {
            items.task = node->text;
            task_.references.push_back({node->text, node->mark, true});
        } else {
            const Form form(*node, {&for_each_table}, "`for_each`", diagnostics_);
            items.sql = form.text("sql");
            if (const auto* sql = form.get("sql")) task_.sql.push_back({"for_each", sql->text, sql, 0});
        }
        task_.for_each = items;
        return items;
    }

    int concurrency() {
        const auto number = form_.whole("concurrency");
        if (number && *number < 1)
            diagnostics_.error(form_.get("concurrency")->mark, "a concurrency of 0 lets nothing run", "give it 1 or more, or leave it out");
        return static_cast<int>(std::min<std::int64_t>(number.value_or(0), 10'000));
    }

    ExtractOptions extract() {
        ExtractOptions options;
        if (const auto* object = form_.get("extract")) {
            task_.templates.push_back({object, false});
            const auto [connection, resource] = split_object(object->text);
            options.connection = connection;
            options.resource = resource;
            if (resource.empty())
                diagnostics_.error(object->mark, fmt::format("`extract: {}` names no resource", object->text),
                                   "write CONNECTION.RESOURCE, clockify.projects for example");
        }
        add_templates(form_.get("with"), has_items());
        if (const auto* with = form_.get("with")) options.with = to_json_value(*with);
        options.for_each = for_each();
        options.concurrency = concurrency();
        options.allow_failed = form_.share("allow_failed");
        if (options.allow_failed && !options.for_each)
            diagnostics_.error(form_.key_mark("allow_failed"), "`allow_failed` counts items, and there is no `for_each`",
                               "add `for_each`, or use `on_failure: continue`");
        options.on_drift = form_.text("on_drift", "evolve");
        return options;
    }

    TransformOptions transform() {
        add_sql("transform", "");
        TransformOptions options;
        options.sql = form_.text("transform");
        return options;
    }

    LoadOptions load() {
        LoadOptions options;
        add_templates(form_.get("into"), false);
        tables_of_load(options);
        options.newest_by = form_.text("newest_by");
        name_column("newest_by", options);
        options.scope = form_.text("scope");
        add_sql("scope", "scope");
        options.max_deletes = {form_.percent("max_deletes").value_or(10), std::nullopt};
        options.create = form_.text("create", "auto") == "auto";
        options.stamp = form_.texts("stamp");
        name_column("stamp", options);
        parse_delete(options);
        check_keyed_options(options);
        return options;
    }

    /// Options that mean nothing where no row is looked for.
    void check_keyed_options(const LoadOptions& options) {
        if (!options.scope.empty() && options.delete_rule != "missing" && options.delete_rule.find("${") == std::string::npos)
            diagnostics_.warning(form_.key_mark("scope"), "`scope` bounds what `delete: missing` deletes, and nothing is deleted here",
                                 "add `delete: missing`, or remove `scope`");
        const bool keyless = !options.tables.empty() && std::all_of(options.tables.begin(), options.tables.end(), [](const LoadTable& t) {
            return t.mode == "append" || t.mode == "replace";
        });
        if (keyless && !options.newest_by.empty())
            diagnostics_.error(form_.key_mark("newest_by"),
                               fmt::format("mode {} compares no versions of a row", options.tables.front().mode),
                               "remove `newest_by`, or use mode upsert or insert_new");
    }

    /// Columns named by a key are to be found in every dataset of the load.
    void name_column(std::string_view key, const LoadOptions& options) {
        const auto* node = form_.get(key);
        if (node == nullptr || !(node->is_scalar() || node->is_list())) return;
        for (const auto* element : elements(*node)) {
            if (key == "stamp" && (element->text == "run_id" || element->text == "batch_id" || element->text == "loaded_at")) continue;
            for (const auto& table : options.tables)
                task_.columns_named.push_back({element->text, table.task, element->mark, std::string(key)});
        }
    }

    void tables_of_load(LoadOptions& options) {
        const auto* object = form_.get("load");
        const auto into = split_object(form_.text("into"));
        options.connection = into.connection;
        if (object == nullptr) return;
        if (object->is_scalar()) {
            for (const char* key : {"mode", "key"})
                if (const auto* node = form_.get(key); node != nullptr && node->is_map())
                    diagnostics_.error(node->mark, fmt::format("`{}` by table goes with `load` by table", key),
                                       fmt::format("{}: {}", key, key == std::string_view("mode") ? "upsert" : "id"));
            add_table(options, into.rest, object->text, object->mark);
            return;
        }
        if (object->entries.empty())
            diagnostics_.error(object->mark, "no table is loaded",
                               "load: {hours: hours, projects: projects}, for example: each table with its task");
        for (const auto& entry : object->entries)
            add_table(options, into.rest.empty() ? entry.key : into.rest + "." + entry.key, entry.value.text, entry.value.mark, entry.key);
        check_by_table("mode", *object);
        check_by_table("key", *object);
    }

    void add_table(LoadOptions& options, const std::string& table, const std::string& task, Mark mark, const std::string& short_name = {}) {
        task_.references.push_back({task, mark, true});
        const Mark place = form_.get("into") != nullptr ? form_.get("into")->mark : mark;
        if (std::count(table.begin(), table.end(), '.') > 1)
            diagnostics_.error(place, fmt::format("'{}' has more parts than schema and table", table), "write CONNECTION.SCHEMA.TABLE");
        else if (table.find("${") != std::string::npos)
            diagnostics_.error(place, "only the connection may be a parameter, not the schema or table", "write the table's name out");
        else if (table.find_first_of(" \t'\";()") != std::string::npos)
            diagnostics_.error(place, fmt::format("'{}' is no name of a table", table), "write it without quotes and spaces");
        else if (table.starts_with('.') || table.ends_with('.'))
            diagnostics_.error(place, fmt::format("'{}' lacks a name beside the point", table),
                               "write CONNECTION.TABLE or CONNECTION.SCHEMA.TABLE");
        LoadTable made{table, task, mode_of(short_name), key_of(short_name, task)};
        check_key(made, short_name);
        options.tables.push_back(std::move(made));
    }

    void check_key(const LoadTable& table, const std::string& short_name) {
        const auto& mode = table.mode;
        const auto* node = form_.get("key");
        const bool by_table = node != nullptr && node->is_map();
        if (mode != "insert_new" && mode != "upsert") {
            if (!mode.empty() && !table.key.empty() && !by_table)
                diagnostics_.error(form_.key_mark("key"), fmt::format("mode {} compares no keys", mode),
                                   "remove `key`, or use mode upsert or insert_new");
        } else if (form_.node().find("key") == nullptr) {
            if (!form_.lacks_by_spelling("key"))
                diagnostics_.error(form_.key_mark("mode"), fmt::format("mode {} needs `key`", mode),
                                   "the columns that identify a row: key: id");
        } else if (node != nullptr && table.key.empty()) {
            diagnostics_.error(node->mark,
                               by_table ? fmt::format("mode {} needs a key for the table '{}'", mode, short_name)
                                        : fmt::format("mode {} needs a column in `key`", mode),
                               "the columns that identify a row");
        }
    }

    /// The value of `mode` or `key` for one table, when it is given by table.
    const YamlNode* of_table(std::string_view key, const std::string& short_name) {
        const auto* node = form_.get(key);
        if (node == nullptr || !node->is_map()) return node;
        const auto* entry = node->find(short_name);
        return entry != nullptr ? &entry->value : nullptr;
    }

    std::string mode_of(const std::string& short_name) {
        const auto* node = of_table("mode", short_name);
        if (node == nullptr) return "";
        const Field* field = find_field(*verb_.table, "mode");
        const Field one{.key = "mode", .shape = Shape::Choice, .doc = field->doc, .choices = field->choices};
        const auto found = form_.get("mode")->is_map() ? mismatches(*node, one) : std::vector<Mismatch>{};
        for (const auto& [mark, message, hint] : found) diagnostics_.error(mark, message, hint);
        return found.empty() ? node->text : "";
    }

    std::vector<std::string> key_of(const std::string& short_name, const std::string& task) {
        std::vector<std::string> columns;
        const auto* node = of_table("key", short_name);
        if (node == nullptr) return columns;
        for (const auto* element : elements(*node)) {
            if (std::any_of(columns.begin(), columns.end(),
                            [&](const std::string& c) { return lower_case(c) == lower_case(element->text); }))
                diagnostics_.error(element->mark, fmt::format("the key has '{}' twice", element->text));
            columns.push_back(element->text);
            task_.columns_named.push_back({element->text, task, element->mark, "key"});
        }
        return columns;
    }

    void check_by_table(std::string_view key, const YamlNode& tables) {
        const auto* node = form_.get(key);
        if (node == nullptr || !node->is_map()) return;
        std::vector<std::string> names;
        for (const auto& entry : tables.entries) names.push_back(entry.key);
        for (const auto& entry : node->entries)
            if (tables.find(entry.key) == nullptr)
                diagnostics_.error(entry.mark, fmt::format("`{}` names the table '{}', which is not loaded here", key, entry.key),
                                   did_you_mean(entry.key, names));
        if (key == "mode")
            for (const auto& name : names)
                if (node->find(name) == nullptr)
                    diagnostics_.error(node->mark, fmt::format("`mode` says nothing about the table '{}'", name),
                                       fmt::format("add {}: upsert, for example", name));
    }

    void parse_delete(LoadOptions& options) {
        const auto* node = form_.get("delete");
        if (node == nullptr) return;
        if (node->is_map()) {
            const Form form(*node, {&delete_table}, "`delete`", diagnostics_);
            options.delete_rule = form.text("when");
            options.delete_is_sql = true;
            if (const auto* when = form.get("when")) task_.sql.push_back({"delete", when->text, when, 0});
        } else {
            options.delete_rule = node->text;
            if (node->text.find("${") != std::string::npos)
                task_.templates.push_back({node, false});
            else if (node->text != "none" && node->text != "missing")
                diagnostics_.error(node->mark, fmt::format("`delete` takes none, missing or a condition; '{}' is none of them", node->text),
                                   did_you_mean(node->text, {"none", "missing"}, "a condition is written {when: \"...\"}"));
        }
        for (const auto& table : options.tables)
            if (!table.mode.empty() && table.mode != "upsert" && options.delete_rule != "none")
                return diagnostics_.error(form_.key_mark("delete"), fmt::format("`delete` goes with mode upsert, not {}", table.mode),
                                          "rows are found by their key");
    }

    RunOptions run() {
        RunOptions options;
        if (const auto* object = form_.get("run")) {
            if (object->is_scalar())
                options.command = object->text;
            else
                options.argv = form_.texts("run");
            if (object->is_list()) add_templates(object, has_items());
            if (object->is_list() && object->items.empty())
                diagnostics_.error(object->mark, "the command is empty", "run: [program, argument, ...]");
        }
        add_templates(form_.get("env"), has_items());
        if (const auto* env = form_.get("env"))
            for (const auto& entry : env->entries) {
                if (entry.key.empty() || entry.key.find('=') != std::string::npos)
                    diagnostics_.error(entry.mark, fmt::format("'{}' is no name of an environment variable", entry.key));
                options.env[entry.key] = entry.value.text;
            }
        options.inputs = form_.texts("inputs");
        if (const auto* inputs = form_.get("inputs"))
            for (const auto* element : elements(*inputs)) task_.references.push_back({element->text, element->mark, true});
        options.output = form_.text("output", "none");
        task_.makes_dataset = options.output != "none";
        for (const char* key : {"columns", "checks", "rejects"})
            if (!task_.makes_dataset && form_.get(key) != nullptr)
                diagnostics_.error(form_.key_mark(key), fmt::format("`{}` is about a dataset, and this command makes none", key),
                                   "add `output: parquet`, csv or json");
        options.for_each = for_each();
        options.concurrency = concurrency();
        task_.plan.map_over = options.for_each;
        return options;
    }

    ApproveOptions approve() {
        add_templates(form_.get("approve"), false);
        ApproveOptions options;
        options.text = form_.text("approve");
        options.by = form_.texts("by");
        options.timeout_seconds = parse_timeout(form_, options.timeout_seconds, diagnostics_);
        options.on_timeout = form_.text("on_timeout", "cancel");
        return options;
    }

    WaitOptions wait() {
        WaitOptions options;
        if (const auto* object = form_.get("wait"); object != nullptr && object->is_map()) {
            const Form form(*object, {&wait_table}, "`wait`", diagnostics_);
            options.until = form.text("until");
            add_templates(form.get("until"), has_items());
            if (form.get("until") != nullptr && options.until.find("${") == std::string::npos) check_moment(*form.get("until"));
        } else {
            options.seconds = form_.seconds("wait");
        }
        options.for_each = for_each();
        task_.plan.map_over = options.for_each;
        return options;
    }

    void check_moment(const YamlNode& value) {
        try {
            (void)parse_date_or_instant(value.text, "UTC");
        } catch (const std::invalid_argument& e) {
            diagnostics_.error(value.mark, e.what());
        }
    }

    Form form_;
    const VerbRow& verb_;
    const Defaults& defaults_;
    Draft& draft_;
    Diagnostics& diagnostics_;
    DraftTask task_;
};

} // namespace

ConnectionObject split_object(const std::string& text) {
    const auto from = text.starts_with("${") ? std::min(text.find('}'), text.size()) : 0;
    const auto dot = text.find('.', from);
    if (dot == std::string::npos) return {text, ""};
    return {text.substr(0, dot), text.substr(dot + 1)};
}

void parse_tasks(const YamlNode& tasks, const YamlNode* defaults, Draft& draft, Diagnostics& diagnostics) {
    Defaults common;
    if (defaults != nullptr) {
        const Form form(*defaults, {&defaults_table}, "`defaults`", diagnostics);
        if (form.get("retry") != nullptr) common.retry = parse_retry(form, "retry", RetryPolicy{}, diagnostics);
        common.timeout = parse_timeout(form, 0, diagnostics);
        if (const auto* memory = form.get("memory")) common.memory_bytes = parse_memory(memory->text);
    }
    const SourceText nowhere("", "");
    Diagnostics quiet(nowhere);
    for (std::size_t i = 0; i < tasks.entries.size(); ++i) {
        const auto& entry = tasks.entries[i];
        if (const auto why = name_mistake(entry.key); !why.empty()) diagnostics.error(entry.mark, why, name_rule(entry.key));
        // Of keys that stand at the depth of their task the first one is told, and the task is not told to be empty.
        const bool follows = is_misplaced(entry) && i > 0 && is_misplaced(tasks.entries[i - 1]);
        const bool emptied = entry.value.is_null() && i + 1 < tasks.entries.size() && is_misplaced(tasks.entries[i + 1]);
        if (const auto* verb = verb_of(entry, follows || emptied ? quiet : diagnostics)) {
            draft.tasks.push_back(TaskParser(entry, *verb, common, draft, diagnostics).parse());
        } else {
            // Its name counts all the same, or every reference to it would be a mistake too.
            DraftTask unknown;
            unknown.plan.name = entry.key;
            unknown.mark = entry.mark;
            unknown.makes_dataset = true;
            draft.tasks.push_back(std::move(unknown));
        }
        draft.index.emplace(entry.key, draft.tasks.size() - 1);
        if (diagnostics.full()) return;
    }
}

} // namespace millrace
