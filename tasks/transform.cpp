/// transform: SQL over the datasets of upstream tasks gives a dataset. The same inputs and values give the same rows.
#include "tasks/dataset.hpp"
#include "tasks/sql_scope.hpp"

namespace millrace {

AttemptDone run_transform(const AttemptOrder& order, AttemptSession& session) {
    const auto options = order.options.get<TransformOptions>();
    if (!options.in.empty())
        throw Error(ErrorClass::Permanent, "`in: " + options.in + "` is not available yet: a transform runs in the host's DuckDB",
                    "leave out `in`");
    duckdb::Connection db = session.database().connect(order.context.timezone);
    const std::shared_ptr<void> stop = session.on_cancel([&db] { db.interrupt(); });
    const std::int64_t rows = create_views(db, order.inputs);
    const duckdb::Bindings values = bindings_of(order.context);
    return completed(write_dataset(
        db, {options.sql, &values, options.contract, order.staging, order.attempt, inherited(order), order.origin, rows}, session));
}

} // namespace millrace
