/// transform: SQL over the datasets of upstream tasks gives a dataset. The same inputs and values give the same rows.
#include "flows/time.hpp"
#include "tasks/dataset.hpp"
#include "tasks/sql_scope.hpp"

#include <algorithm>

namespace millrace {
namespace {

/// Complete, as old and as narrow as what it is made of.
Manifest inherited(const AttemptOrder& order) {
    Manifest out;
    out.task = order.task;
    out.interval_key = order.interval_key;
    out.complete = !order.context.limit_rows.has_value();
    for (const auto& [task, path] : order.inputs) {
        const Manifest input = read_manifest(path);
        out.complete = out.complete && input.complete;
        out.failed += input.failed;
        if (!input.extracted_at.empty() && (out.extracted_at.empty() || parse_rfc3339(input.extracted_at) < parse_rfc3339(out.extracted_at)))
            out.extracted_at = input.extracted_at;
    }
    if (out.extracted_at.empty()) out.extracted_at = order.context.run_at;
    return out;
}

} // namespace

AttemptDone run_transform(const AttemptOrder& order, AttemptSession& session) {
    const auto options = order.options.get<TransformOptions>();
    if (!options.in.empty())
        throw Error(ErrorClass::Permanent, "`in: " + options.in + "` is not available yet: a transform runs in the host's DuckDB", "leave out `in`");
    duckdb::Connection db = session.database().connect();
    const std::shared_ptr<void> stop = session.on_cancel([&db] { db.interrupt(); });
    create_views(db, order.inputs);
    const duckdb::Bindings values = bindings_of(order.context);
    const WrittenDataset written = write_dataset(db, {options.sql, &values, options.contract, order.staging, order.attempt, inherited(order)}, session);
    AttemptDone done;
    done.outcome = "completed";
    done.manifest = written.path;
    done.dataset_hash = written.manifest.hash;
    done.rows = done.progress.records = written.manifest.rows;
    done.rejected = written.manifest.rejected;
    return done;
}

} // namespace millrace
