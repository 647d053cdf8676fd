#include "flows/compiler/parse_expect.hpp"

#include "flows/grammar/flow_tables.hpp"
#include "flows/grammar/form.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

/// Parses one; lives for one call.
class ExpectParser {
public:
    ExpectParser(const YamlNode& node, const Draft& draft, Diagnostics& diagnostics)
        : form_(node, {&expect_table}, "`expect`", diagnostics), draft_(draft), diagnostics_(diagnostics) {}

    Expectations parse() {
        Expectations expected{seconds("start_within"), seconds("finish_within"), seconds("fresh"), seconds("new_rows"), {}};
        if (expected.start_within > 0 && draft_.plan.schedules.empty())
            diagnostics_.error(form_.get("start_within")->mark, "no run of this flow has a time to begin at: it has no schedule",
                               "give it a `schedule`, or leave `start_within` out");
        if (expected.start_within > 0 && expected.finish_within > 0 && expected.finish_within <= expected.start_within)
            diagnostics_.warning(
                form_.get("finish_within")->mark,
                "a run that begins as late as `start_within` allows is over time already: both count from the same instant",
                "write a longer `finish_within`");
        for (const char* key : {"fresh", "new_rows"})
            if (const auto* value = form_.get(key); value != nullptr && !has_load())
                diagnostics_.error(value->mark, fmt::format("`{}` is about loads, and this flow has none", key), "leave it out");
        if (const auto* rows = form_.get("rows"))
            for (const auto& entry : rows->entries) expected.rows.push_back(parse_rows(entry));
        return expected;
    }

private:
    double seconds(const char* key) {
        const auto value = form_.seconds(key);
        if (value && *value <= 0) diagnostics_.error(form_.get(key)->mark, fmt::format("`{}` of no time can never be met", key));
        return value.value_or(0);
    }

    [[nodiscard]] bool has_load() const {
        return std::any_of(draft_.tasks.begin(), draft_.tasks.end(), [](const DraftTask& task) { return task.plan.verb == Verb::Load; });
    }

    Expectations::Rows parse_rows(const YamlEntry& entry) {
        const Form form(entry.value, {&expected_rows_table}, fmt::format("the expected rows of '{}'", entry.key), diagnostics_);
        const Expectations::Rows rows{entry.key, form.whole("min"), form.whole("max")};
        check_task(entry);
        if (entry.value.is_map() && entry.value.entries.empty())
            diagnostics_.error(entry.value.mark, "any number of rows will do", "{min: 1}, for example");
        if (rows.min && rows.max && *rows.min > *rows.max)
            diagnostics_.error(form.get("max")->mark, "`max` is less than `min`, so no number of rows is good");
        return rows;
    }

    void check_task(const YamlEntry& entry) {
        const auto at = draft_.index.find(entry.key);
        if (at == draft_.index.end()) {
            std::vector<std::string> names;
            for (const auto& task : draft_.tasks)
                if (task.makes_dataset) names.push_back(task.plan.name);
            diagnostics_.error(entry.mark, fmt::format("the flow has no task '{}'", entry.key), did_you_mean(entry.key, names));
        } else if (const auto& task = draft_.tasks[at->second]; !task.makes_dataset) {
            diagnostics_.error(entry.mark, fmt::format("the task '{}' makes no dataset", entry.key),
                               task.plan.verb == Verb::Load ? "name the task whose rows it loads; `new_rows` is about loads" : "");
        }
    }

    const Form form_;
    const Draft& draft_;
    Diagnostics& diagnostics_;
};

} // namespace

Expectations parse_expect(const YamlNode& node, const Draft& draft, Diagnostics& diagnostics) {
    return ExpectParser(node, draft, diagnostics).parse();
}

} // namespace millrace
