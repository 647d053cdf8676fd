#include "flows/compiler/parse_contract.hpp"

#include "flows/column_type.hpp"
#include "flows/grammar/flow_tables.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

void parse_columns(const Form& form, DraftTask& task, Diagnostics& diagnostics) {
    const auto* columns = form.get("columns");
    if (columns == nullptr) return;
    task.columns_mark = form.key_mark("columns");
    if (columns->entries.empty())
        diagnostics.error(columns->mark, "`columns` names no column", "leave it out: then every column passes as it is");
    for (const auto& entry : columns->entries) {
        task.column_marks[entry.key] = entry.mark;
        try {
            auto column = parse_column(entry.key, entry.value.text);
            if (!column.check.empty())
                task.sql.push_back({"column " + column.name, column.check, &entry.value, check_offset(entry.value.text)});
            if (!column.references_task.empty()) {
                task.references.push_back({column.references_task, entry.value.mark, true});
                task.columns_named.push_back({column.references_column, column.references_task, entry.value.mark, "references"});
            }
            task.contract.columns.push_back(std::move(column));
        } catch (const ColumnMistake& e) {
            diagnostics.error(mark_inside(entry.value, e.offset, e.length, diagnostics.source()),
                              fmt::format("`{}`: {}", entry.key, e.what()), e.hint);
            task.contract.columns.push_back({entry.key, "VARCHAR", false, false, "", "", ""}); // so that later checks know its name
        }
    }
}

void parse_checks(const Form& form, DraftTask& task, Diagnostics& diagnostics) {
    const auto* checks = form.get("checks");
    if (checks == nullptr) return;
    for (const auto& item : checks->items) {
        const Form check(item, {&check_table}, "the check", diagnostics);
        CheckSpec spec{check.text("name"), check.text("sql"), check.text("severity", "error")};
        const auto& all = task.contract.checks;
        if (std::any_of(all.begin(), all.end(), [&](const CheckSpec& c) { return c.name == spec.name && !c.name.empty(); }))
            diagnostics.error(check.get("name")->mark, fmt::format("two checks are called '{}'", spec.name),
                              "their violations could not be told apart");
        if (const auto* sql = check.get("sql")) task.sql.push_back({"check " + spec.name, sql->text, sql, 0});
        task.contract.checks.push_back(std::move(spec));
    }
}

} // namespace

void parse_contract(const Form& form, DraftTask& task, Diagnostics& diagnostics) {
    parse_columns(form, task, diagnostics);
    parse_checks(form, task, diagnostics);
    task.contract.rejects.max = {std::nullopt, 0};
    const auto* rejects = form.get("rejects");
    if (rejects == nullptr) return;
    if (form.node().find("columns") == nullptr && form.node().find("checks") == nullptr)
        diagnostics.warning(form.key_mark("rejects"), "without `columns` or `checks` nothing can be rejected", "add `columns:`");
    const Form policy(*rejects, {&rejects_table}, "`rejects`", diagnostics);
    auto& spec = task.contract.rejects;
    spec.to = policy.text("to", "fail");
    spec.max = policy.share("max").value_or(spec.max);
    spec.min_rows = policy.whole("min_rows").value_or(0);
    const bool to_is_sound = policy.node().find("to") == nullptr || policy.get("to") != nullptr;
    if (to_is_sound && spec.to == "fail" && policy.get("max") != nullptr &&
        spec.max.percent.value_or(0) + static_cast<double>(spec.max.count.value_or(0)) > 0)
        diagnostics.error(policy.key_mark("max"), "`max` allows rejected rows, but `to: fail` stops at the first",
                          "add `to: quarantine`, or remove `max`");
}

} // namespace millrace
