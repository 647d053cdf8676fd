#include "tasks/moved_records.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

using namespace millrace;

namespace {

struct Fixture {
    Fixture() {
        std::string name = "/tmp/millrace-moved-XXXXXX";
        folder = ::mkdtemp(name.data());
    }
    ~Fixture() { std::filesystem::remove_all(folder); }

    /// A slice with one part of these (id, v) rows.
    void slice(const std::string& extracted_at, const std::string& values, std::optional<std::size_t> item = {}) {
        const std::string file = "part-" + std::to_string(slices.size()) + ".parquet";
        const auto rows =
            db.query("COPY (SELECT * FROM (VALUES " + values + ") v(id, v)) TO '" + folder + "/" + file + "' (FORMAT parquet)")
                .rows_changed();
        SliceManifest m;
        m.extracted_at = extracted_at;
        m.records = rows;
        m.parts = {finish_part(folder, file, rows)};
        slices.push_back(m);
        plan.push_back({"", std::nullopt, item, "", Json::object()});
    }
    SettledParts settle(const std::vector<std::string>& key = {"id"}) { return settle_moved_records(db, folder, 1, key, plan, slices); }
    std::string rows(const SettledParts& settled) {
        std::string files;
        for (const ManifestPart& p : settled.parts) files += (files.empty() ? "'" : ", '") + folder + "/" + p.file + "'";
        return db.query("SELECT string_agg(coalesce(id, 'NULL') || v, ' ' ORDER BY id NULLS FIRST, v) FROM read_parquet([" + files + "])")
            .single_value()
            .get<std::string>();
    }

    std::string folder;
    std::vector<Slice> plan;
    std::vector<SliceManifest> slices;
    duckdb::Database database{[] {
        duckdb::DatabaseOptions o;
        o.folders = {"/tmp"};
        return o;
    }()};
    duckdb::Connection db = database.connect();
};

} // namespace

TEST_CASE_METHOD(Fixture, "a record that moved to another window is taken once, as it was read last") {
    slice("2026-11-01T10:00:00.5Z", "('a', 'new'), ('b', '2')"); // read after the second one
    slice("2026-11-01T10:00:00Z", "('a', 'old'), ('c', '3')");
    slice("2026-11-01T10:00:01Z", "('c', '4'), ('d', '5'), ('e', '6')");
    const SettledParts settled = settle();
    CHECK(settled.left_out == 2);
    CHECK(rows(settled) == "anew b2 c4 d5 e6");
    CHECK(settled.parts[0].file == slices[0].parts[0].file);
    CHECK(settled.parts[1].rows == 0);
    CHECK(std::filesystem::exists(folder + "/" + slices[1].parts[0].file)); // the next attempt reads the slice again
}

TEST_CASE_METHOD(Fixture, "what two items own, what has no key and what one slice has twice stays") {
    slice("2026-11-01T10:00:00Z", "('a', '1'), (NULL, '1'), ('x', '1'), ('x', '2')", 0);
    slice("2026-11-01T10:00:01Z", "('b', '2'), (NULL, '2')", 0);
    slice("2026-11-01T10:00:02Z", "('a', '3')", 1);
    const SettledParts settled = settle();
    CHECK(settled.left_out == 0);
    CHECK(rows(settled) == "NULL1 NULL2 a1 a3 b2 x1 x2");
    CHECK(settle({}).left_out == 0);
    CHECK(settle({"id", "v"}).left_out == 0);
}
