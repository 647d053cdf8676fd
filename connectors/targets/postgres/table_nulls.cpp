/// NOT NULL columns of a table that a dataset cannot fill, found before a row is written. A trigger may fill them: then PostgreSQL
/// is asked.
#include "connectors/sql_identifier.hpp"
#include "connectors/targets/postgres/table_load.hpp"
#include "flows/counted.hpp"

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
    duckdb::Connection db = database_.connect();
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

} // namespace millrace::postgres
