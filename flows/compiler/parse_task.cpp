#include "flows/compiler/draft.hpp"
#include "flows/compiler/find_verb.hpp"
#include "flows/compiler/parse_contract.hpp"
#include "flows/compiler/parse_load.hpp"
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
        case Verb::Load: task_.options = parse_load(form_, *verb_.table, task_, diagnostics_); break;
        case Verb::Run: task_.options = run(); break;
        case Verb::Approve: task_.options = approve(); break;
        case Verb::Wait: task_.options = wait(); break;
        case Verb::Flow: task_.options = flow(); break;
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
        task_.add_sql("when", form_.get("when"));
        plan.when = form_.text("when");
        plan.retry = parse_retry(form_, "retry", defaults_.retry.value_or(usual_retry(verb_.verb)), diagnostics_);
        plan.retry.charges_lost = verb_.verb == Verb::Run && (form_.get("retry") != nullptr || defaults_.retry);
        plan.timeout = verb_.verb == Verb::Approve ? 0 : parse_timeout(form_, defaults_.timeout, diagnostics_);
        plan.memory_bytes = defaults_.memory_bytes;
        if (const auto* memory = form_.get("memory")) plan.memory_bytes = parse_memory(memory->text);
        plan.limits = parse_limits(form_, draft_.limit_marks);
        plan.tags = form_.texts("tags");
        plan.continue_on_failure = form_.text("on_failure") == "continue";
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

    std::optional<Share> allow_failed() {
        auto share = form_.share("allow_failed");
        if (share && !has_items())
            diagnostics_.error(form_.key_mark("allow_failed"), "`allow_failed` counts items, and there is no `for_each`",
                               "add `for_each`, or use `on_failure: continue`");
        return share;
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
        task_.add_templates(form_.get("with"), has_items());
        if (const auto* with = form_.get("with")) options.with = to_json_value(*with);
        options.for_each = for_each();
        options.concurrency = concurrency();
        options.allow_failed = allow_failed();
        options.on_drift = form_.text("on_drift", "evolve");
        return options;
    }

    TransformOptions transform() {
        task_.add_sql("", form_.get("transform"));
        TransformOptions options;
        options.sql = form_.text("transform");
        return options;
    }

    RunOptions run() {
        RunOptions options;
        if (const auto* object = form_.get("run")) {
            if (object->is_scalar())
                options.command = object->text;
            else
                options.argv = form_.texts("run");
            if (object->is_list()) task_.add_templates(object, has_items());
            if (object->is_list() && object->items.empty())
                diagnostics_.error(object->mark, "the command is empty", "run: [program, argument, ...]");
        }
        task_.add_templates(form_.get("env"), has_items());
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

    SubflowOptions flow() {
        SubflowOptions options;
        options.flow = form_.text("flow");
        task_.add_templates(form_.get("with"), has_items());
        if (const auto* with = form_.get("with")) options.with = to_json_value(*with);
        options.for_each = for_each();
        options.concurrency = concurrency();
        options.detach = form_.flag("detach", false);
        options.allow_failed = allow_failed();
        task_.plan.map_over = options.for_each;
        return options;
    }

    ApproveOptions approve() {
        task_.add_templates(form_.get("approve"), false);
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
            task_.add_templates(form.get("until"), has_items());
            if (form.get("until") != nullptr && options.until.find("${") == std::string::npos) check_moment(*form.get("until"));
            poll(form, options);
        } else {
            options.seconds = form_.seconds("wait");
        }
        options.for_each = for_each();
        task_.plan.map_over = options.for_each;
        return options;
    }

    /// The part of `wait` about a query.
    void poll(const Form& form, WaitOptions& options) {
        const bool until = form.node().find("until") != nullptr, sql = form.node().find("sql") != nullptr;
        if (until == sql && !form.lacks_by_spelling("sql") && !form.lacks_by_spelling("until"))
            diagnostics_.error(form.node().mark, "`wait` has either `until` or `sql`",
                               "{until: \"${interval.end}\"} or {sql: select ..., in: warehouse, every: 1m}");
        for (const char* key : {"in", "every"})
            if (until && !sql && form.get(key) != nullptr)
                diagnostics_.error(form.key_mark(key), fmt::format("`{}` is about a query, and there is no `sql`", key), "remove it");
        if (!sql) return;
        options.sql = form.text("sql");
        task_.add_sql("wait", form.get("sql"));
        options.in = form.text("in");
        task_.add_templates(form.get("in"), false);
        if (form.node().find("in") == nullptr && !form.lacks_by_spelling("in"))
            diagnostics_.error(form.key_mark("sql"), "the query has no connection", "add `in: warehouse`, or another connection");
        options.every_seconds = form.seconds("every").value_or(options.every_seconds);
        if (options.every_seconds < 1) diagnostics_.error(form.get("every")->mark, "a query is asked once a second at most", "every: 1s");
        if (has_items())
            diagnostics_.error(form_.key_mark("for_each"), "each item would wait for the same: a query sees no item",
                               "remove `for_each`, and let one query look at all of them");
        if (form_.get("retry") == nullptr && !defaults_.retry) task_.plan.retry = retry_over_outages();
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
