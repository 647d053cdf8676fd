/// A database of its own and a host that loads into it.
#pragma once

#include "connectors/manifest.hpp"
#include "connectors/targets/postgres/session.hpp"
#include "tests/skip.hpp"
#include "tests/tasks/host_process.hpp"

#include <fmt/format.h>

namespace millrace::test {

/// A database of its own for one test.
class Warehouse {
public:
    explicit Warehouse(const std::string& server)
        : server_(server), name_("load_" + std::to_string(::getpid()) + "_" + std::to_string(++number)) {
        postgres::Session(server_).run("CREATE DATABASE " + name_);
        url = server_;
        url.replace(url.find("/postgres?"), 10, "/" + name_ + "?");
    }
    Warehouse(const Warehouse&) = delete;
    ~Warehouse() { postgres::Session(server_).run("DROP DATABASE " + name_ + " WITH (FORCE)"); }

    std::string value(const std::string& sql) const { return postgres::Session(url).value(sql); }
    /// Every row as text, sorted.
    std::string rows(const std::string& table, const std::string& columns = "*") const {
        return value("SELECT coalesce(string_agg(r, E'\\n' ORDER BY r), '') FROM (SELECT x::text AS r FROM (SELECT " + columns + " FROM " +
                     table + ") x) y");
    }

    /// Until that many sessions wait for another's lock; false after ten seconds.
    bool has_waiting(int sessions) const {
        postgres::Session session(url);
        for (int i = 0; i < 500; ++i, ::usleep(20000))
            if (session.run("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
                    .integer(0, 0) == sessions)
                return true;
        return false;
    }

    std::string url;

private:
    static inline int number = 0;
    std::string server_, name_;
};

struct Bench {
    explicit Bench(const std::string& server) : warehouse(server) {}

    std::string dataset(const std::string& sql, const std::string& task = "rows") {
        AttemptOrder order = order_for(run, task + std::to_string(++batches), "transform", {{"sql", sql}});
        order.context.run_at = fmt::format("2026-11-20T06:{:02}:{:02}Z", batches / 60, batches % 60); // each is newer than the one before
        const AttemptDone done = host.attempt(order);
        if (done.error) FAIL(done.error->message);
        return done.manifest;
    }

    AttemptOrder order(const std::string& manifest, Json options) {
        options["connection"] = "warehouse";
        if (!options.contains("tables"))
            options["tables"] = Json::array({{{"table", options.value("table", "out.t")},
                                              {"task", "rows"},
                                              {"mode", options.value("mode", "upsert")},
                                              {"key", options.value("key", Json::array({"id"}))}}});
        AttemptOrder o = order_for(run, "load", "load", options);
        o.inputs = {{"rows", manifest}};
        o.connections = {{"warehouse", {{"type", "postgres"}, {"url", warehouse.url}}}};
        o.batch_id = "batch-" + std::to_string(++batches);
        return o;
    }

    AttemptDone load(const std::string& sql, const Json& options = Json::object()) { return host.attempt(order(dataset(sql), options)); }

    /// The same dataset, told otherwise.
    static std::string with(const std::string& manifest, const Json& facts) {
        Json told = Json::parse(std::ifstream(manifest));
        told.update(facts);
        std::ofstream(manifest) << told.dump();
        return manifest;
    }

    TempFolder run;
    Warehouse warehouse;
    HostProcess host;
    int batches = 0;
};

inline std::string counts(const AttemptDone& done) {
    if (done.error) return done.error->error_class + ": " + done.error->message;
    std::string out;
    for (const LoadCounts& c : done.loads)
        out += (out.empty() ? "" : "; ") + std::to_string(c.inserted) + " " + std::to_string(c.updated) + " " +
               std::to_string(c.unchanged) + " " + std::to_string(c.deleted) + (c.already_loaded ? " already" : "");
    return out;
}

} // namespace millrace::test
