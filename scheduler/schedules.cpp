#include "scheduler/schedules.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace millrace {
namespace {

constexpr int most_a_turn = 64;
constexpr auto others_have = std::chrono::seconds(1); ///< each node that goes first, before its share is looked at
constexpr std::ptrdiff_t most_go_first = 3;           ///< after so many all look
constexpr std::chrono::microseconds at_most_in = std::chrono::seconds(1);
constexpr std::chrono::microseconds least_jump = std::chrono::seconds(60); ///< of the wall clock; a smaller one is a correction
constexpr auto jump_holds = std::chrono::seconds(10);

} // namespace

Schedules::Schedules(Clock& clock, ScheduleStore& store, Catalogue& catalogue, Runner& runner, Journal& journal, RunIds& ids,
                     std::string node)
    : clock_(clock), store_(store), catalogue_(catalogue), runner_(runner), journal_(journal), ids_(ids), node_(std::move(node)),
      wall_offset_(clock.wall_offset()) {}

void Schedules::set_next(StoredSchedule& s, Instant after) {
    const auto next = next_firing(s.spec, after);
    s.next_at = next ? std::optional(next->at) : std::nullopt;
    s.next_local = next ? next->local : "";
}

boost::asio::awaitable<void> Schedules::load() {
    stale_ = true;
    const auto turn = co_await loads_.turn();
    auto schedules = co_await store_.schedules();
    stale_ = false;
    schedules_ = std::move(schedules);
    line_.clear(); // its places are of those before
    places_.clear();
    for (std::size_t i = 0; i < schedules_.size(); ++i) places_[{schedules_[i].flow, schedules_[i].number}] = i;
    ++generation_;
    look_for_zones();
    if (!std::exchange(loaded_once_, true)) {
        (void)follow_zones([](const std::string& zone) { return zone != "UTC"; });
        bring_back();
    }
    line_up_all();
    if (loaded_) loaded_();
}

/// Nothing comes later than the first instant that is yet to be: a clock that was ahead may have passed over it. That of another
/// node may be ahead by a little.
void Schedules::bring_back() {
    if (nodes_.size() > 1) return; // others remember what came next
    std::vector<StoredSchedule> moved;
    for (auto& s : schedules_) {
        if (!s.next_at || s.rests() || !clock_trusted_) continue;
        const auto soon = next_firing(s.spec, clock_.now() + least_jump);
        if (!soon || soon->at >= *s.next_at) continue;
        const auto next = next_firing(s.spec, clock_.now());
        spdlog::warn("schedule of flow={} was to fire at {}: {} comes before that", s.flow, to_rfc3339(*s.next_at), to_rfc3339(next->at));
        s.next_at = next->at;
        s.next_local = next->local;
        moved.push_back(s);
    }
    if (!moved.empty())
        boost::asio::co_spawn(runner_.executor(), store_.bring_back(std::move(moved)), [](std::exception_ptr) {}); // at the next load
}

void Schedules::share_among(std::vector<std::string> nodes) {
    if (nodes == nodes_) return;
    nodes_ = std::move(nodes);
    line_up_all();
}

/// Those whose hash of their name and the schedule's is higher: when one comes or goes, only its own share moves, and the shares of one
/// that died fall to all others in parts.
std::ptrdiff_t Schedules::nodes_before(const std::string& flow, int number) const {
    const auto weight = [&](const std::string& node) {
        return std::hash<std::string>()(node + '\n' + flow + '\n' + std::to_string(number));
    };
    const auto mine = nodes_.size() > 1 ? weight(node_) : 0;
    return std::count_if(nodes_.begin(), nodes_.end(), [&](const auto& node) { return node != node_ && weight(node) > mine; });
}

const StoredSchedule* Schedules::find(const std::string& flow, int number) const {
    const auto at = places_.find({flow, number});
    return at == places_.end() ? nullptr : &schedules_[at->second];
}

void Schedules::trust_clock(bool trusted) {
    if (std::exchange(clock_trusted_, trusted) == trusted || !trusted) return;
    bring_back();
    line_up_all();
}

void Schedules::stop() {
    stopped_ = true;
    clock_.cancel(timer_);
    clock_.cancel(hold_);
}

