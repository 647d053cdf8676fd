#include "scheduler/schedules.hpp"

#include "flows/cron.hpp"
#include "flows/hash.hpp"
#include "scheduler/new_run.hpp"
#include "scheduler/params.hpp"

#include <spdlog/spdlog.h>

#include <numeric>

namespace millrace {
namespace {

constexpr auto on_time = std::chrono::seconds(60); ///< later than this is downtime: `missed` decides
constexpr std::size_t most_missed = 10'000;

} // namespace

std::vector<std::size_t> chosen_of_missed(const std::string& policy, std::size_t passed) {
    if (policy == "none" || passed == 0) return {};
    if (policy == "last") return {passed - 1};
    std::vector<std::size_t> all(passed);
    std::iota(all.begin(), all.end(), std::size_t{0});
    return all;
}

Schedules::Schedules(Clock& clock, Store& store, Catalogue& catalogue, Runner& runner, RunIds& ids)
    : clock_(clock), store_(store), catalogue_(catalogue), runner_(runner), ids_(ids) {}

void Schedules::set_next(StoredSchedule& s, Instant after) {
    const auto next = next_firing(s.spec, after);
    s.next_at = next ? std::optional(next->at) : std::nullopt;
    s.next_local = next ? next->local : "";
}

boost::asio::awaitable<void> Schedules::load() {
    auto schedules = co_await store_.schedules();
    schedules_ = std::move(schedules);
    arm();
}

void Schedules::stop() {
    stopped_ = true;
    clock_.cancel(timer_);
}

/// The nominal instant plus the schedule's jitter, always the same for the same firing.
Instant Schedules::due(const StoredSchedule& s) {
    if (s.spec.jitter_seconds <= 0) return *s.next_at;
    const auto hash = sha256_hex(s.flow + "\n" + to_rfc3339(*s.next_at)).substr(0, 8);
    const double share = static_cast<double>(std::stoul(hash, nullptr, 16)) / 4294967296.0;
    return *s.next_at + std::chrono::microseconds(static_cast<std::int64_t>(share * s.spec.jitter_seconds * 1e6));
}

void Schedules::arm() {
    clock_.cancel(timer_);
    if (stopped_) return;
    std::optional<Instant> first;
    for (const auto& s : schedules_)
        if (s.next_at && !s.paused && !s.spec.paused && (!first || due(s) < *first)) first = due(s);
    if (first) timer_ = clock_.call_at(*first, [this] { fire_due(); });
}

void Schedules::fire_due() {
    if (stopped_) return;
    for (auto& s : schedules_) {
        if (!s.next_at || s.paused || s.spec.paused || due(s) > clock_.now()) continue;
        if (fire(s)) continue;
        timer_ = clock_.call_at(clock_.now() + std::chrono::milliseconds(100), [this] { fire_due(); }); // run ids are on their way
        return;
    }
    arm();
}

/// False: it could not be done now, and nothing changed.
bool Schedules::fire(StoredSchedule& s) {
    const Instant now = clock_.now();
    std::vector<std::pair<Instant, std::string>> passed;
    StoredSchedule next = s;
    while (next.next_at && due(next) <= now && passed.size() < most_missed) {
        passed.emplace_back(*next.next_at, next.next_local);
        set_next(next, *next.next_at);
    }
    const bool missed = now - due(s) > on_time;
    auto chosen = missed ? chosen_of_missed(s.spec.missed, passed.size()) : chosen_of_missed("all", passed.size());
    if (missed)
        spdlog::warn("schedule of flow={} was due at {}: {} firings passed, {} of them run now (missed: {})", s.flow, to_rfc3339(*s.next_at), passed.size(),
                     chosen.size(), s.spec.missed);
    const StoredSchedule before = s;
    s = next;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        const auto place = chosen[i];
        StoredSchedule then = s; // what the store keeps as next until the one after this is stored too
        if (i + 1 < chosen.size()) then.next_at = passed[chosen[i + 1]].first, then.next_local = passed[chosen[i + 1]].second;
        if (make_run(then, passed[place].first, passed[place].second, missed)) continue;
        s = before;
        s.next_at = passed[place].first;
        s.next_local = passed[place].second;
        return false;
    }
    if (chosen.empty()) {
        auto moved = std::vector<StoredSchedule>{s};
        boost::asio::co_spawn(runner_.executor(), store_.set_next(std::move(moved)), [](std::exception_ptr) {}); // at worst it passes again
    }
    return true;
}

bool Schedules::make_run(const StoredSchedule& s, Instant nominal, const std::string& local, bool catch_up) {
    const auto* flow = catalogue_.find(s.flow);
    if (!flow || flow->archived) return true;
    const auto id = ids_.take();
    if (id == 0) return false;
    try {
        RunRow row = new_run_row(*flow, id, runner_.new_uuid(), checked_params(*flow->plan, s.spec.params),
                                 run_interval(*flow->plan, std::nullopt, std::nullopt, nominal), clock_.now());
        row.trigger = "schedule";
        row.scheduled_for = nominal;
        row.run_key = sha256_hex("schedule\n" + s.flow + "\n" + to_rfc3339(nominal));
        RunStart start;
        start.plan = flow->plan;
        start.catch_up = catch_up;
        start.firing = FiringRow{s.flow, s.number, nominal, local, s.next_at, s.next_local};
        (void)runner_.admit(std::move(row), std::move(start), {}, {});
    } catch (const std::exception& e) {
        spdlog::error("schedule of flow={} cannot fire at {}: {}", s.flow, to_rfc3339(nominal), e.what());
    }
    return true;
}

} // namespace millrace
