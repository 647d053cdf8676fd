// What of a schedule is due, and the runs that it makes.

#include "scheduler/schedules.hpp"

#include "flows/hash.hpp"
#include "flows/interval.hpp"
#include "scheduler/new_run.hpp"
#include "scheduler/one_line.hpp"
#include "scheduler/params.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <span>

namespace millrace {
namespace {

constexpr auto on_time = std::chrono::seconds(60); ///< later than this is downtime: `missed` decides
constexpr std::size_t most_at_once = 50;           ///< of `missed: all`; the next turn takes the others
constexpr int most_looked_ahead = 128;
constexpr std::size_t looked_at_as_one = 32;      ///< firings that take as long as to fire one
constexpr std::size_t most_counted = 100;         ///< of those that are late and left out: beyond it "more than"
constexpr const char* unique_violation = "23505"; // https://www.postgresql.org/docs/15/errcodes-appendix.html

std::chrono::microseconds seconds_of(double seconds) { return std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)); }

/// A hundred years where nothing is said.
std::chrono::microseconds longest_missed(const ScheduleSpec& spec) {
    return spec.missed_seconds > 0 ? seconds_of(spec.missed_seconds) : std::chrono::hours(24 * 36525);
}

} // namespace

Schedules::Passed Schedules::passed(const StoredSchedule& s, Instant now) {
    Passed out;
    out.first = *s.next_at;
    const auto oldest = longest_missed(s.spec);
    std::vector<Firing> found{{*s.next_at, s.next_local, ""}};
    for (int ahead = 2; !found.empty(); ahead = std::min(ahead * 8, most_looked_ahead)) {
        const Instant last = found.back().at;
        for (std::size_t i = 0; i < found.size(); ++i) {
            auto& firing = found[i];
            const Instant at = i + 1 < found.size() ? with_jitter(s.flow, s.spec, firing.at, found[i + 1].at) : due(s, firing.at);
            if (at > now || out.late.size() == most_at_once) {
                out.next = std::move(firing);
                return out;
            }
            if (now - at <= on_time) {
                out.on_time.push_back(std::move(firing));
                continue;
            }
            ++out.late_count;
            out.last = firing.at;
            out.last_is_too_old = now - at > oldest;
            if (s.spec.missed != "all") out.late.clear();
            if (s.spec.missed != "none" && !out.last_is_too_old) out.late.push_back(std::move(firing));
        }
        auto from = last;
        if (out.late_count >= most_counted && (s.spec.missed != "all" || out.late.empty())) {
            const auto nearer = s.spec.missed == "all" ? before_window(s, last, now) : before_last_late(s, last, now);
            out.counted_all = out.counted_all && !nearer;
            from = nearer.value_or(last);
        }
        found = next_firings(s.spec, from, ahead);
    }
    return out;
}

/// Where to go on for those that `missed: all` starts, which passed lately.
std::optional<Instant> Schedules::before_window(const StoredSchedule& s, Instant counted, Instant now) {
    const Instant from = now - longest_missed(s.spec) - seconds_of(s.spec.jitter_seconds);
    return from > counted ? std::optional(from) : std::nullopt;
}

/// Where to go on so that the last late one is still found: after weeks of downtime, those of every minute are too many to look at each.
std::optional<Instant> Schedules::before_last_late(const StoredSchedule& s, Instant counted, Instant now) {
    const auto late = now - on_time - seconds_of(s.spec.jitter_seconds);
    for (std::chrono::microseconds back = std::chrono::minutes(1); late - back > counted; back *= 8)
        if (const auto next = next_firing(s.spec, late - back); next && next->at < late) return late - back;
    return std::nullopt;
}

/// False: it could not be done now, and what has not fired is what comes next.
bool Schedules::fire(StoredSchedule& s) {
    auto found = passed(s, clock_.now());
    left_of_turn_ -= static_cast<int>((found.late_count + found.on_time.size()) / looked_at_as_one);
    const auto& next = found.next;
    if (s.spec.missed == "last" && !found.on_time.empty()) found.late.clear();
    const std::size_t catch_ups = found.late.size(), left_out = found.late_count - catch_ups;
    auto chosen = std::move(found.late);
    chosen.insert(chosen.end(), found.on_time.begin(), found.on_time.end());
    const auto comes_next = [&s](const std::optional<Firing>& firing) {
        s.next_at = firing ? std::optional(firing->at) : std::nullopt;
        s.next_local = firing ? firing->local : "";
    };
    if (left_out > 0) tell_missed(s, found, left_out), tell_left_out(s, found, left_out); // who goes on later begins after them
    comes_next(next);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        comes_next(i + 1 < chosen.size() ? chosen[i + 1] : next); // the store keeps it with this firing
        if (make_run(s, chosen[i], i < catch_ups)) continue;
        comes_next(chosen[i]);
        return false;
    }
    if (found.late_count > 0)
        spdlog::warn("schedule of flow={} was due at {}: {}{} firing{} late, {} run now (missed: {})", s.flow, to_rfc3339(found.first),
                     found.counted_all ? "" : "more than ", found.late_count, found.late_count == 1 ? " is" : "s are", catch_ups,
                     s.spec.missed);
    if (chosen.empty()) {
        auto moved = std::vector<StoredSchedule>{s};
        boost::asio::co_spawn(runner_.executor(), store_.set_next(std::move(moved)), [](std::exception_ptr) {}); // at worst it passes again
    }
    return true;
}