/// Lately: nothing is to fire now. Who notices it first tells of it.
bool Schedules::clock_was_set() {
    const auto by = clock_.wall_offset() - std::exchange(wall_offset_, clock_.wall_offset());
    if (stopped_ || std::chrono::abs(by) <= least_jump) return hold_ != 0;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(by).count();
    spdlog::warn("the wall clock was set by {} s: schedules wait for {} s, then what they passed counts as downtime", seconds,
                 jump_holds.count());
    RunChanges told;
    told.events.push_back({clock_.now(),
                           {},
                           {},
                           "clock_jumped",
                           "the clock of node " + node_ + " was set; what schedules passed counts as downtime",
                           {{"seconds", seconds}, {"node", node_}}});
    journal_.submit(std::move(told));
    clock_.cancel(hold_);
    hold_ = clock_.call_after(jump_holds, [this] {
        hold_ = 0;
        bring_back();
        line_up_all();
    });
    return true;
}

Instant Schedules::due(const StoredSchedule& s, Instant nominal) {
    if (s.spec.jitter_seconds <= 0) return nominal;
    const auto following = s.lacks_zone ? std::nullopt : next_firing(s.spec, nominal);
    return with_jitter(s.flow, s.spec, nominal, following ? std::optional(following->at) : std::nullopt);
}

void Schedules::line_up(std::size_t place) {
    const auto& s = schedules_[place];
    if (!s.next_at || s.rests()) return;
    line_.emplace(due(s, *s.next_at) + std::min(nodes_before(s.flow, s.number), most_go_first) * others_have, place);
}

void Schedules::line_up_all() {
    line_.clear();
    for (std::size_t i = 0; i < schedules_.size(); ++i) line_up(i);
    arm();
}

void Schedules::arm() {
    clock_.cancel(timer_);
    const auto earliest = std::min(no_ids_until_, clock_.now() + at_most_in); // the clock may have been set back
    if (!stopped_ && !line_.empty()) timer_ = clock_.call_at(std::max(line_.begin()->first, earliest), [this] { fire_due(); });
}

/// Whether there were any: those who find none while it is waited for them are of the same round, and only another round waits for longer.
void Schedules::had_ids(bool any) {
    if (any) {
        ids_in_ = ids_come_in;
    } else if (const auto now = clock_.now(); now >= no_ids_until_) {
        no_ids_until_ = now + ids_in_;
        ids_in_ = std::min(ids_in_ * 2, at_most_in);
    }
}

/// Thousands may be due in the same second: others get their turn between them.
void Schedules::fire_due() {
    if (stopped_ || !clock_trusted_ || clock_was_set()) return;
    const auto now = clock_.now();
    std::vector<std::size_t> of_others;
    for (left_of_turn_ = most_a_turn; left_of_turn_ > 0 && !line_.empty() && line_.begin()->first <= now; --left_of_turn_) {
        const auto place = line_.begin()->second;
        line_.erase(line_.begin());
        if (const auto& s = schedules_[place]; !is_ours(s.flow, s.number)) {
            of_others.push_back(place);
            continue;
        }
        const bool fired = fire(schedules_[place]);
        line_up(place);
        had_ids(fired);
        if (!fired) break;
    }
    if (!of_others.empty())
        boost::asio::co_spawn(runner_.executor(), fire_for_others(std::move(of_others), generation_), [this](std::exception_ptr failed) {
            if (!failed || stopped_) return;
            spdlog::error("firing for other nodes failed; it is tried again");
            line_up_all();
        });
    arm();
}

boost::asio::awaitable<void> Schedules::fire_for_others(std::vector<std::size_t> places, std::uint64_t generation) {
    std::vector<std::pair<std::string, int>> names;
    for (const auto place : places) names.emplace_back(schedules_[place].flow, schedules_[place].number);
    std::vector<std::optional<ScheduleStore::Next>> stored;
    try {
        stored = co_await store_.next_of(std::move(names));
    } catch (const std::exception&) { // the store is away: they are asked for again
    }
    if (stopped_ || !clock_trusted_ || generation != generation_) co_return;
    if (stored.empty() || clock_was_set()) {
        for (const auto place : places) line_.emplace(clock_.now() + others_have, place);
        co_return arm();
    }
    for (std::size_t i = 0; i < places.size(); ++i) {
        auto& s = schedules_[places[i]];
        const auto& next = stored[i];
        if (!next) continue; // gone or held; the catalogue follows
        if (next->at == s.next_at) {
            had_ids(fire(s)); // without a run id it stays what comes next
        } else {
            s.next_at = next->at;
            s.next_local = next->local;
        }
        line_up(places[i]);
    }
    arm();
}

} // namespace millrace
