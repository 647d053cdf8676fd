#include "tasks/moved_records.hpp"

#include "flows/sql_identifier.hpp"
#include "flows/time.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <set>

namespace millrace {
namespace {

/// The number of each slice in the order in which they were asked for.
std::vector<std::size_t> ranks(const std::vector<SliceManifest>& slices) {
    std::vector<std::size_t> order(slices.size()), rank(slices.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return parse_rfc3339(slices[a].extracted_at) < parse_rfc3339(slices[b].extracted_at);
    });
    for (std::size_t i = 0; i < order.size(); ++i) rank[order[i]] = i;
    return rank;
}

bool several_windows(const std::vector<Slice>& plan, const std::vector<SliceManifest>& slices) {
    std::set<std::size_t> items;
    for (std::size_t i = 0; i < slices.size(); ++i)
        if (!slices[i].parts.empty() && !items.insert(plan[i].item.value_or(0)).second) return true;
    return false;
}

template <class Item, class Text>
std::string joined(const std::vector<Item>& items, const char* between, Text text) {
    std::string out;
    for (const Item& item : items) out += (out.empty() ? "" : between) + text(item);
    return out;
}

} // namespace

SettledParts settle_moved_records(duckdb::Connection& db, const std::string& folder, int attempt, const std::vector<std::string>& key,
                                  const std::vector<Slice>& plan, const std::vector<SliceManifest>& slices) {
    SettledParts out;
    for (const SliceManifest& slice : slices) out.parts.insert(out.parts.end(), slice.parts.begin(), slice.parts.end());
    if (key.empty() || !several_windows(plan, slices)) return out;

    const std::string files =
        "read_parquet([" + joined(out.parts, ", ", [&](const ManifestPart& p) { return quote_literal(folder + "/" + p.file); }) + "]";
    const std::string hash = "hash(" + joined(key, ", ", quote_identifier) + ")";
    // Where no hash comes twice nothing moved; that costs a tenth of looking at the keys themselves.
    if (db.query("SELECT count(*) = count(DISTINCT " + hash + ") FROM " + files + ")").single_value().get<bool>()) return out;

    const std::vector<std::size_t> rank = ranks(slices);
    std::string of_slices;
    for (std::size_t i = 0; i < slices.size(); ++i)
        for (const ManifestPart& part : slices[i].parts)
            of_slices += fmt::format("{}({}, {}, {})", of_slices.empty() ? "" : ", ", quote_literal(folder + "/" + part.file),
                                     plan[i].item.value_or(0), rank[i]);
    db.query("CREATE OR REPLACE TEMP TABLE millrace_slices AS SELECT * FROM (VALUES " + of_slices + ") v(filename, of_item, nth)");
    const std::string rows = files + ", filename = true, file_row_number = true) p JOIN millrace_slices s USING (filename)";
    const std::string keys = joined(key, ", ", [](const std::string& k) { return "p." + quote_identifier(k); });
    // Keys alone, and no window function over them, so that this costs little where nothing moved. NULL is no key of a record.
    db.query("CREATE OR REPLACE TEMP TABLE millrace_doubled AS SELECT of_item, " + keys + " FROM " + rows + " WHERE " +
             joined(key, " AND ", [](const std::string& k) { return "p." + quote_identifier(k) + " IS NOT NULL"; }) +
             " GROUP BY of_item, " + keys + " HAVING min(nth) <> max(nth)");
    if (db.query("SELECT count(*) FROM millrace_doubled").single_value() == 0) return out;
    db.query("CREATE OR REPLACE TEMP TABLE millrace_moved AS SELECT filename, file_row_number FROM (SELECT filename, file_row_number, nth, "
             "max(nth) OVER (PARTITION BY s.of_item, " +
             keys + ") AS latest FROM " + rows + " SEMI JOIN millrace_doubled d ON d.of_item = s.of_item AND " +
             joined(key, " AND ", [](const std::string& k) { return "d." + quote_identifier(k) + " = p." + quote_identifier(k); }) +
             ") WHERE nth < latest");
    for (const Json& row : db.query("SELECT filename, count(*) AS n FROM millrace_moved GROUP BY filename ORDER BY filename")
                               .rows(static_cast<std::int64_t>(out.parts.size()))) {
        const std::string path = row.at("filename");
        const auto part =
            std::find_if(out.parts.begin(), out.parts.end(), [&](const ManifestPart& p) { return path == folder + "/" + p.file; });
        const std::string file = fmt::format("settled-{}-{}", attempt, part->file);
        const auto left =
            db.query("COPY (SELECT * EXCLUDE (file_row_number) FROM read_parquet(" + quote_literal(path) +
                     ", file_row_number = true) WHERE file_row_number NOT IN "
                     "(SELECT file_row_number FROM millrace_moved WHERE filename = " +
                     quote_literal(path) + ")) TO " + quote_literal(folder + "/" + file) + " (FORMAT parquet, COMPRESSION snappy)")
                .rows_changed();
        out.left_out += row.at("n").get<std::int64_t>();
        *part = finish_part(folder, file, left);
    }
    return out;
}

} // namespace millrace
