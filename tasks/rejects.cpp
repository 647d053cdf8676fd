#include "tasks/rejects.hpp"

#include "flows/counted.hpp"
#include "flows/sql_identifier.hpp"
#include "flows/sql_scan.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <vector>

namespace millrace {
namespace {

constexpr int most_reasons = 3;  ///< that a message tells
constexpr int most_examples = 3; ///< of each

/// A member of a record as a JSON pointer: it takes every name, as a path does not.
std::string pointer_to(const std::string& name) {
    std::string out = "/";
    for (const char c : name) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    return out;
}

/// A text like "'-1.00' where id is 5". A record may be among them because it is no JSON at all.
std::string example_sql(const std::vector<std::string>& keys) {
    std::string key = "NULL";
    if (!keys.empty()) { // one says enough
        const std::string name = quote_literal(keys.front()), member = quote_literal(pointer_to(keys.front()));
        key = fmt::format("CASE WHEN _column IS DISTINCT FROM {} AND json_valid(_raw) THEN 'where ' || {} || ' is ' || "
                          "coalesce(nullif(left(json_extract_string(_raw, {}), 40), ''), ) END",
                          name, name, member);
    }
    return "nullif(concat_ws(' ', '''' || left(_value, 60) || '''', " + key + "), '')";
}

/// A contract never rounds; what does not fit a decimal mostly has too many digits behind the point.
std::string rounding_remedy(const std::string& column, const std::string& rule, bool of_sql) {
    int width = 0, scale = 0;
    if (std::sscanf(rule.c_str(), "does not fit decimal(%d,%d)", &width, &scale) != 2) return {};
    return of_sql ? fmt::format("nothing is rounded silently: write round({}, {}) in the SQL, or declare a wider decimal", column, scale)
                  : fmt::format("nothing is rounded silently: let {} digits come, or declare a wider decimal", scale);
}

/// Whether the expression that ends in `as column` divides.
bool divides_into(const std::string& column, const std::string& sql) {
    struct Level {
        bool is_select = false, divides = false;
    };
    std::vector<Level> levels(1); // of parentheses
    const auto tokens = scan_sql(sql);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const std::string& text = tokens[i].text;
        Level& level = levels.back();
        if (text == "select") level = {true, false};
        if (text == "," && level.is_select) level.divides = false;
        if (tokens[i].kind == SqlToken::Kind::Symbol && (text.starts_with("/") || text.starts_with("%"))) level.divides = true;
        if (level.divides && text == "as" && i + 1 < tokens.size() && tokens[i + 1].text == column) return true;
        if (text == "(") levels.emplace_back();
        if (text == ")" && levels.size() > 1) {
            const Level inner = levels.back();
            levels.pop_back();
            levels.back().divides = levels.back().divides || (inner.divides && !inner.is_select);
        }
    }
    return false;
}

std::string null_remedy(const std::string& column, const std::string& sql) {
    if (sql.empty()) return "give it a value where it comes from, or let it be NULL: write `null` behind its type in `columns`";
    return fmt::format("{}give it a value in the SQL, coalesce({}, ..), or let it be NULL: write `null` behind its type in `columns`",
                       divides_into(column, sql) ? "x // 0 and x % 0 are NULL; " : "", column);
}

/// `examples` are those of example_sql.
bool is_infinite(const std::vector<std::string>& examples) {
    return std::any_of(examples.begin(), examples.end(), [](const std::string& e) {
        return e.starts_with("'inf'") || e.starts_with("'-inf'") || e.starts_with("'nan'") || e.starts_with("'-nan'");
    });
}

std::string remedy_of(const Json& reason, const std::vector<std::string>& examples, const std::string& sql) {
    if (!reason["column"].is_string()) return {};
    const auto column = reason["column"].get<std::string>(), rule = reason["rule"].get<std::string>();
    if (rule == "is null") return null_remedy(column, sql);
    if (!reason["numbers"].is_boolean() || !reason["numbers"].get<bool>()) return {};
    if (rule.starts_with("does not fit ") && is_infinite(examples))
        return "floating-point numbers divided by zero give inf or nan: divide by nullif(divisor, 0), which gives NULL";
    return rounding_remedy(column, rule, !sql.empty());
}

/// "('abc' where id is 2, 'x' where id is 3; flows/f.yaml:20)", or nothing.
std::string in_brackets(const std::vector<std::string>& examples, const std::string& place) {
    const std::string separator = examples.empty() || place.empty() ? "" : "; ";
    return examples.empty() && place.empty() ? "" : fmt::format(" ({}{}{})", fmt::join(examples, ", "), separator, place);
}

bool is_beyond(const RejectsSpec& policy, std::int64_t rejected, std::int64_t total) {
    if (policy.to == "fail") return true;
    if (policy.max.percent)
        return total >= policy.min_rows && static_cast<double>(rejected) * 100 > static_cast<double>(total) * *policy.max.percent;
    return rejected > policy.max.count.value_or(0);
}

std::string limit_text(const RejectsSpec& policy) {
    if (policy.to == "fail") return "none is allowed";
    if (policy.max.percent) return fmt::format("at most {} % are allowed", *policy.max.percent);
    return fmt::format("at most {} are allowed", policy.max.count.value_or(0));
}

} // namespace

