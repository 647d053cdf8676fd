#include "connectors/http/merged_walks.hpp"

#include "flows/sql_identifier.hpp"

#include <fmt/format.h>

namespace millrace {
namespace {

std::string joined(const std::vector<std::string>& items, const char* between = ", ") {
    return fmt::format("{}", fmt::join(items, between));
}

std::string keys_of(const ExtractionShare& share) {
    std::vector<std::string> keys;
    for (const std::string& key : share.plan.resource.key) keys.push_back(quote_identifier(key));
    return joined(keys);
}

std::string path_of(const ExtractionShare& share, const Piece& piece) { return quote_literal(share.plan.folder + "/" + piece.part->file); }

/// Where each page begins in the parts, as rows (filename, first, walk, page).
std::string pages_of(const SliceRun& run, const ExtractionShare& share) {
    std::vector<std::string> rows;
    for (const auto* pieces : {&run.earlier, &run.pieces})
        for (const Piece& piece : *pieces)
            if (piece.part)
                for (const auto& [row, page] : piece.pages)
                    rows.push_back(fmt::format("({}, {}, {}, {})", path_of(share, piece), row, piece.walk, page));
    return "(VALUES " + joined(rows) + ") pages(filename, first, walk, page)";
}

} // namespace

Repeats repeats_of(const SliceRun& run, const ExtractionShare& share, duckdb::Connection& connection) {
    std::vector<std::string> files, shown;
    for (const Piece& piece : run.pieces)
        if (piece.part) files.push_back(path_of(share, piece));
    if (files.empty()) return {};
    for (const std::string& key : share.plan.resource.key)
        shown.push_back(quote_literal(key + " ") + " || coalesce(left(CAST(" + quote_identifier(key) + " AS VARCHAR), 60), 'NULL')");
    const std::string keys = keys_of(share);
    const Json found =
        connection
            .query(
                fmt::format("SELECT coalesce(sum(n - 1) FILTER (kinds = 1), 0)::BIGINT AS equal, coalesce(sum(n - 1) FILTER (kinds > 1), "
                            "0)::BIGINT AS different, min({}) FILTER (kinds > 1) AS example FROM (SELECT {}, count(*) AS n, "
                            "count(DISTINCT hash(r)) AS kinds FROM read_parquet([{}]) r GROUP BY {} HAVING n > 1)",
                            joined(shown, " || ', ' || "), keys, joined(files), keys))
            .rows(1)
            .at(0);
    Repeats out{found["equal"].get<std::int64_t>(), found["different"].get<std::int64_t>(), ""};
    if (!share.plan.sensitive && found["example"].is_string()) out.example = found["example"].get<std::string>();
    return out;
}

ManifestPart merged_walks(const SliceRun& run, const ExtractionShare& share, duckdb::Connection& connection) {
    std::vector<std::string> files;
    for (const auto* pieces : {&run.earlier, &run.pieces})
        for (const Piece& piece : *pieces)
            if (piece.part) files.push_back(path_of(share, piece));
    const std::string all = fmt::format("read_parquet([{}], filename = true, file_row_number = true)", joined(files));
    const std::string file = fmt::format("part-{}-merged.parquet", run.id), keys = keys_of(share);
    // Two steps: the keys decide first, so that no whole record waits in memory.
    connection.query(fmt::format("CREATE OR REPLACE TEMP TABLE millrace_kept AS SELECT r.filename, r.file_row_number FROM (SELECT {0}, "
                                 "filename, file_row_number FROM {1}) r ASOF JOIN {2} ON r.filename = pages.filename AND "
                                 "r.file_row_number >= pages.first QUALIFY row_number() OVER (PARTITION BY {0} ORDER BY pages.walk DESC, "
                                 "pages.page DESC, r.file_row_number DESC) = 1",
                                 keys, all, pages_of(run, share)));
    const auto rows =
        connection
            .query(fmt::format(
                "COPY (SELECT p.* EXCLUDE (filename, file_row_number) FROM {} p SEMI JOIN millrace_kept k "
                "ON p.filename = k.filename AND p.file_row_number = k.file_row_number) TO {} (FORMAT parquet, COMPRESSION snappy)",
                all, quote_literal(share.plan.folder + "/" + file)))
            .rows_changed();
    connection.query("DROP TABLE millrace_kept");
    return finish_part(share.plan.folder, file, rows);
}

} // namespace millrace
