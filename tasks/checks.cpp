#include "tasks/checks.hpp"

#include "connectors/sql_identifier.hpp"
#include "flows/counted.hpp"
#include "flows/sql_scan.hpp"
#include "tasks/rejects.hpp"
#include "tasks/sql_place.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

namespace millrace {
namespace {

constexpr int most_kept_of_a_check = 1000; ///< rows, to be looked at
constexpr int most_examples = 3;           ///< of them in the message
constexpr int longest_example = 140;       ///< characters

/// Runs one check; lives for one call.
class Check {
public:
    Check(duckdb::Connection& db, const DatasetRequest& request, const CheckSpec& spec)
        : db_(db), request_(request), spec_(spec), sql_(without_semicolon(spec.sql)) {}

    [[nodiscard]] std::int64_t count() {
        const std::string begin = "SELECT count(*) FROM (";
        try {
            return run(begin + sql_ + "\n)").single_value().get<std::int64_t>();
        } catch (const duckdb::QueryError& e) {
            TaskOrigin place = request_.origin;
            place.sql_line = 0; // the transform's
            duckdb::QueryError told = with_place(e, begin + sql_, sql_, place);
            throw Error(told.error_class, "check " + spec_.name + ": " + told.what(), told.remedy);
        }
    }

    /// The first of the rows, for `keep` and `examples`.
    void collect() {
        (void)run(fmt::format("CREATE OR REPLACE TEMP TABLE _broken AS SELECT CAST(to_json(_broken_row) AS VARCHAR) AS raw FROM ({}\n) "
                              "_broken_row LIMIT {}",
                              sql_, most_kept_of_a_check));
    }

    /// What was collected, in the dataset of rejected rows.
    void keep(Manifest& manifest) {
        const std::string rows = fmt::format("SELECT NULL::VARCHAR AS _column, {} AS _rule, NULL::VARCHAR AS _value, CAST(rowid + 1 AS "
                                             "VARCHAR) AS _position, raw AS _raw FROM _broken ORDER BY rowid",
                                             quote_literal("breaks check " + spec_.name));
        keep_rejects(db_, request_.folder, fmt::format("checks-{}", request_.attempt),
                     with_earlier_rejects(rows, request_.folder, manifest), std::int64_t{1} << 60, manifest);
    }

    /// Of what was collected, each as JSON that may be cut.
    [[nodiscard]] std::vector<std::string> examples() {
        std::vector<std::string> out;
        for (const Json& row : db_.query(fmt::format("SELECT CASE WHEN length(raw) > {0} THEN left(raw, {0}) || '...' ELSE raw END AS raw "
                                                     "FROM _broken ORDER BY rowid LIMIT {1}",
                                                     longest_example, most_examples))
                                   .rows(most_examples))
            out.push_back(row["raw"].get<std::string>());
        return out;
    }

private:
    [[nodiscard]] duckdb::Result run(const std::string& sql) {
        duckdb::Statement statement = db_.prepare(sql);
        statement.bind(*request_.values);
        return statement.run();
    }

    duckdb::Connection& db_;
    const DatasetRequest& request_;
    const CheckSpec& spec_;
    std::string sql_;
};

} // namespace

void run_checks(duckdb::Connection& db, const DatasetRequest& request, Manifest& manifest, AttemptSession& session) {
    if (request.contract.checks.empty()) return;
    db.query("CREATE OR REPLACE TEMP VIEW this AS SELECT * FROM " + rows_of(request.folder + "/manifest.json", manifest));
    for (const CheckSpec& spec : request.contract.checks) {
        Check check(db, request, spec);
        const std::int64_t violations = check.count();
        if (violations == 0) continue;
        check.collect();
        const auto examples = manifest.sensitive ? std::vector<std::string>() : check.examples();
        const auto shown = examples.empty() ? "" : fmt::format(" ({})", fmt::join(examples, ", "));
        const std::string message =
            fmt::format("check {}: {} break{} it{}", spec.name, counted(violations, "row"), violations == 1 ? "s" : "", shown);
        if (spec.severity != "warn") {
            check.keep(manifest);
            throw FailedWithRejects(Error(ErrorClass::BadData, message), manifest.rejected + violations,
                                    rejects_path(manifest, request.folder));
        }
        session.event("warning", message, {{"check", spec.name}, {"rows", violations}, {"examples", examples}});
    }
}

} // namespace millrace
