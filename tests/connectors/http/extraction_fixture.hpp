/// A source to extract from, a plan, and what it told.
#pragma once

#include "connectors/http/extraction.hpp"
#include "tests/connectors/http/test_server.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fmt/format.h>
#include <mutex>

namespace millrace::test {

/// A list of `n` entries, paged in the query or the body, with an announced total or a header.
struct Entries {
    int n = 25, size = 10;
    bool total = true, header = false;

    [[nodiscard]] std::string record(int i) const {
        return fmt::format(
            R"({{"id":"e{0}","hours":{0}.25,"n":{0},"at":"2026-11-01T10:00:00+02:00","tags":["a","b{0}"],"rate":{{"amount":{0},"currency":null}}}})",
            i);
    }
    [[nodiscard]] TestAnswer page(int number) const {
        TestAnswer answer;
        std::string list;
        for (int i = (number - 1) * size; i < std::min(n, number * size); ++i) list += (list.empty() ? "" : ",") + record(i);
        answer.body = total ? fmt::format(R"({{"totals":[{{"count":{}}}],"items":[{}]}})", n, list) : "[" + list + "]";
        if (header) answer.headers["Last-Page"] = number * size >= n ? "true" : "false";
        return answer;
    }
    [[nodiscard]] TestAnswer operator()(const TestRequest& r) const {
        const auto at = r.target.find("page=");
        return page(at == std::string::npos ? 1 : std::stoi(r.target.substr(at + 5)));
    }
};

inline int page_of(const TestRequest& r) { return std::stoi(r.target.substr(r.target.find("page=") + 5)); }

struct Extraction {
    Extraction() {
        std::string name = "/tmp/millrace-extract-XXXXXX";
        folder = ::mkdtemp(name.data());
        plan.folder = folder;
        plan.source.source = "test";
        plan.source.connection = {{"url", false, true, {}, ""}, {"key", true, true, {}, ""}};
        plan.source.auth = {"api_key", "X-Api-Key", "", "${connection.key}", "", ""};
        plan.source.rate = {0, 1, 3};
        plan.resource.name = "entries";
        plan.resource.path = "/entries";
        plan.resource.paging.kind = "page_number";
        plan.resource.paging.param = "page";
        plan.resource.paging.size_param = "size";
        plan.resource.paging.size = 10;
        plan.resource.records = "items";
        plan.resource.total = "totals[0].count";
        plan.resource.key = {"id"};
        plan.resource.columns = {{"id", "VARCHAR", false},    {"hours", "DECIMAL(9,2)", false},
                                 {"n", "INTEGER", false},     {"at", "TIMESTAMPTZ", true},
                                 {"tags", "VARCHAR[]", true}, {"rate", "STRUCT(amount BIGINT, currency VARCHAR)", true}};
        plan.retries.first_delay = 0.01;
        plan.retries.longest_delay = 0.05;
        plan.limits.stalled_seconds = 1;
        events.log = [this](std::string_view, const std::string& text) { note(text); };
        events.event = [this](const std::string& kind, const std::string& text, const Json&) { note(kind + ": " + text); };
    }
    ~Extraction() { std::filesystem::remove_all(folder); }

    void note(const std::string& text) {
        const std::lock_guard lock(mutex);
        told += text + "\n";
    }
    void list_without_total() {
        plan.resource.records = "";
        plan.resource.total = "";
    }
    std::vector<SliceManifest> run(TestServer& server) {
        plan.connection = {{"url", server.url()}, {"key", "s3cret-key"}};
        if (plan.slices.empty()) plan.slices = make_slices(plan.resource, Json::object(), Scope(), {}, false);
        return extract(plan, governors, database, events);
    }
    Error failure(TestServer& server) {
        try {
            (void)run(server);
        } catch (const Error& e) {
            return e;
        }
        FAIL("it did not fail");
        throw std::logic_error("not reached");
    }
    Json query(const std::string& select, const std::vector<SliceManifest>& slices) {
        std::string files;
        for (const SliceManifest& s : slices)
            for (const ManifestPart& p : s.parts) files += (files.empty() ? "'" : ", '") + folder + "/" + p.file + "'";
        return database.connect().query("SELECT " + select + " FROM read_parquet([" + files + "])").rows(100000);
    }

    std::string folder;
    ExtractionPlan plan;
    Governors governors;
    ExtractionEvents events;
    std::mutex mutex;
    std::string told;
    duckdb::Database database{[this] {
        duckdb::DatabaseOptions o;
        o.folders = {"/tmp"};
        return o;
    }()};
};

} // namespace millrace::test
