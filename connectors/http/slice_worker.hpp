/// One worker thread of an extraction (internal): asks for pages, spools their raw records, types them into a Parquet part.
#pragma once

#include "connectors/duckdb/row_source.hpp"
#include "connectors/http/page.hpp"
#include "connectors/http/slice_board.hpp"

#include <fstream>

namespace millrace {

/// What all workers of an extraction share.
struct ExtractionShare {
    ExtractionShare(const ExtractionPlan& p, ExtractionEvents& e, std::deque<SliceRun>& runs, SliceBoard::Open open)
        : plan(p), events(e), board(runs, std::move(open)) {}

    const ExtractionPlan& plan;
    ExtractionEvents& events;
    SliceBoard board;
    RequestEvents requests;
    std::string requesting = "requesting"; ///< the usual step
    std::vector<duckdb::Column> columns;   ///< of the resource, resolved
    std::atomic<std::int64_t> pages{0}, records{0};
    std::atomic<std::int64_t> rows_left{0};    ///< with a row limit
    std::atomic<std::int64_t> rejects_left{0}; ///< that may yet be kept

    void report(const std::string& step);
};

class SliceWorker {
public:
    SliceWorker(ExtractionShare& share, std::shared_ptr<Governor> governor, duckdb::Database& database);

    /// Until no work is left. Throws nothing: what fails goes to the board.
    void run();

private:
    [[nodiscard]] Piece read(SliceRun& run);
    bool load_page(SliceRun& run);
    void accept(SliceRun& run, HttpResponse& response, int& repeats);
    void keep(SliceRun& run, const HttpResponse& response);
    [[nodiscard]] std::uint64_t fill(SliceRun& run, Piece& piece, std::vector<duckdb::ColumnWriter>& columns, std::uint64_t capacity);
    [[nodiscard]] bool write_record(const SliceRun& run, Piece& piece, std::vector<duckdb::ColumnWriter>& columns, std::uint64_t row);
    void reject(const SliceRun& run, Piece& piece, const RecordMistake& mistake);
    [[nodiscard]] std::string copy_sql(const SliceRun& run, const std::string& from, const std::string& file) const;

    ExtractionShare& share_;
    duckdb::Connection connection_;
    Requester requester_;
    RecordWriter writer_;
    HttpResponse response_;
    Page page_;
    std::int64_t page_number_ = 0;
    std::size_t position_ = 0;     ///< of the next record of the page
    std::optional<RawWriter> raw_; ///< of the piece
    std::optional<std::ofstream> rejects_;
};

/// Finishes a slice whose workers have all left: checks the walk, repeats it, or writes the manifest. Gives whether it is done.
[[nodiscard]] bool conclude_slice(SliceRun& run, ExtractionShare& share, duckdb::Connection& connection);

} // namespace millrace
