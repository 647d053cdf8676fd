#include "connectors/targets/postgres/merge_sql.hpp"

#include "connectors/sql_identifier.hpp"

#include <algorithm>

namespace millrace::postgres {
namespace {

std::string listed(const std::vector<std::string>& names, const std::string& prefix) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ", ") + prefix + quote_identifier(name);
    return out;
}

std::string listed(const std::vector<TargetColumn>& columns, const std::string& prefix) {
    std::vector<std::string> names;
    for (const TargetColumn& c : columns) names.push_back(c.name);
    return listed(names, prefix);
}

} // namespace

std::string column_list(const TablePlan& plan, const std::string& prefix) {
    std::vector<std::string> names;
    for (const PlannedColumn& c : plan.columns) names.push_back(c.target.name);
    return listed(names, prefix);
}

std::string create_stage(const TablePlan& plan, const std::string& stage) {
    return "CREATE TEMPORARY TABLE " + stage + " ON COMMIT DROP AS SELECT " + column_list(plan) + " FROM " + plan.name.quoted() + " WITH NO DATA";
}

std::string same_key(const TablePlan& plan) {
    std::string out;
    for (const PlannedColumn& c : plan.columns) {
        if (!c.is_key) continue;
        const std::string name = quote_identifier(c.target.name);
        out += (out.empty() ? "" : " AND ") + ("t." + name) + (c.target.not_null ? " = s." : " IS NOT DISTINCT FROM s.") + name;
    }
    if (!plan.nullable_key) return out;
    // IS NOT DISTINCT FROM alone cannot be hashed or merged: the hash of the key finds the pairs, this then decides.
    return "hash_record_extended(ROW(" + listed(plan.key_columns(), "t.") + "), 0) = hash_record_extended(ROW(" + listed(plan.key_columns(), "s.") + "), 0) AND " + out;
}

std::string update_changed(const TablePlan& plan, const std::string& stage, const std::string& newest_by) {
    std::string set;
    std::vector<TargetColumn> values;
    for (const PlannedColumn& c : plan.columns) {
        if (c.is_key) continue;
        set += (set.empty() ? "" : ", ") + quote_identifier(c.target.name) + " = s." + quote_identifier(c.target.name);
        if (c.compared) values.push_back(c.target);
    }
    if (values.empty()) return "";
    const std::string newest = quote_identifier(newest_by);
    return "UPDATE " + plan.name.quoted() + " t SET " + set + " FROM " + stage + " s WHERE " + same_key(plan) + " AND (" + listed(values, "t.") + ") IS DISTINCT FROM (" +
           listed(values, "s.") + ")" + (newest_by.empty() ? "" : " AND (t." + newest + " IS NULL OR s." + newest + " >= t." + newest + ")");
}

std::string insert_absent(const TablePlan& plan, const std::string& stage) {
    return "INSERT INTO " + plan.name.quoted() + " (" + column_list(plan) + ") SELECT " + column_list(plan, "s.") + " FROM " + stage + " s WHERE NOT EXISTS (SELECT 1 FROM " +
           plan.name.quoted() + " t WHERE " + same_key(plan) + ")";
}

std::string delete_missing(const TablePlan& plan, const std::string& stage, const std::string& scope) {
    return "DELETE FROM " + plan.name.quoted() + " t WHERE " + scope + " AND NOT EXISTS (SELECT 1 FROM " + stage + " s WHERE " + same_key(plan) + ")";
}

std::string delete_staged(const TablePlan& plan, const std::string& stage) {
    return "DELETE FROM " + plan.name.quoted() + " t USING " + stage + " s WHERE " + same_key(plan);
}

std::string scope_sql(const TablePlan& plan, const std::vector<ScopeTerm>& terms) {
    std::string out;
    for (const ScopeTerm& term : terms) {
        const auto at = std::find_if(plan.columns.begin(), plan.columns.end(), [&](const PlannedColumn& c) { return c.target.name == term.column; });
        if (at == plan.columns.end())
            throw Error(ErrorClass::Permanent, "scope: " + plan.name.display() + " gets no column '" + term.column + "' from the dataset", "compare a column that is loaded");
        const std::string column = "t." + quote_identifier(term.column);
        out += (out.empty() ? "" : " AND ") + column;
        if (term.values.empty()) {
            out += " " + term.op;
            continue;
        }
        std::string values;
        for (const ScopeValue& v : term.values) values += (values.empty() ? "" : ", ") + quote_literal(v.text) + "::" + at->target.type;
        out += term.op == "in" ? " IN (" + values + ")" : " " + term.op + " " + values;
    }
    return out.empty() ? "true" : out;
}

std::string find_duplicate(const TablePlan& plan, const std::string& stage) {
    std::string shown;
    for (const std::string& k : plan.key) shown += (shown.empty() ? "" : " || ', ' || ") + ("coalesce(" + quote_identifier(k) + "::text, 'NULL')");
    return "SELECT " + shown + " FROM " + stage + " GROUP BY " + listed(plan.key, "") + " HAVING count(*) > 1 LIMIT 1";
}

std::string create_key(const TablePlan& plan, bool has_nulls) {
    if (!has_nulls) return "ALTER TABLE " + plan.name.quoted() + " ADD PRIMARY KEY (" + listed(plan.key, "") + ")";
    return "CREATE UNIQUE INDEX ON " + plan.name.quoted() + " (" + listed(plan.key, "") + ") NULLS NOT DISTINCT";
}

} // namespace millrace::postgres
