#include "flows/compiler/parse_load.hpp"

#include "flows/grammar/flow_tables.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

class LoadParser {
public:
    LoadParser(const Form& form, const Table& verb_table, DraftTask& task, Diagnostics& diagnostics)
        : form_(form), verb_table_(verb_table), task_(task), diagnostics_(diagnostics) {}

    LoadOptions parse() {
        LoadOptions options;
        task_.add_templates(form_.get("into"), false);
        tables_of_load(options);
        options.newest_by = form_.text("newest_by");
        name_column("newest_by", options);
        options.scope = form_.text("scope");
        task_.add_sql("scope", form_.get("scope"));
        options.max_deletes = {form_.percent("max_deletes").value_or(10), std::nullopt};
        options.create = form_.text("create", "auto") == "auto";
        options.stamp = form_.texts("stamp");
        name_column("stamp", options);
        parse_delete(options);
        check_keyed_options(options);
        return options;
    }

private:
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
        if (const auto* inside = object->find("into"); inside != nullptr && form_.get("into") == nullptr) {
            diagnostics_.error(inside->mark, "`into` stands beside `load`, not in it",
                               "rows: {load: TASK, into: CONNECTION.TABLE, mode: upsert, key: id}");
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
            if (!form_.lacks_by_spelling("key")) task_.keys_missing.push_back({mode, table.task, form_.key_mark("mode")});
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
        const Field* field = find_field(verb_table_, "mode");
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

    const Form& form_;
    const Table& verb_table_;
    DraftTask& task_;
    Diagnostics& diagnostics_;
};

} // namespace

LoadOptions parse_load(const Form& form, const Table& verb_table, DraftTask& task, Diagnostics& diagnostics) {
    return LoadParser(form, verb_table, task, diagnostics).parse();
}

} // namespace millrace
