#include "connectors/http/page_walk.hpp"

#include "flows/counted.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace millrace {

std::optional<std::int64_t> PageWalk::next() {
    if (!has_next() || (!pages_known_ && under_way_ > 0)) return {};
    ++under_way_;
    return start_ + asked_++;
}

void PageWalk::stop() {
    ended_ = true;
    stopped_ = true;
}

void PageWalk::arrived(const PageArrival& page) {
    --under_way_;
    records_ += page.records;
    // Two workers may have asked for it at once, when neither had come.
    if (page.fingerprint != 0 && !seen_.insert(page.fingerprint).second) mark_drifted("a page came twice");
    if (++pages_ == 1) {
        first_page_records_ = page.records;
        if (paged_ || page.records == 0) announced_ = page.announced;
        if (!paged_)
            ended_ = true;
        else if (announced_)
            plan_by_total(page);
        else
            look_for_end(page);
        return;
    }
    if (pages_known_) {
        if (page.announced && page.announced != announced_)
            mark_drifted(fmt::format("the announced total went from {} to {} while paging", *announced_, *page.announced));
        if (records_ > *announced_ && page.records == first_page_records_) ++*pages_known_;
        return;
    }
    look_for_end(page);
}

void PageWalk::plan_by_total(const PageArrival& first) {
    const std::int64_t total = *first.announced;
    if (first.records == 0) {
        ended_ = true;
        return;
    }
    // A server may give less than a page's size per page, by a limit of its own; then its pages count.
    const std::int64_t size = first.records >= total ? std::max(first.records, std::int64_t{1}) : first.records;
    pages_known_ = std::max<std::int64_t>(1, (total + size - 1) / size);
    if (first.records > total) ++*pages_known_;
}

void PageWalk::look_for_end(const PageArrival& page) {
    if (page.records == 0) {
        ended_ = page.last != false || last_was_empty_;
        last_was_empty_ = true;
        if (page.last == false) mark_drifted("an empty page says that more follow");
        return;
    }
    hole_ = hole_ || last_was_empty_;
    last_was_empty_ = false;
    if (page.last) {
        ended_ = *page.last;
    } else if (page.records < first_page_records_) {
        ended_ = true;
    }
}

std::string PageWalk::drift() const {
    if (stopped_) return {};
    if (!drift_.empty()) return drift_;
    if (announced_ && *announced_ != records_)
        return fmt::format("{} records were announced, {} came", count_text(*announced_), count_text(records_));
    return {};
}

} // namespace millrace
