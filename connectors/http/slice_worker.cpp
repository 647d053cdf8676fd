#include "connectors/http/slice_worker.hpp"

#include "connectors/descriptor.hpp"
#include "connectors/full_disk.hpp"
#include "flows/letters.hpp"
#include "flows/sql_identifier.hpp"
#include "flows/zone.hpp"

#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace millrace {
namespace {

/// Mistakes that are told one by one; the rest are counted.
constexpr std::size_t most_told = 20;
/// Rows that DuckDB gathers before it writes them: what a part costs in memory, per worker.
constexpr int row_group = 20480;
/// A page that repeats an earlier one is asked for again, for caches and failing proxies do that once in a while.
constexpr int most_repeats = 2;

std::optional<bool> last_page(const PagingSpec& paging, const HttpResponse& response) {
    if (paging.last_header.empty()) return {};
    const std::string value = response.header(lower_case(paging.last_header));
    if (value == "true" || value == "True" || value == "1") return true;
    if (value == "false" || value == "False" || value == "0") return false;
    return {};
}

std::string timestamp_now() {
    return to_rfc3339(std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()));
}

} // namespace

void ExtractionShare::report(const std::string& step) {
    ExtractionProgress now;
    now.requests = requests.requests;
    now.bytes = requests.bytes;
    now.pages = pages;
    now.records = records;
    now.slices_done = board.done();
    now.slices_total = static_cast<std::int64_t>(plan.slices.size());
    now.records_total = board.announced();
    now.step = step;
    events.progress(now);
}

SliceWorker::SliceWorker(ExtractionShare& share, std::shared_ptr<Governor> governor, duckdb::Database& database)
    : share_(share), connection_(database.connect()),
      requester_(share.plan.source, share.plan.connection, std::move(governor), share.plan.limits, share.plan.retries, share.requests),
      writer_(share.plan.resource, share.columns), page_(share.plan.resource.records, share.plan.resource.total) {}

void SliceWorker::run() {
    while (SliceRun* run = share_.board.take()) {
        Piece piece;
        std::exception_ptr failure;
        try {
            piece = read(*run);
        } catch (...) {
            failure = std::current_exception();
        }
        if (!share_.board.leave(*run, std::move(piece), failure)) continue;
        try {
            share_.board.conclude(*run, conclude_slice(*run, share_, connection_));
        } catch (...) {
            share_.board.stop(std::current_exception());
        }
    }
}

Piece SliceWorker::read(SliceRun& run) {
    Piece piece;
    {
        const std::lock_guard lock(share_.board.mutex());
        if (run.extracted_at.empty()) run.extracted_at = timestamp_now();
        piece.walk = run.walk_number;
        piece.name = fmt::format("{}-{}-{}", run.id, run.walk_number, run.pieces_begun++);
    }
    raw_.reset();
    rejects_.reset();
    page_number_ = 0;
    position_ = 0;
    if (!load_page(run)) return piece;

    const std::string file = "part-" + piece.name + ".parquet";
    std::int64_t rows = 0;
    {
        duckdb::RowSource source(
            connection_, resource_columns(share_.plan.resource),
            [&](std::vector<duckdb::ColumnWriter>& columns, std::uint64_t capacity) { return fill(run, piece, columns, capacity); });
        try {
            rows = connection_.query(copy_sql(run, source.sql(), share_.plan.folder + "/" + file)).rows_changed();
        } catch (...) {
            ::unlink((share_.plan.folder + "/" + file).c_str());
            source.rethrow();
            throw;
        }
    }
    if (rows > 0)
        piece.part = finish_part(share_.plan.folder, file, rows);
    else
        ::unlink((share_.plan.folder + "/" + file).c_str());
    if (raw_) piece.raw = raw_->finish();
    if (rejects_) {
        if (!rejects_->flush()) throw Error(ErrorClass::Resource, "cannot write " + piece.quarantine, full_disk_remedy(share_.plan.folder));
        Descriptor(share_.plan.folder + "/" + piece.quarantine, O_RDONLY).sync();
    }
    piece.unknown = writer_.take_unknown_members();
    return piece;
}

