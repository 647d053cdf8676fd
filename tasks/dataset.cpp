#include "tasks/dataset.hpp"

#include "flows/sql_identifier.hpp"
#include "flows/sql_scan.hpp"
#include "flows/time.hpp"
#include "tasks/checks.hpp"
#include "tasks/contract.hpp"
#include "tasks/rejects.hpp"
#include "tasks/row_json.hpp"
#include "tasks/sql_place.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <vector>

namespace millrace {
namespace {

struct Shape {
    std::vector<duckdb::Column> columns;
    bool parameters = false; ///< the SQL has some
};

Shape shape_of(duckdb::Connection& db, const std::string& sql, const duckdb::Bindings& values) {
    duckdb::Statement plain = db.prepare(sql);
    if (plain.parameters().empty()) return {plain.columns(), false};
    duckdb::Statement statement = db.prepare("SELECT * FROM (" + sql + "\n) LIMIT 0");
    statement.bind(values);
    return {statement.run().columns(), true};
}

/// DuckDB plans a statement that reads Parquet a second time when it was prepared, which is a third of the time of one over few
/// rows. Over many it does not count, but that DuckDB's own wait for the last of its threads burns a core.
enum class Way { Prepared, AtOnce };
constexpr std::int64_t few_rows = 100'000;

struct Copied {
    std::int64_t rows = 0;
    std::int64_t ruled = 0; ///< rows whose `_rule` is not null
};

constexpr const char* copy_begins = "COPY (";

Copied copy_rows(duckdb::Connection& db, const std::string& sql, const duckdb::Bindings& values, const std::string& path, Way way) {
    const std::string copy =
        copy_begins + sql + "\n) TO " + quote_literal(path) +
        " (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 30720, RETURN_STATS)"; // a row group waits in memory, one for each thread
    const auto run_prepared = [&] {
        duckdb::Statement statement = db.prepare(copy);
        statement.bind(values);
        return statement.run();
    };
    const Json stats = (way == Way::AtOnce ? db.query(copy) : run_prepared()).rows(1).at(0);
    Copied out{stats.at("count").get<std::int64_t>(), 0};
    const Json& columns = stats.at("column_statistics");
    const auto rule = columns.find("\"_rule\"");
    if (rule != columns.end()) out.ruled = out.rows - std::stoll(rule->value("null_count", "0"));
    return out;
}

/// Writes one dataset; lives for one call.
class Writer {
public:
    Writer(duckdb::Connection& db, const DatasetRequest& request, AttemptSession& session)
        : db_(db), request_(request), session_(session), manifest_(request.manifest), sql_(without_semicolon(request.sql)) {}

    WrittenDataset write() {
        std::filesystem::create_directories(request_.folder);
        if (request_.contract.columns.empty())
            write_plain();
        else
            write_judged();
        try {
            run_checks(db_, request_, manifest_, session_);
        } catch (const FailedWithRejects&) {
            throw;
        } catch (const Error& e) {
            if (manifest_.rejected + manifest_.warned == 0) throw;
            throw FailedWithRejects(e, manifest_, request_.folder);
        }
        const std::string path = write_manifest(request_.folder, manifest_, "manifest.json", unsynced_);
        return {manifest_, path};
    }

private:
    [[nodiscard]] std::string file(const char* kind) const { return fmt::format("{}-{}-00000.parquet", kind, request_.attempt); }
    [[nodiscard]] std::string path(const std::string& file) const { return request_.folder + "/" + file; }

    /// With its place in the task's own SQL, which `statement` holds, where it has some.
    [[nodiscard]] duckdb::QueryError told(const duckdb::QueryError& e, const std::string& statement) const {
        return request_.rows_of == RowsOf::Command ? with_place(e, "", "", request_.origin)
                                                   : with_place(e, statement, sql_, request_.origin);
    }

    [[nodiscard]] Copied copy_rows_of_flow(const std::string& sql, const std::string& part) const {
        try {
            return copy_rows(db_, sql, *request_.values, path(part), way_);
        } catch (const duckdb::QueryError& e) {
            throw told(e, copy_begins + sql);
        }
    }