/// Before the firing that passes over them is written: whoever fires it again tells it again, and that is told once.
void Schedules::tell_missed(const StoredSchedule& s, const Passed& passed, std::size_t count) {
    const auto* flow = catalogue_.find(s.flow);
    if (!flow || flow->archived || flow->plan->expect.start_within <= 0) return;
    RunChanges told;
    told.breaches.push_back(missed_firings(s.flow, s.number, passed.first, count, passed.counted_all, clock_.now()));
    journal_.submit(std::move(told));
}

void Schedules::tell_left_out(const StoredSchedule& s, const Passed& passed, std::size_t count) {
    const auto first = to_rfc3339(passed.first), last = to_rfc3339(passed.last);
    RunChanges told;
    EventRow event;
    event.at = clock_.now();
    event.flow = s.flow;
    event.kind = "missed";
    const auto firings = fmt::format("{}{} firing{}", passed.counted_all ? "" : "more than ", count, count == 1 ? "" : "s");
    const std::string are = count == 1 ? "is" : "are";
    const bool by_age = s.spec.missed == "all" || (s.spec.missed == "last" && passed.last_is_too_old);
    event.message =
        by_age ? fmt::format("{} from {} on {} older than `missed_within: {}` and {} left out", firings, first, are,
                             span_text(s.spec.missed_seconds), are)
               : fmt::format("{} of {} to {} came too late and {} left out (missed: {})", firings, first, last, are, s.spec.missed);
    event.details = {{"schedule", s.number}, {"left_out", count}, {"counted_all", passed.counted_all}, {"first", first}, {"last", last}};
    told.events.push_back(std::move(event));
    journal_.submit(std::move(told));
}

/// Two schedules of a flow may meet at an instant: their runs are two, and so are what these load.
static std::string key_of_firing(const StoredSchedule& s, const FlowPlan& plan, Instant at) {
    std::string text = "schedule\n" + s.flow + "\n" + to_rfc3339(at);
    if (!s.spec.params.empty()) text += "\n" + s.spec.params.dump();
    const auto before = std::span(plan.schedules).first(std::min(plan.schedules.size(), static_cast<std::size_t>(s.number)));
    const auto is_alike = [&](const ScheduleSpec& other) { return other.params == s.spec.params; };
    if (std::any_of(before.begin(), before.end(), is_alike)) text += "\nschedule " + std::to_string(s.number);
    return sha256_hex(text);
}

bool Schedules::make_run(const StoredSchedule& s, const Firing& firing, bool catch_up) {
    const auto* flow = catalogue_.find(s.flow);
    if (!flow || flow->archived) return true;
    const auto id = ids_.take();
    if (id == 0) return false;
    FiringRow row_of_firing{s.flow, s.number, firing.at, firing.local, s.next_at, s.next_local, s.changed_at};
    try {
        RunRow row = new_run_row(*flow, id, runner_.new_uuid(), Json::object(),
                                 run_interval(*flow->plan, std::nullopt, std::nullopt, firing.at), clock_.now());
        check_chunks(*flow->plan, row);
        row.trigger = "schedule";
        row.scheduled_for = firing.at;
        row.options["schedule"] = s.number;
        row.params = params_at(row, *flow->plan, s.spec.params, firing.at);
        row.run_key = key_of_firing(s, *flow->plan, firing.at);
        RunStart start;
        start.plan = flow->plan;
        start.catch_up = catch_up;
        start.firing = row_of_firing;
        auto refused = [this, fired = row_of_firing, catch_up](const std::string& sqlstate, const std::string& message) {
            not_taken(fired, catch_up, sqlstate, message);
        };
        runner_.admit(std::move(row), std::move(start), {}, std::move(refused));
    } catch (const std::exception& e) {
        tell_not_fired(std::move(row_of_firing), e.what());
    }
    return true;
}

/// An instant of ours that has no run and no other decision either. A number that the store gave out, forgot when older files were
/// put back, and gave out again is one that another run has: the next one will do.
void Schedules::not_taken(FiringRow fired, bool catch_up, const std::string& sqlstate, const std::string& message) {
    if (stopped_ || sqlstate == fired_by_another_node) return;
    const auto* s = find(fired.flow, fired.schedule);
    if (!s) return; // deployed without it
    fired.next_at = s->next_at;
    fired.next_local = s->next_local;
    if (sqlstate != unique_violation) return tell_not_fired(std::move(fired), "the store does not take it: " + one_line(message));
    if (make_run(*s, {fired.nominal, fired.local, ""}, catch_up)) return;
    clock_.call_after(ids_come_in, [=, this] { not_taken(fired, catch_up, sqlstate, message); });
}

void Schedules::tell_not_fired(FiringRow fired, const std::string& why) {
    const auto nominal = to_rfc3339(fired.nominal);
    spdlog::error("schedule of flow={} cannot fire at {}: {}", fired.flow, nominal, why);
    RunChanges told;
    told.events.push_back({clock_.now(), fired.flow, {}, "not_fired", "the firing of " + nominal + " makes no run: " + why});
    told.firing = std::move(fired);
    journal_.submit(std::move(told));
}

} // namespace millrace