/// The next page that has records; false when there is none for this worker.
bool SliceWorker::load_page(SliceRun& run) {
    for (;;) {
        std::optional<std::int64_t> number;
        {
            const std::lock_guard lock(share_.board.mutex());
            number = run.walk.next();
        }
        if (!number || share_.board.stopped()) return false;
        page_number_ = *number;
        const bool paged = share_.plan.resource.paging.kind != "none";
        const std::string what = place_of(share_.plan.resource, run.slice.label) + (paged ? fmt::format(", page {}", *number) : "");
        int repeats = 0;
        requester_.send(run.request->page(*number), what, response_, [&](HttpResponse& response) { accept(run, response, repeats); });
        keep(run, response_);
        share_.report(share_.requesting);
        if (page_.size() > 0) return true;
    }
}

/// Takes the page that came, if it is whole and new.
void SliceWorker::accept(SliceRun& run, HttpResponse& response, int& repeats) {
    try {
        page_.read(response.body.text());
        if (page_.stands_alone() && share_.plan.resource.paging.kind != "none")
            throw RecordMistake("it is an object, where pages of a list were asked for" + page_.beginning());
    } catch (const EncodingMistake& e) {
        throw Error(
            ErrorClass::Transient, fmt::format("{} with an answer that is no JSON: {}", response.status, e.what()),
            "the service sends another encoding, where JSON must be in UTF-8, or damaged bytes; run again later, or ask its operator");
    } catch (const JsonMistake& e) {
        throw Error(ErrorClass::Transient, fmt::format("{} with an answer that is no whole JSON: {}", response.status, e.what()),
                    "the answer was cut short, or is no JSON at all; run again later");
    } catch (const RecordMistake& e) {
        throw Error(ErrorClass::BadData, fmt::format("{} with an answer of another shape: {}", response.status, e.what()),
                    "compare what the service answers today with " +
                        place_in_spec(share_.plan.source, share_.plan.resource.name, "records"));
    }
    const std::lock_guard lock(share_.board.mutex());
    if (!run.walk.is_repeat(page_.fingerprint())) return;
    if (repeats++ < most_repeats) throw Error(ErrorClass::Transient, "the page repeats an earlier one");
    if (run.walk.announced() == page_.announced())
        throw Error(ErrorClass::BadData, "the page repeats an earlier one",
                    "run again later; where it stays so, the service ignores the page number: compare its documentation with " +
                        place_in_spec(share_.plan.source, share_.plan.resource.name, "paging"));
    run.walk.mark_drifted("a page came twice while the announced total changed");
}

/// The page is part of the walk from now on: its raw records are spooled.
void SliceWorker::keep(SliceRun& run, const HttpResponse& response) {
    position_ = 0;
    if (page_.size() > 0 && !raw_) raw_.emplace(share_.plan.folder);
    for (std::size_t i = 0; i < page_.size(); ++i) raw_->add(page_.raw(i));
    ++share_.pages;
    share_.records += static_cast<std::int64_t>(page_.size());
    const std::lock_guard lock(share_.board.mutex());
    run.bytes += static_cast<std::int64_t>(response.body.text().size());
    run.walk.arrived({static_cast<std::int64_t>(page_.size()), page_.announced(), last_page(share_.plan.resource.paging, response),
                      page_.fingerprint()});
    share_.board.count(run);
    if (run.walk.can_share()) share_.board.wake();
}

std::uint64_t SliceWorker::fill(SliceRun& run, Piece& piece, std::vector<duckdb::ColumnWriter>& columns, std::uint64_t capacity) {
    std::uint64_t rows = 0;
    while (rows < capacity) {
        if (position_ == page_.size() && rows > 0) break; // the rows so far point into this page: it goes with the next call
        if (position_ == page_.size() && !load_page(run)) break;
        if (share_.plan.limit_rows && share_.rows_left.fetch_sub(1) <= 0) {
            share_.board.begin_no_more();
            const std::lock_guard lock(share_.board.mutex());
            run.walk.stop();
            run.limited = true;
            position_ = page_.size();
            break;
        }
        if (write_record(run, piece, columns, rows)) ++rows;
        ++position_;
    }
    return rows;
}

