#include "connectors/targets/postgres/table_load.hpp"

#include "connectors/sql_identifier.hpp"
#include "connectors/targets/postgres/copy_stream.hpp"
#include "connectors/targets/postgres/merge_sql.hpp"
#include "connectors/targets/postgres/row_source.hpp"

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
                     const std::string& default_schema, const std::string& ledger_schema, int number)
    : session_(session), database_(database), request_(request), table_(table), monitor_(monitor), dataset_(rows_of(table.manifest_path, table.manifest)),
      stage_("pg_temp._millrace_stage_" + std::to_string(number)), doomed_("pg_temp._millrace_doomed_" + std::to_string(number)),
      delete_rule_(request.context.limit_rows ? "" : rule_of(request.options)), ledger_schema_(ledger_schema) {
    check_delete_rule();
    plan_ = plan_table(session, request, table, default_schema, columns_of(database, dataset_));
    counts_.table = plan_.name.display();
    if (!request.options.newest_by.empty() && !plan_.has_column(request.options.newest_by))
        throw Error(ErrorClass::Permanent, "newest_by: the dataset " + table.spec.task + " has no column '" + request.options.newest_by + "'");
}

LoadCounts TableLoad::run() {
    const auto begin = std::chrono::steady_clock::now();
    const std::string& mode = table_.spec.mode;
    if (mode == "append") append();
    else if (mode == "replace" && plan_.key.empty()) replace_without_key();
    else if (plan_.key.empty()) throw Error(ErrorClass::Permanent, "mode " + mode + " of " + counts_.table + " needs a `key`");
    else if (may_load_directly()) load_into_empty();
    else merge();
    counts_.rejected = table_.manifest.rejected;
    counts_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return counts_;
}

void TableLoad::step(const std::string& name, std::int64_t rows) const {
    if (monitor_.cancelled && monitor_.cancelled()) throw Error(ErrorClass::Cancelled, "the attempt was cancelled");
    if (monitor_.progress) monitor_.progress(name, rows, table_.manifest.rows);
}

/// A missing row is only a deleted one when the dataset would have held it.
void TableLoad::check_delete_rule() const {
    if (delete_rule_.empty() || delete_rule_ == "when") return;
    if (delete_rule_ != "missing") throw Error(ErrorClass::Permanent, "delete: '" + delete_rule_ + "' is no rule", "use none, missing, or {when: SQL}");
    const Manifest& m = table_.manifest;
    if (!m.doubts.empty())
        throw Error(ErrorClass::BadData, fmt::format("delete: missing is not safe for {}: rows that its dataset lacks would look like deleted ones ({})", table_.spec.table, fmt::join(m.doubts, "; ")),
                    "mend the source or the contract, then run again");
    if (!m.complete && request_.options.scope.empty())
        throw Error(ErrorClass::BadData, "delete: missing is not safe for " + table_.spec.table + ": its dataset is not a complete snapshot", "give the load a `scope` that says which rows the dataset covers");
}

std::string TableLoad::scope() {
    if (request_.options.scope.empty()) return "true";
    const auto value_of = [&](const std::string& name) -> ScopeValue {
        duckdb::Connection db = database_.connect();
        duckdb::Statement statement = db.prepare("SELECT CAST($" + name + " AS VARCHAR)");
        statement.bind(*request_.values);
        const Json value = statement.run().single_value();
        if (value.is_null()) throw Error(ErrorClass::Permanent, "scope: $" + name + " has no value in this run");
        return {value.get<std::string>(), ""};
    };
    return scope_sql(plan_, parse_scope(request_.options.scope, value_of));
}

bool TableLoad::key_has_nulls() const {
    std::string any;
    for (const std::string& k : plan_.key) any += (any.empty() ? "" : " OR ") + quote_identifier(k) + " IS NULL";
    duckdb::Connection db = database_.connect();
    return db.query("SELECT count(*) > 0 FROM " + dataset_ + " WHERE " + any).single_value().get<bool>();
}

void TableLoad::refuse_duplicate(const std::string& key) const {
    std::string names;
    for (const std::string& k : plan_.key) names += (names.empty() ? "" : ", ") + k;
    throw Error(ErrorClass::BadData, "the dataset " + table_.spec.task + " has the key (" + names + ") = (" + key + ") twice; nothing was loaded into " + counts_.table,
                "aggregate or de-duplicate in a transform, widen the key, or say which row wins with `newest_by`");
}

/// Nothing to compare with, and a key index (or one to come) that finds duplicates.
bool TableLoad::may_load_directly() const {
    return !plan_.has_rows && (plan_.created || plan_.key_has_index) && request_.options.newest_by.empty() && delete_rule_ != "when";
}

void TableLoad::load_into_empty() {
    step("copying");
    try {
        counts_.inserted = copy_all("SELECT * FROM " + dataset_, plan_.name.quoted());
        if (plan_.created) {
            step("building the key", counts_.inserted);
            session_.run("SET LOCAL maintenance_work_mem = '128MB'");
            session_.run(create_key(plan_, key_has_nulls()));
        }
    } catch (const SqlError& e) {
        // DETAIL: Key (id)=(7) is duplicated. | Key (id)=(7) already exists.
        const std::size_t from = e.detail.find(")=("), to = e.detail.rfind(") ");
        if (e.sqlstate == "23505" && from != std::string::npos && to != std::string::npos) refuse_duplicate(e.detail.substr(from + 3, to - from - 3));
        throw;
    }
}

void TableLoad::append() {
    if (request_.context.interval_start) {
        const Rows earlier = session_.run("SELECT batch_id FROM " + quote_identifier(ledger_schema_) + "._millrace_ledger WHERE interval_key = $1 AND batch_id <> $2 AND $3 = ANY(tables)",
                                          {request_.interval_key, request_.batch_id, counts_.table});
        for (int i = 0; i < earlier.size(); ++i) counts_.deleted += session_.run("DELETE FROM " + plan_.name.quoted() + " WHERE _batch_id = $1", {earlier.text(i, 0)}).changed();
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
    return copy.finish();
}

} // namespace millrace::postgres