    /// The columns of the task's SQL; settles how it is run.
    [[nodiscard]] std::vector<duckdb::Column> look_at_flow() {
        try {
            Shape shape = shape_of(db_, sql_, *request_.values);
            const bool few = request_.rows_read >= 0 && request_.rows_read <= few_rows;
            way_ = few && !shape.parameters ? Way::AtOnce : Way::Prepared;
            return std::move(shape.columns);
        } catch (const duckdb::QueryError& e) {
            throw told(e, sql_);
        }
    }

    void write_plain() {
        const std::string part = file("part");
        std::string names;
        bool as_they_are = true;
        for (const duckdb::Column& c : look_at_flow()) {
            const std::string stored = stored_type(c.type.name), name = quote_identifier(c.name);
            as_they_are = as_they_are && stored == c.type.name;
            names += (names.empty() ? "" : ", ") + (stored == c.type.name ? name : "CAST(" + name + " AS " + stored + ") AS " + name);
            manifest_.columns.push_back({c.name, stored});
        }
        const Copied copied = copy_rows_of_flow(as_they_are ? sql_ : "SELECT " + names + " FROM (" + sql_ + "\n)", part);
        add_part(part, copied.rows);
    }

    void write_judged() {
        const std::vector<duckdb::Column> found = look_at_flow();
        const JudgedSql judged = judge("(" + sql_ + "\n)", found, request_.contract.columns, request_.rows_of);
        for (const ColumnSpec& c : request_.contract.columns) manifest_.columns.push_back({c.name, stored_type(c.type), c.nullable});
        const std::string part = file("part");
        const Copied copied = copy_rows_of_flow(judged.select, part);
        const std::string rows = "read_parquet(" + quote_literal(path(part)) + ", file_row_number = true)";
        const std::string also = other_violations(rows);
        const bool sound =
            copied.ruled == 0 && (also.empty() || db_.query("SELECT count(*) = 0 FROM (" + also + ")").single_value().get<bool>());
        if (sound) return add_part(part, copied.rows);
        reject(part, rows, also, copied.rows + manifest_.rejected);
    }

    /// Rows that break `unique` or `references`, as (place, why): they are found by looking at other rows. Empty: no such rule.
    [[nodiscard]] std::string other_violations(const std::string& rows) const {
        std::string out;
        for (const ColumnSpec& c : request_.contract.columns) {
            const std::string name = quote_identifier(c.name), join = out.empty() ? "" : "\nUNION ALL ", type = stored_type(c.type);
            if (c.unique && repeats(name, rows))
                out += join + "SELECT place, " + reason_sql(c.name, "is there twice", shown_text("v", type)) +
                       " AS why FROM (SELECT file_row_number AS place, " + name + " AS v, row_number() OVER (PARTITION BY " + name +
                       " ORDER BY file_row_number) AS nth FROM " + rows + " WHERE _rule IS NULL AND " + name +
                       " IS NOT NULL) WHERE nth > 1";
            if (!c.references_task.empty())
                out +=
                    (out.empty() ? "" : "\nUNION ALL ") +
                    ("SELECT file_row_number AS place, " +
                     reason_sql(c.name, "is not in " + c.references_task + "(" + c.references_column + ")", shown_text("t." + name, type)) +
                     " AS why FROM " + rows + " t WHERE _rule IS NULL AND t." + name + " IS NOT NULL AND NOT EXISTS (SELECT 1 FROM " +
                     quote_identifier(c.references_task) + " u WHERE u." + quote_identifier(c.references_column) + " = t." + name + ")");
        }
        return out;
    }

    /// The cheap question first: a window over all rows is only worth its memory when something may repeat. Hashes need less of it
    /// than values; two values with one hash only cost the window.
    [[nodiscard]] bool repeats(const std::string& name, const std::string& rows) const {
        return db_
            .query("SELECT count(" + name + ") > count(DISTINCT hash(" + name + ")) FROM " + rows + " WHERE _rule IS NULL AND " + name +
                   " IS NOT NULL")
            .single_value()
            .get<bool>();
    }

