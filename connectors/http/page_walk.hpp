/// Which page of a slice to ask for next, when the walk is over, and whether what came fits together. Pure: no I/O, no clock,
/// no lock (its owner has one).
///
/// A source that announces its total lets several pages be under way at once; without a total each page waits for the one
/// before. Entries that arrive while paging shift the pages: the announced total changes, or fewer or more records come than
/// were announced, or a record comes twice (its owner finds that by keys). Such a walk has drifted and must be repeated.
///
/// The end, without a total: the header that the spec names says so; else an empty page, or one shorter than the first (a
/// first page shorter than what was asked for may be the server's own limit, so the next page is asked for too). Where an empty
/// page says that more follow, the next one decides: records behind a hole, or the end. A total that turns out too small does
/// not end a walk whose last page was full. What is not paged cannot be counted, but where a total says that there is something,
/// there must be something.
#pragma once

#include "flows/source_spec.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>

namespace millrace {

/// What a page was, for the walk.
struct PageArrival {
    std::int64_t records = 0;
    std::optional<std::int64_t> announced; ///< total of the walk
    std::optional<bool> last;              ///< as the header says
    std::uint64_t fingerprint = 0;
};

class PageWalk {
public:
    explicit PageWalk(const PagingSpec& paging) : start_(paging.start), paged_(paging.kind != "none") {}

    /// The number of the next page to ask for. Nothing: the walk is over, or the next page cannot be known yet.
    [[nodiscard]] std::optional<std::int64_t> next();
    /// The page that `next` gave has come.
    void arrived(const PageArrival& page);
    /// No more pages are wanted (row limit, failure). Those under way may still arrive.
    void stop();

    /// This content has come before, so the source repeats itself.
    [[nodiscard]] bool is_repeat(std::uint64_t fingerprint) const { return fingerprint != 0 && seen_.contains(fingerprint); }
    /// Nothing is under way and nothing is left to ask for.
    [[nodiscard]] bool over() const { return under_way_ == 0 && !has_next(); }
    /// Another worker would find a page to ask for.
    [[nodiscard]] bool can_share() const { return pages_known_ && has_next(); }

    [[nodiscard]] std::int64_t pages() const { return pages_; }
    [[nodiscard]] std::int64_t records() const { return records_; }
    [[nodiscard]] std::optional<std::int64_t> announced() const { return announced_; }
    /// Why the pages of this finished walk do not fit together; empty: they do.
    [[nodiscard]] std::string drift() const;
    /// The source announced more than it gave, and never said otherwise: a limit of its own, or a wrong count.
    [[nodiscard]] bool short_of_total() const { return !stopped_ && drift_.empty() && announced_ && records_ < *announced_; }
    /// A page in the middle was empty: its records are missing.
    [[nodiscard]] bool has_hole() const { return hole_; }
    void mark_drifted(const std::string& why) {
        if (drift_.empty()) drift_ = why;
    }

private:
    [[nodiscard]] bool has_next() const { return !ended_ && (!pages_known_ || asked_ < *pages_known_); }
    void plan_by_total(const PageArrival& first);
    void look_for_end(const PageArrival& page);

    std::int64_t start_; ///< number of the first page
    bool paged_;
    std::int64_t asked_ = 0; ///< pages that were asked for
    std::int64_t under_way_ = 0;
    std::int64_t pages_ = 0, records_ = 0; ///< that arrived
    std::int64_t first_page_records_ = 0;
    std::optional<std::int64_t> announced_;
    std::optional<std::int64_t> pages_known_;
    bool ended_ = false, stopped_ = false;
    bool last_was_empty_ = false, hole_ = false;
    std::string drift_;
    std::set<std::uint64_t> seen_;
};

} // namespace millrace
