#include "scheduler/history.hpp"

#include <fmt/format.h>

namespace millrace {
namespace {

bool differ(const std::string& a, const std::string& b) { return !a.empty() && !b.empty() && a != b; }
bool differ(std::int64_t a, std::int64_t b) { return a != 0 && b != 0 && a != b; }
bool went_back(const StorePosition& known, const StorePosition& found) { return found.wal != 0 && found.wal < known.wal; }

std::string wal_text(std::int64_t wal) { return fmt::format("{:X}/{:X}", wal >> 32, wal & 0xffffffff); }

Json document(const StorePosition& p) {
    return {{"system", p.system.empty() ? Json() : Json(p.system)},
            {"timeline", p.timeline ? Json(p.timeline) : Json()},
            {"wal", p.wal ? Json(wal_text(p.wal)) : Json()}};
}

} // namespace

Verdict judge(const Return& back) {
    if (differ(back.known.system, back.found.system) || differ(back.known.timeline, back.found.timeline) ||
        went_back(back.known, back.found))
        return Verdict::Lost;
    if (!back.row || *back.row > back.acknowledged + 1) return Verdict::Fenced;
    if (*back.row < back.acknowledged) return Verdict::Lost;
    return *back.row == back.acknowledged ? Verdict::AsLeft : Verdict::Arrived;
}

std::string lost_message(const Return& back) {
    std::string what = "it may lack commits";
    if (!back.row)
        what = "it does not know this node's life";
    else if (*back.row < back.acknowledged)
        what = fmt::format("of this node's commits it has {}, and {} were acknowledged", *back.row, back.acknowledged);
    std::string why = "it went back in time";
    if (differ(back.known.system, back.found.system))
        why = "it is another cluster";
    else if (differ(back.known.timeline, back.found.timeline))
        why = fmt::format("it is on timeline {}, and was on {}", back.found.timeline, back.known.timeline);
    return "the store failed over or was restored: " + why + ", " + what;
}

Json lost_details(const Return& back) {
    return {{"acknowledged", back.acknowledged},
            {"found", back.row ? Json(*back.row) : Json()},
            {"known", document(back.known)},
            {"now", document(back.found)}};
}

} // namespace millrace
