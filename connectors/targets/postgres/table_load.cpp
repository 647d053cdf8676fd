#include "connectors/targets/postgres/table_load.hpp"

#include "connectors/targets/postgres/batch.hpp"
#include "connectors/targets/postgres/copy_stream.hpp"
#include "connectors/targets/postgres/merge_sql.hpp"
#include "connectors/targets/postgres/row_source.hpp"
#include "flows/counted.hpp"
#include "flows/sql_identifier.hpp"
#include "flows/time.hpp"

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

TableLoad::TableLoad(Session& session, const duckdb::Database& database, const LoadRequest& request, const LoadRequest::Table& table,
                     const LoadMonitor& monitor, const std::string& default_schema, int number)
    : session_(session), database_(database), request_(request), table_(table), monitor_(monitor),
      dataset_(rows_of(table.manifest_path, table.manifest)), stage_("pg_temp._millrace_stage_" + std::to_string(number)),
      doomed_("pg_temp._millrace_doomed_" + std::to_string(number)),
      delete_rule_(request.context.limit_rows ? "" : rule_of(request.options)) {
    check_deletes();
    plan_ = plan_table(session, request, table, monitor, default_schema, columns_of(database, dataset_));
    counts_.table = plan_.name.display();
    if (!request.options.newest_by.empty() && !plan_.has_column(request.options.newest_by))
        throw Error(ErrorClass::Permanent,
                    "newest_by: the dataset " + table.spec.task + " has no column '" + request.options.newest_by + "'");
    check_nulls();
}

LoadCounts TableLoad::run() {
    const auto begin = std::chrono::steady_clock::now();
    try {
        write_rows();
    } catch (const SqlError& e) {
        explain_violation(e);
    }
    check_rows_read();
    counts_.rejected = table_.manifest.rejected;
    counts_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return counts_;
}

void TableLoad::write_rows() {
    const std::string& mode = table_.spec.mode;
    if (mode == "replace") check_replace();
    if (mode == "append") return append();
    if (mode == "replace" && plan_.key.empty()) return replace_without_key();
    if (plan_.key.empty()) throw Error(ErrorClass::Permanent, "mode " + mode + " of " + counts_.table + " needs a `key`");
    if (may_load_directly()) {
        load_into_empty();
    } else {
        if (mode != "insert_new") tell_of_emptied_columns();
        merge();
    }
    if (plan_.created) make_key();
    tell_of_repeated_keys();
}

void TableLoad::step(const std::string& name, std::int64_t rows) const {
    if (monitor_.cancelled && monitor_.cancelled()) throw Error(ErrorClass::Cancelled, "the attempt was cancelled");
    if (monitor_.progress) monitor_.progress(name, rows, table_.manifest.rows);
}

std::string TableLoad::scope() {
    if (request_.options.scope.empty()) return "true";
    duckdb::Connection db = database_.connect(request_.context.timezone);
    return scope_sql(plan_, evaluate_scope(request_.options.scope, db, *request_.values));
}

/// A row that the dataset may hold only in part, such as the sum of a week that begins before the interval, overwrites the whole.
void TableLoad::tell_of_rows_outside(const std::string& scope, const std::string& where) {
    if (request_.options.scope.empty() || !monitor_.event) return;
    const std::int64_t outside =
        session_.run("SELECT count(*) FROM " + where + " t WHERE NOT coalesce((" + scope + "), false)").integer(0, 0);
    if (outside == 0) return;
    monitor_.event("warning",
                   fmt::format("{}: {} of {} rows of `{}` lie outside the scope ({}), and this load writes them, though the dataset may "
                               "hold them only in part: keep to the scope in the SQL, or give the run an interval of whole steps",
                               counts_.table, count_text(outside), count_text(table_.manifest.rows), table_.spec.task,
                               request_.options.scope),
                   {{"table", counts_.table}, {"rows", outside}});
}

