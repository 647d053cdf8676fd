#include "tasks/extract_items.hpp"

#include "connectors/duckdb/query_error.hpp"
#include "flows/hash.hpp"
#include "flows/sql_identifier.hpp"
#include "tasks/sql_scope.hpp"

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr std::int64_t most_items = 1'000'000;

} // namespace

ExtractItems::ExtractItems(const AttemptOrder& order, const ForEach& each, duckdb::Connection& db) : db_(db) {
    create_views(db, order.inputs);
    name_ = "millrace_items_" + sha256_hex(order.staging + std::to_string(order.id)).substr(0, 12);
    const std::string rows = each.sql.empty() ? "SELECT * FROM " + quote_identifier(each.task) : each.sql;
    db.query("DROP TABLE IF EXISTS " + name_);
    try {
        duckdb::Statement create = db.prepare(fmt::format(
            "CREATE TABLE {} AS SELECT row_number() OVER (ORDER BY min(n)) - 1 AS ordinal, item, count(*) AS times FROM (SELECT "
            "row_number() OVER () AS n, t AS item FROM ({}\n) t) GROUP BY item",
            name_, rows));
        create.bind(bindings_of(order.context));
        (void)create.run();
        repeated_ = db.query("SELECT coalesce(sum(times - 1), 0)::BIGINT AS n FROM " + name_).rows(1).at(0).at("n");
    } catch (const duckdb::QueryError& e) {
        throw duckdb::told_of(e, "`for_each`");
    }
    duckdb::Statement read = db.prepare("SELECT item FROM " + name_ + " ORDER BY ordinal");
    type_ = read.columns().at(0).type.name;
    for (Json& row : read.run().rows(most_items)) rows_.push_back(std::move(row["item"]));
}

ExtractItems::~ExtractItems() {
    try {
        db_.query("DROP TABLE IF EXISTS " + name_);
    } catch (const std::exception&) { // the database goes with the run anyway
    }
}

} // namespace millrace
