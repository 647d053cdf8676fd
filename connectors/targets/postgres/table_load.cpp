#include "connectors/targets/postgres/table_load.hpp"

#include "connectors/sql_identifier.hpp"
#include "connectors/targets/postgres/copy_stream.hpp"
#include "connectors/targets/postgres/merge_sql.hpp"
#include "connectors/targets/postgres/row_source.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>

namespace millrace::postgres {
namespace {

std::string rule_of(const LoadOptions& options) {
    if (options.delete_is_sql) return "when";
    return options.delete_rule == "none" ? "" : options.delete_rule;
}

std::vector<duckdb::Column> columns_of(const duckdb::Database& database, const std::string& dataset) {
    duckdb::Connection db = database.connect();
    return db.prepare("SELECT * FROM " + dataset).columns();
}

} // namespace

TableLoad::TableLoad(Session& session, const duckdb::Database& database, const LoadRequest& request, const LoadRequest::Table& table, const LoadMonitor& monitor,
                     const std::string& default_schema, int number)
    : session_(session), database_(database), request_(request), table_(table), monitor_(monitor), dataset_(rows_of(table.manifest_path, table.manifest)),
      stage_("pg_temp._millrace_stage_" + std::to_string(number)), doomed_("pg_temp._millrace_doomed_" + std::to_string(number)),
      delete_rule_(request.context.limit_rows ? "" : rule_of(request.options)) {
    check_deletes();
    plan_ = plan_table(session, request, table, monitor, default_schema, columns_of(database, dataset_));
    counts_.table = plan_.name.display();
    if (!request.options.newest_by.empty() && !plan_.has_column(request.options.newest_by))
        throw Error(ErrorClass::Permanent, "newest_by: the dataset " + table.spec.task + " has no column '" + request.options.newest_by + "'");
}

LoadCounts TableLoad::run() {
    const auto begin = std::chrono::steady_clock::now();
    const std::string& mode = table_.spec.mode;
    if (mode == "replace") check_replace();
    if (mode == "append") append();
    else if (mode == "replace" && plan_.key.empty()) replace_without_key();
    else if (plan_.key.empty()) throw Error(ErrorClass::Permanent, "mode " + mode + " of " + counts_.table + " needs a `key`");
    else try {
        if (may_load_directly()) load_into_empty();
        else merge();
        if (plan_.created) make_key();
    } catch (const SqlError& e) {
        explain_violation(e);
    }
    check_rows_read();
    counts_.rejected = table_.manifest.rejected;
    counts_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return counts_;
}

void TableLoad::step(const std::string& name, std::int64_t rows) const {
    if (monitor_.cancelled && monitor_.cancelled()) throw Error(ErrorClass::Cancelled, "the attempt was cancelled");
    if (monitor_.progress) monitor_.progress(name, rows, table_.manifest.rows);
}

/// A missing row is only a deleted one when the dataset would have held it.
void TableLoad::check_deletes() const {
    if (!delete_rule_.empty() && delete_rule_ != "when" && delete_rule_ != "missing") throw Error(ErrorClass::Permanent, "delete: '" + delete_rule_ + "' is no rule", "use none, missing, or {when: SQL}");
    const bool replaces = table_.spec.mode == "replace" && !request_.context.limit_rows; // with a limit: of a scratch table
    if (delete_rule_ != "missing" && !replaces) return;
    const std::string what = replaces ? "mode replace" : "delete: missing";
    const Manifest& m = table_.manifest;
    if (!m.doubts.empty())
        throw Error(ErrorClass::BadData, fmt::format("{} is not safe for {}: rows that its dataset lacks would look like deleted ones ({})", what, table_.spec.table, fmt::join(m.doubts, "; ")),
                    "mend the source or the contract, then run again");
    if (!replaces && !m.complete && request_.options.scope.empty())
        throw Error(ErrorClass::BadData, "delete: missing is not safe for " + table_.spec.table + ": its dataset is not a complete snapshot", "give the load a `scope` that says which rows the dataset covers");
}

/// Whatever is replaced, it is not replaced by nothing unless somebody wrote that it may.
void TableLoad::check_replace() const {
    if (table_.manifest.rows > 0 || !plan_.has_rows || request_.context.limit_rows) return;
    const std::int64_t rows = session_.run("SELECT count(*) FROM " + plan_.name.quoted()).integer(0, 0);
    const Share& limit = request_.options.max_deletes;
    if (limit.count ? *limit.count >= rows : limit.percent.value_or(0) >= 100) return;
    throw Error(ErrorClass::BadData, fmt::format("{}: the dataset {} is empty, and all {} rows would be deleted", counts_.table, table_.spec.task, rows), "check what the source sent; when an empty table is right, write `max_deletes: 100%`");
}

std::string TableLoad::scope() {
    if (request_.options.scope.empty()) return "true";
    const auto value_of = [&](const std::string& name) -> ScopeValue {
        duckdb::Connection db = database_.connect();
        duckdb::Statement statement = db.prepare("SELECT CASE WHEN $" + name + " IS NOT NULL THEN [CAST($" + name + " AS VARCHAR), typeof($" + name + ")] END");
        statement.bind(*request_.values);
        const Json value = statement.run().single_value();
        if (value.is_null()) throw Error(ErrorClass::Permanent, "scope: $" + name + " has no value in this run");
        const std::string type = value.at(1);
        return {value.at(0), type == "DATE" ? "date" : type == "TIMESTAMP WITH TIME ZONE" ? "timestamptz" : type.ends_with("]") ? "list" : "text", ""};
    };
    return scope_sql(plan_, parse_scope(request_.options.scope, value_of));
}

/// A row that the dataset may hold only in part, such as the sum of a week that begins before the interval, overwrites the whole.
void TableLoad::tell_of_rows_outside(const std::string& scope, const std::string& where) {
    if (request_.options.scope.empty() || !monitor_.event) return;
    const std::int64_t outside = session_.run("SELECT count(*) FROM " + where + " t WHERE NOT coalesce((" + scope + "), false)").integer(0, 0);
    if (outside == 0) return;
    monitor_.event("warning", fmt::format("{}: {} of {} rows of the dataset {} lie outside the scope ({}); they were written, though the dataset may hold them only in part: "
                                          "keep to the scope in the SQL, or give the run an interval of whole steps",
                                          counts_.table, outside, table_.manifest.rows, table_.spec.task, request_.options.scope),
                   {{"table", counts_.table}, {"rows", outside}});
}

/// As the contract says, so that the table does not depend on what the first batch happens to hold; without one, by what it holds.
bool TableLoad::key_may_be_null() const {
    std::string any;
    for (const std::string& k : plan_.key) {
        const auto column = std::find_if(table_.manifest.columns.begin(), table_.manifest.columns.end(), [&](const ManifestColumn& c) { return c.name == k; });
        if (column != table_.manifest.columns.end() && column->nullable) {
            if (*column->nullable) return true;
            continue;
        }
        any += (any.empty() ? "" : " OR ") + quote_identifier(k) + " IS NULL";
    }
    if (any.empty()) return false;
    duckdb::Connection db = database_.connect();
    return db.query("SELECT count(*) > 0 FROM " + dataset_ + " WHERE " + any).single_value().get<bool>();
}

/// A key that the dataset has twice, as text; empty: there is none.
std::string TableLoad::repeated_key() const {
    std::string key, shown;
    for (const std::string& k : plan_.key) {
        key += (key.empty() ? "" : ", ") + quote_identifier(k);
        shown += (shown.empty() ? "" : " || ', ' || ") + ("coalesce(CAST(" + quote_identifier(k) + " AS VARCHAR), 'NULL')");
    }
    duckdb::Connection db = database_.connect();
    const Json found = db.query("SELECT min(shown) FROM (SELECT " + shown + " AS shown FROM " + dataset_ + " GROUP BY " + key + ", shown HAVING count(*) > 1)").single_value();
    return found.is_null() ? "" : found.get<std::string>();
}

/// What the parts hold must be what the manifest says: a part that lost rows would be a load that lost them.
void TableLoad::check_rows_read() const {
    const bool all_are_read = request_.options.newest_by.empty();
    if (all_are_read ? rows_read_ == table_.manifest.rows : rows_read_ <= table_.manifest.rows) return;
    throw Error(ErrorClass::Permanent, fmt::format("the dataset {} is damaged: its parts hold {} rows where its manifest says {}", table_.spec.task, rows_read_, table_.manifest.rows), "run its task again");
}

void TableLoad::refuse_duplicate(const std::string& key) const {
    std::string names;
    for (const std::string& k : plan_.key) names += (names.empty() ? "" : ", ") + k;
    throw Error(ErrorClass::BadData, "the dataset " + table_.spec.task + " has the key (" + names + ") = (" + key + ") twice; nothing was loaded into " + counts_.table,
                "aggregate or de-duplicate in a transform, widen the key, or say which row wins with `newest_by`");
}

/// Nothing to compare with, and a key index (or one to come) that finds duplicates: also those of NULL, which an index that is
/// there may let pass, and before PostgreSQL 15 every one does.
bool TableLoad::may_load_directly() const {
    if (plan_.has_rows || !request_.options.newest_by.empty() || delete_rule_ == "when") return false;
    return plan_.created ? session_.version() >= nulls_not_distinct || !key_may_be_null() : !plan_.key_indexes.empty() && !plan_.nullable_key;
}

void TableLoad::load_into_empty() {
    step("copying");
    counts_.inserted = copy_all("SELECT * FROM " + dataset_, plan_.name.quoted());
    if (delete_rule_ == "missing") tell_of_rows_outside(scope(), plan_.name.quoted());
}

void TableLoad::make_key() {
    step("building the key", counts_.inserted);
    session_.run("SET LOCAL maintenance_work_mem = '128MB'");
    session_.run(create_key(plan_, key_may_be_null() ? NullsInKey::Possible : NullsInKey::None, session_.version()));
}

/// A key that is there already although it was looked for was written by somebody else meanwhile: the next attempt finds it.
void TableLoad::explain_violation(const SqlError& e) const {
    if (e.sqlstate == "23502" && !plan_.key.empty() && std::find(plan_.key.begin(), plan_.key.end(), e.column) != plan_.key.end())
        throw Error(ErrorClass::BadData, "the key column '" + e.column + "' of the dataset " + table_.spec.task + " holds NULL, and that of " + counts_.table + " is NOT NULL", "make it a value: coalesce(..., '')");
    if (e.sqlstate != "23505" || (!plan_.created && !plan_.key_indexes.contains(e.constraint))) throw e;
    if (const std::string key = repeated_key(); !key.empty() && request_.options.newest_by.empty()) refuse_duplicate(key);
    throw Error(ErrorClass::Transient, "somebody else wrote the same key into " + counts_.table + " meanwhile: " + e.detail, "");
}

void TableLoad::append() {
    if (request_.context.interval_start && !plan_.created) {
        const std::string ledger = quote_identifier(plan_.name.schema) + "._millrace_ledger";
        const Rows earlier = session_.run("SELECT batch_id, extracted_at > (SELECT extracted_at FROM " + ledger + " WHERE batch_id = $2), extracted_at FROM " + ledger +
                                          " WHERE interval_key = $1 AND batch_id <> $2 AND $3 = ANY(tables)", {request_.interval_key, request_.batch_id, counts_.table});
        for (int i = 0; i < earlier.size(); ++i) {
            if (!earlier.is_null(i, 1) && earlier.boolean(i, 1))
                throw Error(ErrorClass::Permanent, "this batch was extracted at " + table_.manifest.extracted_at + ", but " + counts_.table + " already holds a newer batch of the same interval, extracted at " + earlier.text(i, 2), "start a new run");
            counts_.deleted += session_.run("DELETE FROM " + plan_.name.quoted() + " WHERE _batch_id = $1", {earlier.text(i, 0)}).changed();
        }
    }
    step("copying");
    counts_.inserted = copy_all("SELECT * FROM " + dataset_, plan_.name.quoted());
}

/// The server's and our sum of two hashes over all rows: equal for the same rows in any order.
bool TableLoad::holds_same_rows() {
    const std::vector<TargetColumn> columns = plan_.compared_columns();
    const std::string wrapped = " % 18446744073709551616", one = hash_sql(columns, 1), two = hash_sql(columns, 2);
    const Rows theirs = session_.run("SELECT count(*), coalesce(sum(" + one + ")" + wrapped + ", 0), coalesce(sum(" + two + ")" + wrapped + ", 0) FROM " + plan_.name.quoted());
    counts_.deleted = theirs.integer(0, 0);
    if (counts_.deleted != table_.manifest.rows) return false;
    const auto unsigned_of = [](std::string text) {
        const bool negative = text.starts_with("-");
        const std::uint64_t magnitude = std::stoull(negative ? text.substr(1) : text);
        return negative ? ~magnitude + 1 : magnitude;
    };
    duckdb::Connection db = database_.connect();
    RowSource rows(db, "SELECT * FROM " + dataset_, *request_.values, plan_);
    std::uint64_t first = 0, second = 0;
    while (rows.next()) {
        if (rows.at_chunk_start()) step("comparing");
        ++rows_read_;
        first += rows.row_hash(1);
        second += rows.row_hash(2);
    }
    return first == unsigned_of(theirs.text(0, 1)) && second == unsigned_of(theirs.text(0, 2));
}

void TableLoad::replace_without_key() {
    step("comparing");
    if (plan_.has_rows && holds_same_rows()) {
        counts_.unchanged = counts_.deleted;
        counts_.deleted = 0;
        return;
    }
    rows_read_ = 0;
    if (plan_.has_rows) counts_.deleted = session_.run("DELETE FROM " + plan_.name.quoted()).changed();
    counts_.inserted = copy_all("SELECT * FROM " + dataset_, plan_.name.quoted());
}

std::int64_t TableLoad::copy_all(const std::string& sql, const std::string& into) {
    duckdb::Connection db = database_.connect();
    RowSource rows(db, sql, *request_.values, plan_);
    const bool fresh = plan_.created && into == plan_.name.quoted(); // nobody else sees it yet: its rows may be written frozen
    CopyStream copy(session_, "COPY " + into + " (" + column_list(plan_) + ") FROM STDIN (FORMAT binary" + (fresh ? ", FREEZE)" : ")"));
    std::int64_t n = 0;
    while (rows.next()) {
        if (rows.at_chunk_start()) step("copying", n);
        copy.add(rows.bytes());
        ++n;
    }
    rows_read_ += n;
    return copy.finish();
}

} // namespace millrace::postgres
