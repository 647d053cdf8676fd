#include "tasks/checks.hpp"

#include "flows/counted.hpp"
#include "flows/letters.hpp"
#include "flows/sql_identifier.hpp"
#include "flows/sql_scan.hpp"
#include "tasks/rejects.hpp"
#include "tasks/sql_place.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace millrace {
namespace {

constexpr int most_kept_of_a_check = 1000; ///< rows, to be looked at
constexpr int most_examples = 3;           ///< of them in the message
constexpr std::size_t most_shown = 8;      ///< columns of an example
constexpr int longest_value = 40;          ///< characters

/// What stands after `select`: `*`, `t.*`, `a, *`. No product, no count(*).
bool selects_all(const std::vector<SqlToken>& tokens) {
    bool selects = false;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        selects = selects || tokens[i].text == "select";
        if (i == 0 || tokens[i].kind != SqlToken::Kind::Symbol || tokens[i].text != "*") continue;
        const std::string& before = tokens[i - 1].text;
        if (before == "select" || before == "distinct" || before == "," || before == ".") return true;
    }
    return !selects; // `from this where ..` of DuckDB
}

/// Which columns of the rows that break a check say why: those that its SQL names, most often named first. SQL without a `*` chose
/// them all.
std::vector<std::string> columns_to_show(const std::string& sql, const std::vector<duckdb::Column>& columns) {
    const std::vector<SqlToken> tokens = scan_sql(sql);
    std::map<std::string, int> mentions;
    for (const SqlToken& token : tokens)
        if (is_name(token)) ++mentions[lower_case(token.text)];
    const auto count = [&](const std::string& name) { return mentions.contains(lower_case(name)) ? mentions.at(lower_case(name)) : 0; };
    std::vector<std::string> names;
    for (const duckdb::Column& c : columns) names.push_back(c.name);
    const bool any = std::any_of(names.begin(), names.end(), [&](const std::string& n) { return count(n) > 0; });
    if (any && selects_all(tokens)) std::erase_if(names, [&](const std::string& n) { return count(n) == 0; });
    std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) { return count(a) > count(b); });
    if (names.size() > most_shown) names.resize(most_shown);
    return names;
}

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
        const std::string rows = " FROM (" + sql_ + "\n) _broken_row LIMIT ";
        const duckdb::Result none = run("SELECT *" + rows + "0");
        (void)run(
            fmt::format("CREATE OR REPLACE TEMP TABLE _broken AS SELECT CAST(to_json(_broken_row) AS VARCHAR) AS raw, {} AS shown{}{}",
                        shown_sql(columns_to_show(sql_, none.columns())), rows, most_kept_of_a_check));
    }

    /// What was collected, in the dataset of rejected rows.
    void keep(Manifest& manifest) {
        const std::string rows = fmt::format("SELECT NULL::VARCHAR AS _column, {} AS _rule, NULL::VARCHAR AS _value, CAST(rowid + 1 AS "
                                             "VARCHAR) AS _position, raw AS _raw FROM _broken ORDER BY rowid",
                                             quote_literal("breaks check " + spec_.name));
        keep_rejects(db_, request_.folder, fmt::format("checks-{}", request_.attempt),
                     with_earlier_rejects(rows, request_.folder, manifest), std::int64_t{1} << 60, manifest);
    }

    /// Of what was collected, each as a JSON object of the columns that say why.
    [[nodiscard]] std::vector<std::string> examples() {
        std::vector<std::string> out;
        for (const Json& row :
             db_.query(fmt::format("SELECT shown FROM _broken ORDER BY rowid LIMIT {}", most_examples)).rows(most_examples))
            out.push_back(row["shown"].get<std::string>());
        return out;
    }

private:
    /// JSON of these columns, where what is long is a text that is cut.
    [[nodiscard]] static std::string shown_sql(const std::vector<std::string>& columns) {
        std::string members;
        for (const std::string& name : columns) {
            const std::string value = "_broken_row." + quote_identifier(name), text = "CAST(" + value + " AS VARCHAR)";
            members += fmt::format("{}{}: CASE WHEN length({}) > {} THEN to_json(left({}, {}) || '...') ELSE to_json({}) END",
                                   members.empty() ? "" : ", ", quote_literal(name), text, longest_value, text, longest_value, value);
        }
        return "CAST(to_json({" + members + "}) AS VARCHAR)";
    }

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