    void reject(const std::string& part, const std::string& rows, const std::string& also, std::int64_t total) {
        db_.query("CREATE OR REPLACE TEMP TABLE _rejected AS SELECT place, min(why) AS why FROM (SELECT file_row_number AS place, _rule AS "
                  "why FROM " +
                  rows + " WHERE _rule IS NOT NULL" + (also.empty() ? "" : "\nUNION ALL " + also) + ") GROUP BY place");
        manifest_.rejected += db_.query("SELECT count(*) FROM _rejected").single_value().get<std::int64_t>();
        manifest_.doubt(manifest_.task + ": rows were rejected");
        const RejectsSpec& policy = request_.contract.rejects;
        const std::string rejected = with_earlier_rejects(rejected_rows(rows), request_.folder, manifest_);
        if (const auto most = most_kept(policy); most > 0)
            keep_rejects(db_, request_.folder, fmt::format("quarantine-{}", request_.attempt), rejected_rows(rows), most, manifest_);
        std::vector<std::string> keys;
        for (const ColumnSpec& c : request_.contract.columns)
            if (c.unique) keys.push_back(c.name);
        tell_rejects(policy, manifest_, request_.folder, total, "rows break the contract",
                     summarize(db_, rejected, {std::move(keys), manifest_.sensitive, request_.origin, sql_}), session_);
        const std::string good = file("kept");
        const std::string where = " WHERE file_row_number NOT IN (SELECT place FROM _rejected)";
        std::string names;
        for (const ManifestColumn& c : manifest_.columns) names += (names.empty() ? "" : ", ") + quote_identifier(c.name);
        const Copied kept = copy_rows(db_, "SELECT " + names + " FROM " + rows + where, {}, path(good), Way::Prepared);
        std::filesystem::remove(path(part));
        add_part(good, kept.rows);
    }

    /// What is in the way of a rule over several rows was cast already, and has no `_raw`.
    [[nodiscard]] std::string rejected_rows(const std::string& rows) const {
        return "SELECT x.why ->> '$.column' AS _column, x.why ->> '$.rule' AS _rule, " +
               std::string(manifest_.sensitive ? "CAST(NULL AS VARCHAR)" : "x.why ->> '$.value'") +
               " AS _value, CAST(x.place + 1 AS VARCHAR) AS _position, coalesce(t._raw, " + row_json("t", manifest_.columns) +
               ") AS _raw FROM " + rows + " t JOIN _rejected x ON x.place = t.file_row_number ORDER BY x.place";
    }

    void add_part(const std::string& name, std::int64_t rows) {
        manifest_.rows = rows;
        manifest_.parts.push_back(finish_part(request_.folder, name, rows, Durable::WithManifest));
        unsynced_.push_back(name);
    }

    duckdb::Connection& db_;
    const DatasetRequest& request_;
    AttemptSession& session_;
    Manifest manifest_;
    std::string sql_;
    std::vector<std::string> unsynced_; ///< parts
    Way way_ = Way::Prepared;
};

} // namespace

Manifest begun(const AttemptOrder& order) {
    Manifest out;
    out.task = order.task;
    out.interval_key = order.interval_key;
    out.complete = true;
    if (order.context.limit_rows) out.doubt("the run has a row limit");
    return out;
}

Manifest inherited(const AttemptOrder& order) {
    Manifest out = begun(order);
    for (const auto& [task, path] : order.inputs) {
        const Manifest input = read_manifest(path);
        out.complete = out.complete && input.complete;
        out.doubts.insert(input.doubts.begin(), input.doubts.end());
        out.failed += input.failed;
        out.sensitive = out.sensitive || input.sensitive;
        if (!input.extracted_at.empty() &&
            (out.extracted_at.empty() || parse_rfc3339(input.extracted_at) < parse_rfc3339(out.extracted_at)))
            out.extracted_at = input.extracted_at;
    }
    if (out.extracted_at.empty()) out.extracted_at = order.context.run_at;
    return out;
}

AttemptDone completed(const WrittenDataset& written) {
    AttemptDone done;
    done.outcome = "completed";
    done.manifest = written.path;
    done.dataset_hash = written.manifest.hash;
    done.rows = done.progress.records = written.manifest.rows;
    done.rejected = written.manifest.rejected;
    done.warned = written.manifest.warned;
    if (!written.manifest.quarantine.empty())
        done.rejects = std::filesystem::path(written.path).replace_filename(written.manifest.quarantine);
    return done;
}

WrittenDataset write_dataset(duckdb::Connection& db, const DatasetRequest& request, AttemptSession& session) {
    return Writer(db, request, session).write();
}

} // namespace millrace