/// As the contract says, so that the table does not depend on what the first batch happens to hold; without one, by what it holds.
bool TableLoad::key_may_be_null() const {
    std::string any;
    for (const std::string& k : plan_.key) {
        const auto column = std::find_if(table_.manifest.columns.begin(), table_.manifest.columns.end(),
                                         [&](const ManifestColumn& c) { return c.name == k; });
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

/// What the parts hold must be what the manifest says: a part that lost rows would be a load that lost them.
void TableLoad::check_rows_read() const {
    const bool all_are_read = request_.options.newest_by.empty();
    if (all_are_read ? rows_read_ == table_.manifest.rows : rows_read_ <= table_.manifest.rows) return;
    throw Error(ErrorClass::Permanent,
                fmt::format("the dataset {} is damaged: its parts hold {} rows where its manifest says {}", table_.spec.task,
                            count_text(rows_read_), count_text(table_.manifest.rows)),
                "run its task again");
}

/// Nothing to compare with, and a key index (or one to come) that finds duplicates: also those of NULL, which an index that is
/// there may let pass, and before PostgreSQL 15 every one does.
bool TableLoad::may_load_directly() const {
    if (plan_.has_rows || !request_.options.newest_by.empty() || delete_rule_ == "when") return false;
    return plan_.created ? session_.version() >= nulls_not_distinct || !key_may_be_null()
                         : !plan_.key_indexes.empty() && !plan_.nullable_key;
}

void TableLoad::load_into_empty() {
    step("copying");
    if (!plan_.created) {
        session_.run("SAVEPOINT before_copy"); // so that the table can be looked at after a violation
        has_savepoint_ = true;
    }
    counts_.inserted = copy_all("SELECT * FROM " + dataset_, plan_.name.quoted());
    if (delete_rule_ == "missing") tell_of_rows_outside(scope(), plan_.name.quoted());
}

void TableLoad::make_key() {
    step("building the key", counts_.inserted);
    session_.run("SET LOCAL maintenance_work_mem = '128MB'");
    session_.run(create_key(plan_, key_may_be_null() ? NullsInKey::Possible : NullsInKey::None, session_.version()));
}

/// Another cut of the time, such as by another `chunk`: what it appended of the same time stays, and is there twice.
void TableLoad::tell_of_overlap(const std::string& ledger) {
    constexpr double most_looked_through = 2e6; // rows, for those of a batch; a larger table takes too long
    if (!monitor_.event) return;
    const bool looks = plan_.estimated_rows <= most_looked_through;
    const std::string still_there = " AND EXISTS (SELECT 1 FROM " + plan_.name.quoted() + " t WHERE t._batch_id = l.batch_id)";
    const Rows other =
        session_.run("SELECT l.run_id, " + micros_of("l.interval_start") + ", " + micros_of("l.interval_end") + " FROM " + ledger +
                         " l WHERE l.flow = $1 AND l.task = $2 AND $3 = ANY(l.tables) AND l.interval_start < $5 AND "
                         "l.interval_end > $4 AND (l.interval_start, l.interval_end) <> ($4, $5)" +
                         (looks ? still_there : "") + " ORDER BY l.run_id DESC LIMIT 1",
                     {request_.context.flow, request_.task, counts_.table, request_.context.interval_start, request_.context.interval_end});
    if (other.empty()) return;
    monitor_.event(
        "warning",
        fmt::format("{}: run {} appended the rows of {} to {}, which this interval overlaps: what both brought is there twice{}; "
                    "delete the rows of one of them by _batch_id, or load by key (mode upsert)",
                    counts_.table, other.text(0, 0), to_rfc3339(from_micros(other.integer(0, 1))),
                    to_rfc3339(from_micros(other.integer(0, 2))), looks ? "" : ", unless it was deleted since"),
        {{"table", counts_.table}});
}

void TableLoad::append() {
    if (request_.context.interval_start && !plan_.created) {
        const std::string ledger = quote_identifier(plan_.name.schema) + "._millrace_ledger";
        const Rows earlier = session_.run("SELECT batch_id, extracted_at > (SELECT extracted_at FROM " + ledger +
                                              " WHERE batch_id = $2), " + micros_of("extracted_at") + " FROM " + ledger +
                                              " WHERE interval_key = $1 AND batch_id <> $2 AND $3 = ANY(tables)",
                                          {request_.interval_key, request_.batch_id, counts_.table});
        for (int i = 0; i < earlier.size(); ++i) {
            if (!earlier.is_null(i, 1) && earlier.boolean(i, 1))
                throw Error(ErrorClass::Permanent,
                            "this batch was extracted at " + table_.manifest.extracted_at + ", but " + counts_.table +
                                " already holds a newer batch of the same interval, extracted at " +
                                to_rfc3339(from_micros(earlier.integer(i, 2))),
                            std::string(new_run_remedy));
            counts_.deleted += delete_all("FROM " + plan_.name.quoted() + " WHERE _batch_id = " + quote_literal(earlier.text(i, 0)));
        }
        tell_of_overlap(ledger);
    }
    step("copying");
    counts_.inserted = copy_all("SELECT * FROM " + dataset_, plan_.name.quoted());
}

/// The sum of two hashes over all rows of a table, and their number: equal for the same rows in any order.
Rows TableLoad::sums_of(const std::string& table) {
    const std::vector<TargetColumn> columns = plan_.compared_columns();
    const std::string wrapped = " % 18446744073709551616";
    return session_.run("SELECT count(*), coalesce(sum(" + summand_sql(columns, 1) + ")" + wrapped + ", 0), coalesce(sum(" +
                        summand_sql(columns, 2) + ")" + wrapped + ", 0) FROM " + table);
}

/// The same sums of the dataset, without shipping it.
bool TableLoad::sums_to(const Rows& theirs) {
    const auto unsigned_of = [](std::string text) {
        const bool negative = text.starts_with("-");
        const std::uint64_t magnitude = std::stoull(negative ? text.substr(1) : text);
        return negative ? ~magnitude + 1 : magnitude;
    };
    duckdb::Connection db = database_.connect();
    RowSource rows(db, "SELECT * FROM " + dataset_, *request_.values, plan_);
    std::uint64_t first = 0, second = 0;
    std::int64_t n = 0;
    for (; rows.next(); ++n) {
        if (rows.is_time_to_report()) step("comparing", n);
        first += summand(rows.row_hash(1), 1);
        second += summand(rows.row_hash(2), 2);
    }
    rows_read_ = n;
    return first == unsigned_of(theirs.text(0, 1)) && second == unsigned_of(theirs.text(0, 2));
}

void TableLoad::replace_without_key() {
    step("comparing");
    const std::string target = plan_.name.quoted();
    // A jsonb is printed otherwise there than here, so that only the server can compare it.
    const bool staged = plan_.has_rows && plan_.has_jsonb();
    if (staged) {
        session_.run(create_stage(plan_, stage_));
        copy_all("SELECT * FROM " + dataset_, stage_);
    }
    std::int64_t present = 0;
    if (plan_.has_rows) {
        const Rows theirs = sums_of(target);
        present = theirs.integer(0, 0);
        const auto same_on_server = [&] {
            const Rows ours = sums_of(stage_);
            return ours.text(0, 1) == theirs.text(0, 1) && ours.text(0, 2) == theirs.text(0, 2);
        };
        if (present == table_.manifest.rows && (staged ? same_on_server() : sums_to(theirs))) {
            counts_.unchanged = present;
            return;
        }
        counts_.deleted = session_.run("DELETE FROM " + target).changed();
        if (counts_.deleted < present) refuse_swallowed("deletions", present - counts_.deleted, "");
    }
    if (staged) {
        counts_.inserted =
            arrived(table_.manifest.rows,
                    session_.run("INSERT INTO " + target + " (" + column_list(plan_) + ") SELECT " + column_list(plan_) + " FROM " + stage_)
                        .changed());
        return;
    }
    rows_read_ = 0;
    counts_.inserted = copy_all("SELECT * FROM " + dataset_, target);
}

std::int64_t TableLoad::copy_all(const std::string& sql, const std::string& into) {
    duckdb::Connection db = database_.connect(request_.context.timezone);
    RowSource rows(db, sql, *request_.values, plan_);
    const bool fresh = plan_.created && into == plan_.name.quoted(); // nobody else sees it yet: its rows may be written frozen
    CopyStream copy(session_, "COPY " + into + " (" + column_list(plan_) + ") FROM STDIN (FORMAT binary" + (fresh ? ", FREEZE)" : ")"));
    std::int64_t n = 0;
    while (rows.next()) {
        if (rows.is_time_to_report()) step("copying", n);
        copy.add(rows.bytes());
        ++n;
    }
    rows_read_ += n;
    step("finishing the copy", n); // what the server has not read yet may take it long
    const std::int64_t stored = copy.finish();
    return into == plan_.name.quoted() ? arrived(n, stored) : stored;
}

} // namespace millrace::postgres
