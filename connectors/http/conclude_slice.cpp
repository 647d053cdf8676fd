#include "connectors/http/merged_walks.hpp"
#include "flows/counted.hpp"

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

/// What follows "3 records came twice".
std::string told_of(const Repeats& repeats) {
    if (repeats.different == 0) return " with equal values";
    const std::string example = repeats.example.empty() ? "" : ", such as " + repeats.example;
    const std::string rule = "; of each the later one (by page, then by place in it) was taken";
    if (repeats.equal == 0) return " with other values" + example + rule;
    return fmt::format(": {} with equal values, {} with other ones{}{}", count_text(repeats.equal), count_text(repeats.different), example,
                       rule);
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
    share.events.event("warning", fmt::format("{} failed and is left out: {}", place_of(share.plan.resource, run.slice.label), why),
                       Json{{"slice", run.slice.label}});
}

/// The pages of the walk do not fit together: once more, or make the best of all walks.
bool repeat_or_settle(SliceRun& run, ExtractionShare& share, duckdb::Connection& connection, const std::string& why) {
    std::string told = place_of(share.plan.resource, run.slice.label) + ": " + why;
    if (run.walk_number <= share.plan.repeats) {
        share.events.log("warning", fmt::format("{}; its pages are fetched again ({} of {})", told, run.walk_number, share.plan.repeats));
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
        throw Error(ErrorClass::BadData,
                    fmt::format("{}, and more did, each of the {} times that the pages were fetched", told, run.walk_number),
                    "the service left out a page: run again later");
    if (run.walk.short_of_total())
        throw Error(
            ErrorClass::BadData, fmt::format("{}, each of the {} times that the pages were fetched", told, run.walk_number),
            "the service limits or miscounts its results: ask for less at once (a shorter `interval`, an `interval.chunk`, `with`); "
            "where the announced number is what is wrong, take out " +
                place_in_spec(share.plan.source, share.plan.resource.name, "total"));
    const bool by_key = !share.plan.resource.key.empty();
    const bool stable = repeats_itself(run);
    run.limited = !stable; // what is missing in a snapshot that moved was not necessarily deleted
    if (run.walk.drift().empty()) told += told_of(repeats_of(run, share, connection)); // that some came twice is all that is wrong
    const std::string fetched = fmt::format("; the pages were fetched {} times, ", run.walk_number);
    told += stable ? fetched + "each time with the same result: each record was taken once"
                   : fetched + "and never fitted together, as happens when records come, go or move meanwhile: " +
                         (by_key ? "the records of all times were taken, each key once, as it came last"
                                 : "the records of the last time were taken");
    share.events.event(stable ? "warning" : "drifted", told, Json{{"slice", run.slice.label}, {"walks", run.walk_number}, {"reason", why}});
    const auto has_part = [](const Piece& piece) { return piece.part.has_value(); };
    const bool any =
        std::any_of(run.earlier.begin(), run.earlier.end(), has_part) || std::any_of(run.pieces.begin(), run.pieces.end(), has_part);
    if (by_key && any) {
        const ManifestPart part = merged_walks(run, share, connection);
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
        if (const auto doubled = repeated_keys(run); doubled > 0) drift = counted(doubled, "record") + " came twice";
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
    share.report(share.requesting);
    return true;
}

} // namespace millrace
