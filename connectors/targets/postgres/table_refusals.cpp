/// What a TableLoad refuses to do, and what it says when the table refuses its rows, or takes fewer than it is given.
#include "connectors/targets/postgres/table_load.hpp"
#include "flows/counted.hpp"
#include "flows/sql_identifier.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace millrace::postgres {
namespace {

std::string remedy_of(const SqlError& e, const TablePlan& plan) {
    if (e.sqlstate == "23502" && !plan.has_column(e.column))
        return "the dataset has no column '" + e.column + "': add it there, or let the table's column have a default or be NULL";
    if (e.sqlstate == "23502") return "make it a value in the transform: coalesce(" + e.column + ", ..)";
    if (e.sqlstate == "23505")
        return "make the rows unique by it in the transform, or drop the constraint " + e.constraint + ", which is not the load's key";
    if (e.sqlstate == "23503") return "load the table that it refers to before, in one load with this one";
    if (e.sqlstate == "23514" && e.constraint.empty()) return "make the partition that these rows belong to, or a default partition";
    if (e.sqlstate == "23514") return "leave such rows out in the transform, or change the constraint " + e.constraint;
    if (e.sqlstate == "22001") return "give the table's column more room, or cut the text in the transform";
    return e.remedy;
}

} // namespace

/// A missing row is only a deleted one when the dataset would have held it.
void TableLoad::check_deletes() const {
    if (!delete_rule_.empty() && delete_rule_ != "when" && delete_rule_ != "missing")
        throw Error(ErrorClass::Permanent, "delete: '" + delete_rule_ + "' is no rule", "use none, missing, or {when: SQL}");
    const bool replaces = table_.spec.mode == "replace" && !request_.context.limit_rows; // with a limit: of a scratch table
    if (delete_rule_ != "missing" && !replaces) return;
    const std::string what = replaces ? "mode replace" : "delete: missing";
    const Manifest& m = table_.manifest;
    if (!m.doubts.empty())
        throw Error(ErrorClass::BadData,
                    fmt::format("{} is not safe for {}: rows that its dataset lacks would look like deleted ones ({})", what,
                                table_.spec.table, fmt::join(m.doubts, "; ")),
                    replaces ? "mend the source or the contract, then run again"
                             : "mend the source or the contract, then run again; or let vanished rows stay: `delete: none`");
    if (!replaces && !m.complete && request_.options.scope.empty())
        throw Error(ErrorClass::BadData,
                    "delete: missing is not safe for " + table_.spec.table + ": its dataset is not a complete snapshot",
                    "give the load a `scope` that says which rows the dataset covers");
}

/// Whatever is replaced, it is not replaced by nothing unless somebody wrote that it may.
void TableLoad::check_replace() const {
    if (table_.manifest.rows > 0 || !plan_.has_rows || request_.context.limit_rows) return;
    const std::string all = "FROM " + plan_.name.quoted() + " t";
    const std::int64_t rows = session_.run("SELECT count(*) " + all).integer(0, 0);
    const Share& limit = request_.options.max_deletes;
    if (rows <= std::max(limit.count.value_or(0), request_.context.allow_deletes) || limit.percent.value_or(0) >= 100) return;
    refuse_deletes(rows, rows, all);
}

/// `missing`: FROM and what follows it; `present`: how many rows the scope held before.
void TableLoad::delete_missing(const std::string& missing, std::int64_t present) {
    session_.run("SAVEPOINT before_deletes");
    counts_.deleted = delete_all(missing);
    if (may_delete(counts_.deleted, present)) return;
    session_.run("ROLLBACK TO SAVEPOINT before_deletes"); // so that they can be shown
    refuse_deletes(counts_.deleted, present, missing);
}

/// An API that answers with an empty list after a change of permissions must not empty a table.
bool TableLoad::may_delete(std::int64_t rows, std::int64_t of) const {
    const Share& limit = request_.options.max_deletes;
    if (rows <= request_.context.allow_deletes) return true;
    if (limit.count) return rows <= *limit.count;
    return static_cast<double>(rows) <= static_cast<double>(of) * limit.percent.value_or(10) / 100;
}

void TableLoad::refuse_deletes(std::int64_t rows, std::int64_t of, const std::string& doomed) const {
    constexpr int most_shown = 1000;
    std::string order;
    for (const std::string& k : plan_.key) order += (order.empty() ? " ORDER BY t." : ", t.") + quote_identifier(k);
    const Rows found = session_.run(fmt::format("SELECT row_to_json(t) {}{} LIMIT {}", doomed, order, most_shown));
    std::vector<std::string> some;
    for (int i = 0; i < found.size(); ++i) some.push_back(found.text(i, 0));
    const Share& limit = request_.options.max_deletes;
    const RunContext& run = request_.context;
    const std::string allowed = limit.count ? std::to_string(*limit.count) : fmt::format("{} %", limit.percent.value_or(10));
    const std::string in_dataset =
        table_.manifest.rows == 0 ? "the dataset " + table_.spec.task + " is empty" : "they are missing in the dataset " + table_.spec.task;
    const Error why(
        ErrorClass::BadData,
        fmt::format("{}: {} of {} rows ({:.3g} %) would be deleted, since {}; max_deletes is {}{}", counts_.table, count_text(rows),
                    count_text(of), 100.0 * static_cast<double>(rows) / static_cast<double>(of), in_dataset, allowed,
                    run.allow_deletes > 0 ? fmt::format(", and this run may delete {}", count_text(run.allow_deletes)) : ""),
        fmt::format("look at these rows: millrace data head {}.{} --rejected; when they are really gone, delete them this once: "
                    "millrace runs rerun {} --failed --allow-deletes {}; when it is usual, raise `max_deletes` of task {} "
                    "({})",
                    run.run_id, request_.task, run.chunk_of_run > 0 ? run.chunk_of_run : run.run_id, rows, request_.task,
                    request_.place.empty() ? "flow " + run.flow : request_.place));
    throw DeletesRefused(why, counts_.table, rows, std::move(some));
}

