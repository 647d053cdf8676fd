/// A database of its own, and datasets that are loaded into it.
#pragma once

#include "connectors/duckdb/database.hpp"
#include "connectors/targets/postgres/session.hpp"
#include "connectors/targets/target.hpp"
#include "tests/folder.hpp"
#include "tests/skip.hpp"

#include <filesystem>
#include <fmt/format.h>

namespace millrace::test {

class Loading {
public:
    Loading() : name_(fmt::format("target_{}_{}", ::getpid(), ++number)), url(server_) {
        postgres::Session(server_).run("CREATE DATABASE " + name_);
        url.replace(url.find("/postgres?"), 10, "/" + name_ + "?");
    }
    Loading(const Loading&) = delete;
    ~Loading() { postgres::Session(server_).run("DROP DATABASE " + name_ + " WITH (FORCE)"); }

    std::string value(const std::string& sql) const { return postgres::Session(url).value(sql); }

    /// The rows of the SELECT into the table; "inserted updated unchanged deleted".
    std::string load(const std::string& select, const LoadTable& table) {
        const LoadCounts c =
            open_target("warehouse", {{"type", "postgres"}, {"url", url}})->load(request(select, table), database, monitor)[0];
        return fmt::format("{} {} {} {}", c.inserted, c.updated, c.unchanged, c.deleted);
    }

    Error refusal(const std::string& select, const LoadTable& table) {
        try {
            const auto counts = load(select, table);
            FAIL("it was loaded: " << counts);
        } catch (const Error& e) {
            return e;
        }
        throw std::logic_error("not reached");
    }

private:
    LoadRequest request(const std::string& select, const LoadTable& table) {
        const std::string batch = fmt::format("batch-{:02}", ++batches_), staging = folder_.path / batch;
        std::filesystem::create_directory(staging);
        duckdb::Connection db = database.connect();
        Manifest manifest;
        manifest.task = table.task;
        manifest.complete = true;
        manifest.extracted_at = fmt::format("2026-11-20T06:00:{:02}Z", batches_);
        for (const duckdb::Column& c : db.prepare(select).columns()) manifest.columns.push_back({c.name, ""});
        manifest.rows = db.query("COPY (" + select + ") TO '" + staging + "/part.parquet' (FORMAT parquet)").rows_changed();
        manifest.parts = {finish_part(staging, "part.parquet", manifest.rows)};
        const std::string path = write_manifest(staging, manifest);
        context.run_at = manifest.extracted_at;
        const std::string interval = context.interval_start.value_or("") + "/" + context.interval_end.value_or("");
        return {options, {{table, path, manifest}}, context, &values_, "load", "", interval, batch, manifest.hash};
    }

    static inline int number = 0;
    const std::string server_ = require_database();
    std::string name_;
    Folder folder_;
    duckdb::Bindings values_;
    int batches_ = 0;

public:
    std::string url;
    LoadOptions options;
    RunContext context;
    LoadMonitor monitor;
    duckdb::Database database{[this] {
        duckdb::DatabaseOptions o;
        o.folders = {folder_.path.string()};
        return o;
    }()};
};

} // namespace millrace::test
