/// NOT NULL columns of a table that a dataset cannot fill, found before a row is written. A trigger may fill them: then PostgreSQL
/// is asked.
#include "connectors/targets/postgres/table_load.hpp"
#include "flows/counted.hpp"
#include "flows/sql_identifier.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace millrace::postgres {
namespace {

std::string drop_not_null(const TablePlan& plan, const std::string& column) {
    return fmt::format("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", plan.name.quoted(), quote_identifier(column));
}

std::optional<bool> nullable(const Manifest& manifest, const std::string& column) {
    for (const ManifestColumn& c : manifest.columns)
        if (c.name == column) return c.nullable;
    return std::nullopt;
}

} // namespace

void TableLoad::check_nulls() const {
    if (plan_.created || plan_.has_gatekeeper || table_.manifest.rows == 0) return;
    const std::string at = request_.place.empty() ? "" : " (" + request_.place + ")";
    for (const std::string& column : plan_.unfilled)
        throw Error(ErrorClass::Permanent,
                    fmt::format("{}: column '{}' is NOT NULL without a default, and the dataset {} has no such column{}", counts_.table,
                                column, table_.spec.task, at),
                    fmt::format("{}; or give the column a DEFAULT; or put it back into the dataset", drop_not_null(plan_, column)));
    const bool takes_all = delete_rule_ != "when"; // else rows that may hold NULL may be those that are deleted
    std::vector<const PlannedColumn*> doubtful;
    for (const PlannedColumn& c : plan_.columns) {
        if (!c.target.not_null || c.source < 0) continue;
        const auto told = nullable(table_.manifest, c.target.name);
        if (told == true && takes_all)
            throw Error(ErrorClass::Permanent,
                        fmt::format("{}: column '{}' is NOT NULL, and the contract of the dataset {} lets it be NULL{}", counts_.table,
                                    c.target.name, table_.spec.task, at),
                        c.is_key ? "a key of that table is never NULL: take `null` out of the contract"
                                 : drop_not_null(plan_, c.target.name) + "; or take `null` out of the contract");
        if (told != false) doubtful.push_back(&c);
    }
    if (doubtful.empty()) return;
    std::string counts;
    for (const PlannedColumn* c : doubtful)
        counts += fmt::format("{}count(*) - count({})", counts.empty() ? "[" : ", ", quote_identifier(c->target.name));
    duckdb::Connection db = database_.connect(request_.context.timezone); // of the rule that says what is deleted
    duckdb::Statement statement = db.prepare("SELECT " + counts + "] FROM (" + merged_rows() + ")");
    statement.bind(*request_.values);
    const Json nulls = statement.run().single_value();
    for (std::size_t i = 0; i < doubtful.size(); ++i) {
        const auto rows = nulls.at(i).get<std::int64_t>();
        if (rows == 0) continue;
        const std::string& column = doubtful[i]->target.name;
        const std::string value = fmt::format("make it a value in the transform: coalesce({}, ..)", quote_identifier(column));
        throw Error(ErrorClass::BadData,
                    fmt::format("{}: {}column '{}' is NOT NULL, and the dataset {} holds NULL in {}{}", counts_.table,
                                doubtful[i]->is_key ? "key " : "", column, table_.spec.task, counted(rows, "row"), at),
                    doubtful[i]->is_key ? value + "; or leave such rows out: where ... is not null"
                                        : drop_not_null(plan_, column) + "; or " + value);
    }
}

/// A column that the dataset has nowhere a value for, although so many rows would have some if they were like the table's. Its
/// source may send it no more, and where rows match its values are lost.
void TableLoad::tell_of_emptied_columns() {
    constexpr double fewest_expected = 20; // of rows that have none by chance, one in e^20 would be as many
    constexpr const char* looked_at = "100000";
    if (!monitor_.event || !plan_.has_rows || table_.manifest.rows < fewest_expected) return;
    std::vector<std::string> columns;
    for (const PlannedColumn& c : plan_.columns)
        if (c.source >= 0 && !c.is_key && !c.target.not_null) columns.push_back(c.target.name);
    if (columns.empty()) return;
    std::string in_dataset, in_table, names;
    for (const std::string& c : columns) in_dataset += fmt::format("{}count({})", in_dataset.empty() ? "[" : ", ", quote_identifier(c));
    duckdb::Connection db = database_.connect();
    const Json values = db.query("SELECT " + in_dataset + "] FROM " + dataset_).single_value();
    std::vector<std::string> empty;
    for (std::size_t i = 0; i < columns.size(); ++i)
        if (values.at(i) == 0) empty.push_back(columns[i]);
    if (empty.empty()) return;
    for (const std::string& c : empty) {
        in_table += fmt::format(", count({})", quote_identifier(c));
        names += (names.empty() ? "" : ", ") + quote_identifier(c);
    }
    const Rows found =
        session_.run(fmt::format("SELECT count(*){} FROM (SELECT {} FROM {} LIMIT {}) t", in_table, names, plan_.name.quoted(), looked_at));
    for (std::size_t i = 0; i < empty.size(); ++i) {
        const auto share = static_cast<double>(found.integer(0, static_cast<int>(i) + 1)) / static_cast<double>(found.integer(0, 0));
        if (share * static_cast<double>(table_.manifest.rows) < fewest_expected) continue;
        monitor_.event("warning",
                       fmt::format("{}: column '{}' is NULL in all {} of the dataset {}, and has a value in {:.0f} % of the table's rows, "
                                   "which is lost in those that this load updates: does its source still send it?",
                                   counts_.table, empty[i], counted(table_.manifest.rows, "row"), table_.spec.task, 100 * share),
                       {{"table", counts_.table}, {"column", empty[i]}});
    }
}

} // namespace millrace::postgres
