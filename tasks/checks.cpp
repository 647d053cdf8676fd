#include "tasks/checks.hpp"

#include "flows/counted.hpp"
#include "flows/letters.hpp"
#include "flows/sql_identifier.hpp"
#include "flows/sql_scan.hpp"
#include "tasks/rejects.hpp"
#include "tasks/row_json.hpp"
#include "tasks/sql_place.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace millrace {
namespace {

constexpr int most_examples = 3;      ///< rows in the message
constexpr std::size_t most_shown = 8; ///< columns of an example
constexpr int longest_value = 40;     ///< characters

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
std::vector<ManifestColumn> columns_to_show(const std::string& sql, std::vector<ManifestColumn> columns) {
    const std::vector<SqlToken> tokens = scan_sql(sql);
    std::map<std::string, int> mentions;
    for (const SqlToken& token : tokens)
        if (is_name(token)) ++mentions[lower_case(token.text)];
    const auto count = [&](const std::string& name) { return mentions.contains(lower_case(name)) ? mentions.at(lower_case(name)) : 0; };
    using Column = ManifestColumn;
    const bool any = std::any_of(columns.begin(), columns.end(), [&](const Column& c) { return count(c.name) > 0; });
    if (any && selects_all(tokens)) std::erase_if(columns, [&](const Column& c) { return count(c.name) == 0; });
    std::stable_sort(columns.begin(), columns.end(), [&](const Column& a, const Column& b) { return count(a.name) > count(b.name); });
    if (columns.size() > most_shown) columns.resize(most_shown);
    return columns;
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
        std::vector<ManifestColumn> columns;
        for (const duckdb::Column& c : none.columns()) columns.push_back({c.name, c.type.name});
        (void)run(fmt::format("CREATE OR REPLACE TEMP TABLE _broken AS SELECT {} AS raw, {} AS shown{}{}", row_json("_broken_row", columns),
                              shown_sql(columns_to_show(sql_, columns)), rows, most_to_look_at));
    }

    [[nodiscard]] bool warns() const { return spec_.severity == "warn"; }

    /// What was collected, in the dataset of rejected rows.
    void keep(Manifest& manifest) {
        const std::string rows =
            fmt::format("SELECT NULL::VARCHAR AS _column, {} AS _rule, NULL::VARCHAR AS _value, CAST(rowid + 1 AS "
                        "VARCHAR) AS _position, raw AS _raw FROM _broken ORDER BY rowid",
                        quote_literal("breaks check " + spec_.name + (warns() ? ", which only warns: the row stays" : "")));
        keep_rejects(db_, request_.folder, fmt::format("check-{}-{}", spec_.name, request_.attempt), rows, most_to_look_at, manifest);
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
    [[nodiscard]] static std::string shown_sql(const std::vector<ManifestColumn>& columns) {
        std::string members;
        for (const ManifestColumn& c : columns) {
            const std::string value = "_broken_row." + quote_identifier(c.name), text = "CAST(" + value + " AS VARCHAR)";
            members += fmt::format("{}{}: CASE WHEN length({}) > {} THEN to_json(left({}, {}) || '...') ELSE to_json({}) END",
                                   members.empty() ? "" : ", ", quote_literal(c.name), text, longest_value, text, longest_value,
                                   shown_json(value, c.type));
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
        check.keep(manifest);
        (check.warns() ? manifest.warned : manifest.rejected) += violations;
        if (!check.warns()) throw FailedWithRejects(Error(ErrorClass::BadData, message), manifest, request.folder);
        session.event(
            "warning", message,
            {{"check", spec.name}, {"rows", violations}, {"examples", examples}, {"file", rejects_path(manifest, request.folder)}});
    }
}

} // namespace millrace
