#include "connectors/http/slice_worker.hpp"
#include "connectors/sql_identifier.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <unistd.h>

namespace millrace {
namespace {

void remove_part(const std::string& folder, Piece& piece) {
    if (piece.part) ::unlink((folder + "/" + piece.part->file).c_str());
    piece.part.reset();
}

/// How many records of the walk came more than once; its print goes to `run.prints`.
std::int64_t repeated_keys(SliceRun& run) {
    std::vector<std::uint64_t> keys;
    for (const Piece& piece : run.pieces) keys.insert(keys.end(), piece.keys.begin(), piece.keys.end());
    std::sort(keys.begin(), keys.end());
    std::uint64_t print = keys.size();
    for (const std::uint64_t key : keys) print = (print ^ key) * 0x100000001b3U + (print >> 29);
    run.prints.push_back(print);
    return keys.end() - std::unique(keys.begin(), keys.end());
}

/// Every walk gave the same records, some of them twice: the source has them twice, nothing moved and nothing is missing.
bool repeats_itself(const SliceRun& run) {
    return run.walk.drift().empty() && run.prints.size() > 1 &&
           std::adjacent_find(run.prints.begin(), run.prints.end(), std::not_equal_to<>()) == run.prints.end();
}

std::string joined(const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
    return text;
}

/// One part with each key once, from the parts of all walks; of two records with one key the later read wins.
ManifestPart merged(const SliceRun& run, const ExtractionShare& share, duckdb::Connection& connection) {
    const std::string& folder = share.plan.folder;
    std::vector<std::string> files, keys;
    for (const auto* pieces : {&run.earlier, &run.pieces})
        for (const Piece& piece : *pieces)
            if (piece.part) files.push_back(quote_literal(folder + "/" + piece.part->file));
    for (const std::string& key : share.plan.resource.key) keys.push_back(quote_identifier(key));
    const std::string all = fmt::format("read_parquet([{}], filename = true, file_row_number = true)", joined(files));
    const std::string file = fmt::format("part-{}-merged.parquet", run.id);
    // Two steps: the keys decide first, so that no whole record waits in memory. File names sort by walk.
    connection.query(fmt::format("CREATE OR REPLACE TEMP TABLE millrace_kept AS SELECT filename, file_row_number FROM {} "
                                 "QUALIFY row_number() OVER (PARTITION BY {} ORDER BY filename DESC, file_row_number DESC) = 1",
                                 all, joined(keys)));
    const auto rows =
        connection
            .query(fmt::format(
                "COPY (SELECT p.* EXCLUDE (filename, file_row_number) FROM {} p SEMI JOIN millrace_kept k "
                "ON p.filename = k.filename AND p.file_row_number = k.file_row_number) TO {} (FORMAT parquet, COMPRESSION snappy)",
                all, quote_literal(folder + "/" + file)))
            .rows_changed();
    connection.query("DROP TABLE millrace_kept");
    return finish_part(folder, file, rows);
}

/// The walk is final: what its pieces say becomes the manifest.
SliceManifest manifest_of(const SliceRun& run) {
    SliceManifest m;
    m.slice = run.id;
    m.label = run.slice.label;
    m.pages = run.walk.pages();
    m.bytes = run.bytes;
    m.announced = run.walk.announced();
    m.extracted_at = run.extracted_at;
    m.complete = !run.limited;
    for (const auto* pieces : {&run.earlier, &run.pieces}) {
        for (const Piece& piece : *pieces) {
            if (piece.raw) m.raw.push_back(*piece.raw);
            if (piece.part) m.parts.push_back(*piece.part);
            m.unknown.insert(piece.unknown.begin(), piece.unknown.end());
        }
    }
    for (const Piece& piece : run.pieces) {
        m.rejected += piece.rejected;
        for (const std::string& mistake : piece.mistakes)
            if (m.mistakes.size() < 20) m.mistakes.push_back(mistake);
        if (!piece.quarantine.empty()) m.quarantine += (m.quarantine.empty() ? "" : " ") + piece.quarantine;
    }
    return m;
}

/// Given up within `allow_failed`: the slice is there, without records.
void give_up(SliceRun& run, ExtractionShare& share) {
    std::string why;
    try {
        std::rethrow_exception(run.failure);
    } catch (const Error& e) {
        // Not a matter of this slice: the others would fail as it did.
        const bool hopeless = e.error_class == ErrorClass::Auth || e.error_class == ErrorClass::RateLimited ||
                              e.error_class == ErrorClass::Cancelled || e.error_class == ErrorClass::Resource;
        if (!share.plan.allow_failed || hopeless) throw;
        why = e.what();
    }
    for (auto* pieces : {&run.earlier, &run.pieces})
        for (Piece& piece : *pieces) remove_part(share.plan.folder, piece);
    run.manifest.slice = run.id;
    run.manifest.label = run.slice.label;
    run.manifest.failed = why;
    run.manifest.complete = false;
    run.manifest.extracted_at = run.extracted_at;
    share.events.event("warning", fmt::format("slice {} failed and is left out: {}", run.slice.label, why),
                       Json{{"slice", run.slice.label}});
}

/// The pages of the walk do not fit together: once more, or make the best of all walks.
bool repeat_or_settle(SliceRun& run, ExtractionShare& share, duckdb::Connection& connection, const std::string& why) {
    const std::string told = fmt::format("{}, {}: {}", share.plan.resource.name, run.slice.label, why);
    if (run.walk_number <= share.plan.repeats) {
        share.events.log("warning", fmt::format("{}; the walk is repeated ({} of {})", told, run.walk_number, share.plan.repeats));
        const std::lock_guard lock(share.board.mutex());
        for (const Piece& piece : run.pieces) share.rejects_left += piece.kept; // those of the last walk are kept
        std::move(run.pieces.begin(), run.pieces.end(), std::back_inserter(run.earlier));
        run.pieces.clear();
        run.walk = PageWalk(share.plan.resource.paging);
        run.pieces_begun = 0;
        ++run.walk_number;
        return false;
    }
    if (run.walk.has_hole())
        throw Error(ErrorClass::BadData, fmt::format("{}, and more did, in each of {} walks", told, run.walk_number),
                    "the service left out a page: run again later");
    if (run.walk.short_of_total())
        throw Error(ErrorClass::BadData, fmt::format("{}, in each of {} walks", told, run.walk_number),
                    "the source limits or miscounts its results: ask for shorter windows, or take `total` out of its spec");
    const bool by_key = !share.plan.resource.key.empty();
    const bool stable = repeats_itself(run);
    run.limited = !stable; // what is missing in a snapshot that moved was not necessarily deleted
    const std::string what = stable ? "the same ones in each of {} walks; {}" : "the pages fitted together in none of {} walks; {}";
    const char* taken = !by_key  ? "the last one was taken"
                        : stable ? "each was taken once"
                                 : "the records of all of them were taken, each key once";
    share.events.event(stable ? "warning" : "drifted", told + "; " + fmt::format(fmt::runtime(what), run.walk_number, taken),
                       Json{{"slice", run.slice.label}, {"walks", run.walk_number}, {"reason", why}});
    const auto has_part = [](const Piece& piece) { return piece.part.has_value(); };
    const bool any =
        std::any_of(run.earlier.begin(), run.earlier.end(), has_part) || std::any_of(run.pieces.begin(), run.pieces.end(), has_part);
    if (by_key && any) {
        const ManifestPart part = merged(run, share, connection);
        for (auto* pieces : {&run.earlier, &run.pieces})
            for (Piece& piece : *pieces) remove_part(share.plan.folder, piece);
        run.pieces.back().part = part;
        return true;
    }
    for (Piece& piece : run.earlier) remove_part(share.plan.folder, piece);
    run.earlier.clear();
    return true;
}

} // namespace

bool conclude_slice(SliceRun& run, ExtractionShare& share, duckdb::Connection& connection) {
    if (run.failure) {
        give_up(run, share);
        return true;
    }
    if (!run.walk.over()) throw Error(ErrorClass::Cancelled, "the extraction was stopped");
    std::string drift = run.walk.drift();
    if (drift.empty() && !run.limited)
        if (const auto doubled = repeated_keys(run); doubled > 0) drift = fmt::format("{} records came twice", doubled);
    if (!drift.empty()) {
        if (!repeat_or_settle(run, share, connection, drift)) return false;
    } else {
        for (Piece& piece : run.earlier) remove_part(share.plan.folder, piece);
        run.earlier.clear();
    }
    run.manifest = manifest_of(run);
    run.manifest.records = 0;
    for (const ManifestPart& part : run.manifest.parts) run.manifest.records += part.rows;
    write_slice(share.plan.folder, run.manifest);
    for (Piece& piece : run.pieces) piece.keys = {};
    share.report("requesting");
    return true;
}

} // namespace millrace