bool SliceWorker::write_record(const SliceRun& run, Piece& piece, std::vector<duckdb::ColumnWriter>& columns, std::uint64_t row) {
    try {
        writer_.write(page_.record(position_), columns, row);
    } catch (const RecordMistake& e) {
        reject(run, piece, e);
        return false;
    } catch (const JsonMistake& e) {
        reject(run, piece, RecordMistake(std::string("is no JSON: ") + e.what()));
        return false;
    }
    if (writer_.had_unknown_member() && share_.plan.on_drift != "evolve") {
        const auto unknown = writer_.take_unknown_members();
        const std::string why = "has the undeclared member '" + unknown.begin()->first + "' (" + unknown.begin()->second + ")";
        if (share_.plan.on_drift == "freeze")
            throw Error(ErrorClass::BadData,
                        fmt::format("page {}, record {} of {}: {}", page_number_, position_ + 1, share_.plan.resource.name, why),
                        "declare it in " + place_in_spec(share_.plan.source, share_.plan.resource.name, "columns") +
                            ", or let it be left out: `on_drift: evolve` in the task");
        reject(run, piece, RecordMistake(why));
        return false;
    }
    if (!share_.plan.resource.key.empty()) {
        if (piece.pages.empty() || piece.pages.back().second != page_number_) piece.pages.emplace_back(piece.keys.size(), page_number_);
        piece.keys.push_back(writer_.key_hash());
    }
    return true;
}

void SliceWorker::reject(const SliceRun& run, Piece& piece, const RecordMistake& mistake) {
    ++piece.rejected;
    const bool hidden = share_.plan.sensitive && !mistake.value.empty();
    const std::string where = fmt::format("page {}, record {}", page_number_, position_ + 1);
    if (piece.mistakes.size() < most_told)
        piece.mistakes.push_back(hidden ? fmt::format("{}: '{}' {}", where, mistake.column, mistake.rule) : where + ": " + mistake.what());
    if (share_.rejects_left.fetch_sub(1) <= 0) {
        ++share_.rejects_left;
        return;
    }
    ++piece.kept;
    if (!rejects_) {
        piece.quarantine = "raw/rejected-" + piece.name + ".ndjson";
        rejects_.emplace(share_.plan.folder + "/" + piece.quarantine, std::ios::binary);
    }
    const Json line{{"column", mistake.column},
                    {"rule", mistake.rule},
                    {"value", mistake.value.empty() || hidden ? Json() : Json(mistake.value)},
                    {"position", where + (run.slice.label.empty() ? "" : " of " + run.slice.label)},
                    {"raw", std::string(page_.raw(position_))}};
    *rejects_ << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}

std::string SliceWorker::copy_sql(const SliceRun& run, const std::string& from, const std::string& file) const {
    std::string select = "*";
    if (run.slice.item)
        select +=
            fmt::format(", (SELECT item FROM {} WHERE ordinal = {}) AS _item", quote_identifier(share_.plan.items_table), *run.slice.item);
    if (run.slice.window) {
        const Interval& w = *run.slice.window;
        const std::string date = to_text(to_local(w.start, find_zone(share_.plan.zone))).substr(0, 10);
        select += fmt::format(", {{'start': TIMESTAMPTZ '{}', 'end': TIMESTAMPTZ '{}', 'date': DATE '{}'}} AS _window", to_rfc3339(w.start),
                              to_rfc3339(w.end), date);
    }
    return fmt::format("COPY (SELECT {} FROM {}) TO {} (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {})", select, from,
                       quote_literal(file), row_group);
}

} // namespace millrace
