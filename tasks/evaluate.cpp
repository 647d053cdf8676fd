#include "tasks/evaluate.hpp"

#include "connectors/duckdb/query_error.hpp"
#include "connectors/full_disk.hpp"
#include "flows/error.hpp"
#include "flows/items.hpp"
#include "tasks/sql_scope.hpp"

#include <filesystem>
#include <new>

namespace millrace {

OrderError to_order_error(const std::exception& e) {
    if (const auto* error = dynamic_cast<const Error*>(&e))
        return {std::string(to_string(error->error_class)), error->what(), error->remedy, error->retry_after};
    if (dynamic_cast<const std::bad_alloc*>(&e) != nullptr)
        return {std::string(to_string(ErrorClass::Resource)), "out of memory", "raise `memory` of the task", 0};
    if (const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&e); file && is_full_disk(file->code().value()))
        return {std::string(to_string(ErrorClass::Resource)), e.what(), full_disk_remedy(file->path1()), 0};
    return {std::string(to_string(ErrorClass::Permanent)), e.what(), "", 0};
}

EvaluateReply evaluate(const EvaluateOrder& order, duckdb::Database& database) {
    EvaluateReply reply;
    reply.id = order.id;
    try {
        duckdb::Connection db = database.connect(order.context.timezone);
        create_views(db, order.inputs);
        duckdb::Statement statement = db.prepare(order.sql);
        statement.bind(bindings_of(order.context));
        reply.rows = statement.stream().rows(order.max_rows);
        if (order.distinct) reply.repeated = take_out_repeated(reply.rows);
    } catch (const duckdb::QueryError& e) {
        reply.rows.clear();
        reply.error = to_order_error(e);
        reply.error->remedy = duckdb::remedy_without_contract(e);
    } catch (const std::exception& e) {
        reply.rows.clear();
        reply.error = to_order_error(e);
    }
    return reply;
}

} // namespace millrace