/// A trigger or rule of the table had the last word on a row, and it does not show in the table.
void TableLoad::refuse_swallowed(const std::string& what, std::int64_t rows, const std::string& key) const {
    throw Error(ErrorClass::BadData,
                fmt::format("{}: a trigger or rule of the table keeps out {}{}, so nothing was loaded", counts_.table, what,
                            key.empty() ? fmt::format(" ({} row{})", rows, rows == 1 ? "" : "s")
                                        : ", such as that of the row with the key (" + key + ")"),
                "let it pass every row, or leave such rows out of the dataset in a transform");
}

/// How many rows came into the table. A trigger may have put them elsewhere, into a table that inherits from this one.
std::int64_t TableLoad::arrived(std::int64_t sent, std::int64_t stored) {
    if (stored == sent) return sent;
    const std::string ours = table_.spec.mode == "append" ? " WHERE _batch_id = " + quote_literal(request_.batch_id) : "";
    const std::int64_t held = session_.run("SELECT count(*) FROM " + plan_.name.quoted() + ours).integer(0, 0);
    if (held < sent) refuse_swallowed("inserts", sent - held, "");
    return sent;
}

/// `rows`: FROM and what follows it.
std::int64_t TableLoad::delete_all(const std::string& rows) {
    const std::int64_t deleted = session_.run("DELETE " + rows).changed();
    if (!plan_.has_gatekeeper) return deleted;
    if (const std::int64_t left = session_.run("SELECT count(*) " + rows).integer(0, 0); left > 0) refuse_swallowed("deletions", left, "");
    return deleted;
}

/// A key that the dataset has twice, as text; empty: there is none.
std::string TableLoad::repeated_key() const {
    std::string key, shown;
    for (const std::string& k : plan_.key) {
        key += (key.empty() ? "" : ", ") + quote_identifier(k);
        shown += (shown.empty() ? "" : " || ', ' || ") + ("coalesce(CAST(" + quote_identifier(k) + " AS VARCHAR), 'NULL')");
    }
    duckdb::Connection db = database_.connect();
    const Json found = db.query("SELECT min(shown) FROM (SELECT " + shown + " AS shown FROM " + dataset_ + " GROUP BY " + key +
                                ", shown HAVING count(*) > 1)")
                           .single_value();
    return found.is_null() ? "" : found.get<std::string>();
}

void TableLoad::refuse_duplicate(const std::string& key) const {
    std::string names;
    for (const std::string& k : plan_.key) names += (names.empty() ? "" : ", ") + k;
    throw Error(ErrorClass::BadData,
                "the dataset " + table_.spec.task + " has the key (" + names + ") = (" + key + ") twice; nothing was loaded into " +
                    counts_.table + (request_.place.empty() ? "" : " (" + request_.place + ")"),
                "aggregate or de-duplicate in a transform, widen the key, or say which row wins with `newest_by`");
}

/// After a violation of the key: no row but the dataset's was there.
bool TableLoad::met_only_its_own_rows() const {
    if (plan_.created) return true;
    if (!has_savepoint_) return false;
    session_.run("ROLLBACK TO SAVEPOINT before_copy");
    return session_.run("SELECT 1 FROM " + plan_.name.quoted() + " LIMIT 1").empty();
}

/// A key that is there already although it was looked for was written by somebody else meanwhile: the next attempt finds it.
void TableLoad::explain_violation(const SqlError& e) const {
    if (e.sqlstate != "23505" || (!plan_.created && !plan_.key_indexes.contains(e.constraint))) {
        SqlError named(e.error_class, counts_.table + ": " + e.what(), remedy_of(e, plan_));
        named.sqlstate = e.sqlstate;
        throw named;
    }
    if (const std::string key = repeated_key(); !key.empty() && request_.options.newest_by.empty()) refuse_duplicate(key);
    if (met_only_its_own_rows())
        throw Error(ErrorClass::BadData,
                    fmt::format("{} takes two keys of the dataset {} for one: {}", counts_.table, table_.spec.task, e.detail),
                    "write such keys alike in the transform, so that they are found there to be one (trim, lower, ..), or give the table's "
                    "key columns a type and a collation that tell them apart");
    throw Error(ErrorClass::Transient, "somebody else wrote the same key into " + counts_.table + " meanwhile: " + e.detail,
                "the next attempt finds that row; where it happens again, let nobody else write into the table during the load");
}

} // namespace millrace::postgres
