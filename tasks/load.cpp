/// load: datasets into the tables of a connection, as one batch.
#include "connectors/targets/target.hpp"
#include "flows/counted.hpp"
#include "flows/hash.hpp"
#include "flows/substitute.hpp"
#include "tasks/evaluate.hpp"
#include "tasks/rejects.hpp"
#include "tasks/sql_scope.hpp"
#include "tasks/verb.hpp"

#include <filesystem>
#include <fmt/format.h>

namespace millrace {
namespace {

/// A part that was cut short or written over may still be Parquet, with other rows.
void check_parts(const LoadRequest::Table& table) {
    const std::filesystem::path folder = std::filesystem::path(table.manifest_path).parent_path();
    for (const ManifestPart& part : table.manifest.parts) {
        std::error_code missing;
        const auto bytes = std::filesystem::file_size(folder / part.file, missing);
        if (missing || static_cast<std::int64_t>(bytes) != part.bytes)
            throw Error(ErrorClass::Permanent,
                        fmt::format("the dataset {} is damaged: {} has {} bytes where its manifest says {}", table.spec.task, part.file,
                                    missing ? "no" : std::to_string(bytes), part.bytes),
                        "run its task again");
    }
}

LoadRequest request_of(const AttemptOrder& order, duckdb::Bindings& values) {
    const Scope scope(order.context);
    LoadRequest request;
    Json options = order.options;
    for (const char* sql : {"scope", "delete_rule"}) // SQL is never substituted, but a whole-value rule name may be
        if (options.contains(sql) && !(sql == std::string("delete_rule") && !options.value("delete_is_sql", false))) options.erase(sql);
    request.options = substitute(options, scope).get<LoadOptions>();
    const auto written = order.options.get<LoadOptions>();
    request.options.scope = written.scope;
    if (written.delete_is_sql) request.options.delete_rule = written.delete_rule;
    request.context = order.context;
    request.values = &values;
    request.task = order.task;
    request.place = to_text(order.origin);
    request.interval_key = order.interval_key;
    request.batch_id = order.batch_id.empty() ? sha256_hex(order.context.run_key + "\n" + order.task) : order.batch_id;
    std::string content;
    for (const LoadTable& table : request.options.tables) {
        const auto input = order.inputs.find(table.task);
        if (input == order.inputs.end()) throw Error(ErrorClass::Permanent, "the load has no dataset of the task '" + table.task + "'");
        request.tables.push_back({table, input->second, read_manifest(input->second)});
        check_parts(request.tables.back());
        content += Json(table).dump() + request.tables.back().manifest.hash + "\n";
    }
    request.content_hash = sha256_hex(content);
    return request;
}

std::string sentence(const LoadCounts& c) {
    if (c.already_loaded) return c.table + ": this batch is already loaded";
    return fmt::format("{}: {} inserted, {} updated, {} unchanged, {} deleted, {} rejected in {:.2f} s", c.table, count_text(c.inserted),
                       count_text(c.updated), count_text(c.unchanged), count_text(c.deleted), count_text(c.rejected), c.seconds);
}

/// The rows that it would have deleted stay to be looked at, as rejected rows do.
AttemptDone stopped(const AttemptOrder& order, const LoadRequest& request, const DeletesRefused& why, AttemptSession& session) {
    Manifest manifest;
    manifest.task = order.task;
    for (const LoadRequest::Table& table : request.tables) manifest.sensitive = manifest.sensitive || table.manifest.sensitive;
    AttemptDone done;
    done.outcome = "failed";
    done.error = to_order_error(why);
    done.rejected = why.rows;
    duckdb::Connection db = session.database().connect();
    done.rejects = keep_refused_deletes(db, order.staging, fmt::format("refused-deletes-{}", order.attempt),
                                        "would be deleted from " + why.table, why.some, std::move(manifest));
    return done;
}

} // namespace

AttemptDone run_load(const AttemptOrder& order, AttemptSession& session) {
    duckdb::Bindings values = bindings_of(order.context);
    const LoadRequest request = request_of(order, values);
    LoadMonitor monitor;
    AttemptDone done;
    monitor.progress = [&](const std::string& step, std::int64_t rows, std::int64_t total) {
        done.progress.step = step;
        done.progress.records = rows;
        done.progress.records_total = total;
        session.progress(done.progress);
    };
    monitor.event = [&](const std::string& kind, const std::string& message, const Json& details) {
        session.event(kind, message, details);
    };
    monitor.on_cancel = [&](std::function<void()> action) { return session.on_cancel(std::move(action)); };
    monitor.cancelled = [&] { return session.cancelled(); };
    const std::unique_ptr<Target> target = open_target(request.options.connection, connection_of(order, request.options.connection));
    try {
        done.loads = target->load(request, session.database(), monitor);
    } catch (const DeletesRefused& e) {
        return stopped(order, request, e, session);
    }
    for (const LoadCounts& c : done.loads) {
        session.log("info", sentence(c));
        done.rows += c.inserted + c.updated + c.unchanged;
        done.rejected += c.rejected;
    }
    done.progress.records = done.rows;
    done.outcome = "completed";
    return done;
}

} // namespace millrace