RejectSummary summarize(duckdb::Connection& db, const std::string& rows, const RejectingTask& task) {
    const std::string sql = fmt::format(
        "SELECT _column AS \"column\", _rule AS rule, count(*) AS n, bool_and(TRY_CAST(_value AS DOUBLE) IS NOT NULL) AS "
        "numbers, arg_min(example, place, {}) AS examples FROM (SELECT *, {} AS example, "
        "coalesce(TRY_CAST(_position AS BIGINT), 0) AS place FROM ({})) GROUP BY ALL ORDER BY n DESC, rule, \"column\" LIMIT {}",
        most_examples, task.sensitive ? "NULL" : example_sql(task.keys), rows, most_reasons + 1);
    RejectSummary out;
    int told = 0;
    for (const Json& reason : db.query(sql).rows(most_reasons + 1)) {
        if (told++ == most_reasons) {
            out.text += "; and more";
            break;
        }
        const auto n = reason["n"].get<std::int64_t>();
        const auto column = reason["column"].is_string() ? reason["column"].get<std::string>() : "";
        std::vector<std::string> examples;
        for (const Json& example : reason["examples"].is_array() ? reason["examples"] : Json::array())
            if (example.is_string() && std::find(examples.begin(), examples.end(), example.get<std::string>()) == examples.end())
                examples.push_back(example.get<std::string>());
        out.text +=
            fmt::format("{}{}{}{} in {}{}", out.text.empty() ? "" : "; ", column, column.empty() ? "" : " ",
                        reason["rule"].get<std::string>(), counted(n, "row"), in_brackets(examples, place_of_column(task.origin, column)));
        if (out.remedy.empty()) out.remedy = remedy_of(reason, examples, task.sql);
    }
    if (told > 1) out.text += "; a row is counted once, under the first rule that it breaks";
    return out;
}

std::int64_t most_kept(const RejectsSpec& policy) {
    constexpr std::int64_t all = std::int64_t{1} << 60;
    return policy.to == "drop" ? 0 : policy.to == "fail" ? most_to_look_at : all;
}

std::string with_earlier_rejects(const std::string& rows, const std::string& folder, const Manifest& manifest) {
    const std::string path = rejects_path(manifest, folder);
    return path.empty() ? rows : "(" + rows + ") UNION ALL SELECT * FROM " + rows_of(path, read_manifest(path));
}

void keep_rejects(duckdb::Connection& db, const std::string& folder, const std::string& name, const std::string& rows, std::int64_t most,
                  Manifest& manifest) {
    const std::string file = name + ".parquet";
    const auto count = db.query(fmt::format("COPY (SELECT * FROM ({}) LIMIT {}) TO {} (FORMAT parquet, COMPRESSION zstd)", rows, most,
                                            quote_literal(folder + "/" + file)))
                           .rows_changed();
    Manifest rejects;
    rejects.task = manifest.task;
    rejects.interval_key = manifest.interval_key;
    rejects.extracted_at = manifest.extracted_at;
    rejects.sensitive = manifest.sensitive;
    for (const char* column : reject_columns) rejects.columns.push_back({column, "VARCHAR"});
    rejects.rows = static_cast<std::int64_t>(count);
    rejects.parts = {finish_part(folder, file, rejects.rows)};
    if (const std::string path = rejects_path(manifest, folder); !path.empty()) {
        const Manifest earlier = read_manifest(path);
        rejects.rows += earlier.rows;
        rejects.parts.insert(rejects.parts.end(), earlier.parts.begin(), earlier.parts.end());
    }
    manifest.quarantine = name + ".json";
    (void)write_manifest(folder, rejects, manifest.quarantine);
}

std::string keep_refused_deletes(duckdb::Connection& db, const std::string& folder, const std::string& name, const std::string& rule,
                                 const std::vector<std::string>& some, Manifest manifest) {
    std::string list;
    for (const std::string& row : some) list += (list.empty() ? "" : ", ") + quote_literal(row);
    const std::string rows = fmt::format("SELECT NULL::VARCHAR AS _column, {} AS _rule, NULL::VARCHAR AS _value, CAST(i AS VARCHAR) AS "
                                         "_position, l[i] AS _raw FROM (SELECT [{}] AS l), range(1, {}) r(i)",
                                         quote_literal(rule), list, some.size() + 1);
    keep_rejects(db, folder, name, rows, static_cast<std::int64_t>(some.size()), manifest);
    return rejects_path(manifest, folder);
}

std::string rejects_path(const Manifest& manifest, const std::string& folder) {
    return manifest.quarantine.empty() ? "" : folder + "/" + manifest.quarantine;
}

void tell_rejects(const RejectsSpec& policy, const Manifest& manifest, const std::string& folder, std::int64_t total,
                  const std::string& what, const RejectSummary& summary, AttemptSession& session) {
    if (is_beyond(policy, manifest.rejected, total))
        throw FailedWithRejects(Error(ErrorClass::BadData,
                                      fmt::format("{} of {} {}, {}: {}", count_text(manifest.rejected), count_text(total), what,
                                                  limit_text(policy), summary.text),
                                      summary.remedy),
                                manifest, folder);
    session.event("quarantined",
                  fmt::format("{} of {} {} and were left out: {}", count_text(manifest.rejected), count_text(total), what, summary.text),
                  {{"rejected", manifest.rejected}, {"rows", total}, {"to", policy.to}, {"file", rejects_path(manifest, folder)}});
}

} // namespace millrace
