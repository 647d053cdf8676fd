#include "connectors/targets/postgres/merge_sql.hpp"

#include "flows/sql_identifier.hpp"

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

std::string shown_key(const TablePlan& plan) {
    std::string out;
    for (const std::string& k : plan.key)
        out += (out.empty() ? "" : " || ', ' || ") + ("coalesce(" + quote_identifier(k) + "::text, 'NULL')");
    return out;
}

/// With `newest_by`: the staged row s is not older than t.
std::string not_older(const std::string& newest_by) {
    const std::string newest = quote_identifier(newest_by);
    return newest_by.empty() ? "" : " AND (t." + newest + " IS NULL OR s." + newest + " >= t." + newest + ")";
}

/// A staged row s differs from the row t of its key; empty: it has nothing that could.
std::string changed(const TablePlan& plan, const std::string& newest_by) {
    std::vector<TargetColumn> values;
    for (const PlannedColumn& c : plan.columns)
        if (!c.is_key && c.compared) values.push_back(c.target);
    return values.empty() ? ""
                          : same_key(plan) + " AND (" + listed(values, "t.") + ") IS DISTINCT FROM (" + listed(values, "s.") + ")" +
                                not_older(newest_by);
}

std::string absent(const TablePlan& plan) { return "NOT EXISTS (SELECT 1 FROM " + plan.name.quoted() + " t WHERE " + same_key(plan) + ")"; }

bool is_date(const std::string& text) {
    if (text.size() != 10) return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (i == 4 || i == 7 ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
    return true;
}

/// "2026-11-01 00:00:00+09", "..T00:00:00Z": a time of day, then where it is that time.
bool has_offset(const std::string& text) {
    const std::size_t time = text.find(':');
    return time != std::string::npos && (text.back() == 'Z' || text.find_first_of("+-", time) != std::string::npos);
}

/// The value as the column's type without its length or scale, which would cut or round it. A value of another nature is refused:
/// an instant has no date and a date no instant before somebody says where, and the server would take UTC.
std::string compared_with(const TargetColumn& column, const ScopeValue& v) {
    enum : std::uint32_t { bpchar = 1042, date = 1082, timestamp = 1114, timestamptz = 1184 };
    const auto refuse = [&](const std::string& is, const std::string& remedy) {
        throw Error(ErrorClass::Permanent, "scope: " + column.name + " is of type " + column.type + ", and " + v.shown + " is " + is,
                    remedy);
    };
    if (v.type == "list") refuse("a list", "name the values: " + column.name + " in ('a', 'b')");
    if (v.type == "timestamptz" && column.oid != timestamptz)
        refuse("an instant", "compare a date in the flow's time zone, such as $interval_start_date");
    if (column.oid == timestamptz && v.type == "date") refuse("a date", "compare an instant, such as $interval_start");
    if (column.oid == timestamptz && !has_offset(v.text))
        refuse("a time without an offset", "write the offset: '2026-11-01T00:00:00+09:00'");
    if (column.oid == timestamp && (has_offset(v.text) || !is_date(v.text.substr(0, 10))))
        refuse("no time without an offset", "write '2026-11-01 00:00:00'");
    if (column.oid == date && !is_date(v.text)) refuse("no date", "write '2026-11-01', or compare $interval_start_date");
    std::string type = column.oid == bpchar ? "bpchar" : column.type;
    if (const std::size_t open = type.find('('), close = type.find(')'); close != std::string::npos) type.erase(open, close - open + 1);
    return quote_literal(v.text) + "::" + type;
}

} // namespace

std::string column_list(const TablePlan& plan, const std::string& prefix) {
    std::vector<std::string> names;
    for (const PlannedColumn& c : plan.columns) names.push_back(c.target.name);
    return listed(names, prefix);
}

std::string create_stage(const TablePlan& plan, const std::string& stage) {
    return "CREATE TEMPORARY TABLE " + stage + " ON COMMIT DROP AS SELECT " + column_list(plan) + " FROM " + plan.name.quoted() +
           " WITH NO DATA";
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
    return "hash_record_extended(ROW(" + listed(plan.key_columns(), "t.") + "), 0) = hash_record_extended(ROW(" +
           listed(plan.key_columns(), "s.") + "), 0) AND " + out;
}

