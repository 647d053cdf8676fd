/// Which slice a worker takes next, and what the workers of one slice share (internal to the extraction).
#pragma once

#include "connectors/http/extraction.hpp"
#include "connectors/http/page_walk.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>

namespace millrace {

/// What one worker made of some pages of one walk.
struct Piece {
    std::string name; ///< of its files: slice, walk, number; the same in every attempt
    std::optional<RawFile> raw;
    std::optional<ManifestPart> part;                        ///< none: no rows
    int walk = 1;                                            ///< which of the slice
    std::vector<std::uint64_t> keys;                         ///< hashes, for duplicates
    std::vector<std::pair<std::size_t, std::int64_t>> pages; ///< the first row of each page of a keyed resource, and its number
    std::vector<std::string> mistakes;
    std::int64_t rejected = 0;
    std::int64_t kept = 0;  ///< of the rejected ones
    std::string quarantine; ///< those, as JSON lines
    std::map<std::string, std::string> unknown;
};

/// One slice. There may be a hundred thousand, so what is only needed under way comes when it is taken. The board's mutex
/// guards all but `slice`, `id` and `request`.
struct SliceRun {
    SliceRun(const Slice& s, std::string name, const PagingSpec& paging) : slice(s), id(std::move(name)), walk(paging) {}

    const Slice& slice;
    const std::string id;
    std::unique_ptr<const RequestBuilder> request; ///< while somebody works on it

    PageWalk walk;
    int walk_number = 1;
    int workers = 0;
    int pieces_begun = 0;
    bool started = false, done = false;
    bool limited = false;              ///< no complete snapshot: cut short by a row limit, or put together from drifted walks
    std::vector<Piece> pieces;         ///< of this walk
    std::vector<Piece> earlier;        ///< of walks that drifted
    std::vector<std::uint64_t> prints; ///< of each walk's keys: equal for walks that gave the same records
    std::int64_t bytes = 0;            ///< of answers
    std::string extracted_at;          ///< first request
    std::exception_ptr failure;
    std::optional<std::int64_t> counted; ///< the announced total as the board's sum has it
    SliceManifest manifest;              ///< when done
};

class SliceBoard {
public:
    using Open = std::function<std::unique_ptr<const RequestBuilder>(const Slice&)>;

    /// `open` makes the requests of a slice that is taken.
    SliceBoard(std::deque<SliceRun>& runs, Open open);

    /// A slice to work on: one that nobody has begun, else one where several pages may be under way. Waits while the others
    /// may still make work. Null: there is none left, or everything stops.
    [[nodiscard]] SliceRun* take();
    /// The worker is done with the slice. True: it was the last one there, and must conclude it; nobody else has it meanwhile.
    [[nodiscard]] bool leave(SliceRun& run, Piece piece, std::exception_ptr failure);
    /// After `leave` gave true: the slice is finished, or it is open again for another walk.
    void conclude(SliceRun& run, bool finished);
    /// No slice is begun any more; those under way go on.
    void begin_no_more();
    /// Nobody gets work any more; the first reason is kept.
    void stop(std::exception_ptr why);

    [[nodiscard]] bool stopped() const { return stopped_; }
    [[nodiscard]] std::exception_ptr reason() const;
    [[nodiscard]] std::int64_t done() const { return done_; }
    /// Sum of announced totals when every slice has one; else 0.
    [[nodiscard]] std::int64_t announced() const;

    std::mutex& mutex() { return mutex_; }
    /// With the mutex held: the slice may have another total than before.
    void count(SliceRun& run);
    /// With the mutex held: pages may be shared from now on.
    void wake() { changed_.notify_all(); }

private:
    std::deque<SliceRun>& runs_;
    const Open open_;
    std::atomic<std::int64_t> done_{0};
    mutable std::mutex mutex_; ///< guards what follows
    std::condition_variable changed_;
    std::size_t next_ = 0; ///< slices before it have begun
    std::int64_t announced_ = 0;
    std::size_t counted_ = 0; ///< slices in that sum
    bool begun_enough_ = false;
    std::atomic<bool> stopped_{false};
    std::exception_ptr reason_;
};

} // namespace millrace