std::string update_changed(const TablePlan& plan, const std::string& stage, const std::string& newest_by) {
    std::string set;
    for (const PlannedColumn& c : plan.columns)
        if (!c.is_key) set += (set.empty() ? "" : ", ") + quote_identifier(c.target.name) + " = s." + quote_identifier(c.target.name);
    const std::string which = changed(plan, newest_by);
    return which.empty() ? "" : "UPDATE " + plan.name.quoted() + " t SET " + set + " FROM " + stage + " s WHERE " + which;
}

std::string count_changed(const TablePlan& plan, const std::string& stage, const std::string& newest_by) {
    const std::string which = changed(plan, newest_by);
    return which.empty() ? "" : "SELECT count(*), count(DISTINCT s.ctid) FROM " + plan.name.quoted() + " t, " + stage + " s WHERE " + which;
}

std::string insert_absent(const TablePlan& plan, const std::string& stage) {
    return "INSERT INTO " + plan.name.quoted() + " (" + column_list(plan) + ") SELECT " + column_list(plan, "s.") + " FROM " + stage +
           " s WHERE " + absent(plan);
}

std::string find_absent(const TablePlan& plan, const std::string& stage) {
    return "SELECT " + shown_key(plan) + " FROM " + stage + " s WHERE " + absent(plan) + " LIMIT 1";
}

std::string missing_rows(const TablePlan& plan, const std::string& stage, const std::string& scope) {
    return "FROM " + plan.name.quoted() + " t WHERE " + scope + " AND NOT EXISTS (SELECT 1 FROM " + stage + " s WHERE " + same_key(plan) +
           ")";
}

std::string staged_rows(const TablePlan& plan, const std::string& stage, const std::string& newest_by) {
    return "FROM " + plan.name.quoted() + " t WHERE EXISTS (SELECT 1 FROM " + stage + " s WHERE " + same_key(plan) + not_older(newest_by) +
           ")";
}

std::string scope_sql(const TablePlan& plan, const std::vector<ScopeTerm>& terms) {
    std::string out;
    for (const ScopeTerm& term : terms) {
        const auto at =
            std::find_if(plan.columns.begin(), plan.columns.end(), [&](const PlannedColumn& c) { return c.target.name == term.column; });
        if (at == plan.columns.end())
            throw Error(ErrorClass::Permanent, "scope: " + plan.name.display() + " gets no column '" + term.column + "' from the dataset",
                        "compare a column that is loaded");
        const std::string column = "t." + quote_identifier(term.column);
        out += (out.empty() ? "" : " AND ") + column;
        if (term.values.empty()) {
            out += " " + term.op;
            continue;
        }
        std::string values;
        for (const ScopeValue& v : term.values) values += (values.empty() ? "" : ", ") + compared_with(at->target, v);
        out += term.op == "in" ? " IN (" + values + ")" : " " + term.op + " " + values;
    }
    return out.empty() ? "true" : out;
}

std::string find_duplicate(const TablePlan& plan, const std::string& stage) {
    return "SELECT " + shown_key(plan) + " FROM " + stage + " GROUP BY " + listed(plan.key, "") + " HAVING count(*) > 1 LIMIT 1";
}

std::string find_in_both(const TablePlan& plan, const std::string& stage, const std::string& other) {
    return "SELECT " + shown_key(plan) + " FROM " + stage + " s WHERE EXISTS (SELECT 1 FROM " + other + " t WHERE " + same_key(plan) +
           ") LIMIT 1";
}

std::string count_repeated(const TablePlan& plan) {
    return "SELECT count(*), min(shown) FROM (SELECT " + shown_key(plan) + " AS shown FROM " + plan.name.quoted() + " GROUP BY " +
           listed(plan.key, "") + " HAVING count(*) > 1) r";
}

std::string delete_repeated(const TablePlan& plan) {
    return "DELETE FROM " + plan.name.quoted() + " WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM (SELECT tableoid, ctid, " +
           "row_number() OVER (PARTITION BY " + listed(plan.key, "") + ") AS n FROM " + plan.name.quoted() + ") r WHERE n > 1)";
}

std::string create_key(const TablePlan& plan, NullsInKey nulls, int server_version) {
    if (nulls == NullsInKey::None) return "ALTER TABLE " + plan.name.quoted() + " ADD PRIMARY KEY (" + listed(plan.key, "") + ")";
    // An older server's index lets a NULL in twice; there every load is staged, and the merge keeps them one.
    return "CREATE UNIQUE INDEX ON " + plan.name.quoted() + " (" + listed(plan.key, "") + ")" +
           (server_version >= nulls_not_distinct ? " NULLS NOT DISTINCT" : "");
}

} // namespace millrace::postgres
