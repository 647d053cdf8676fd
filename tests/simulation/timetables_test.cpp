// Schedules over months and years, under faults: every nominal instant has one decision. What may not be passed over is checked by
// the store at each move (memory_store.cpp); here is counted what must have fired.
#include "../scheduler/plan_text.hpp"
#include "flows/cron.hpp"
#include "flows/zone.hpp"
#include "process.hpp"
#include "seeds.hpp"

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

#ifdef NDEBUG
constexpr std::uint64_t of_the_year = 200;
#else
constexpr std::uint64_t of_the_year = 20; // without the optimiser a firing costs ten times as much
#endif
const Instant new_year = *parse_rfc3339("2026-01-01T00:00:00Z");

/// Some are short, some longer than the time between two firings.
FlowPlan flow_with(const std::string& name, ScheduleSpec schedule, const std::string& overlap, double hours = 0) {
    auto plan =
        plan_text(hours > 0 ? "w: wait seconds=" + std::to_string(static_cast<int>(hours * 3600)) : "l: load retry=50 timeout=600", name);
    plan.tasks[0].retry.for_classes = {"any"};
    plan.tasks[0].retry.delay = 1;
    plan.timezone = schedule.timezone;
    plan.schedules = {std::move(schedule)};
    plan.overlap = overlap;
    return plan;
}

ScheduleSpec cron(const std::string& text, const std::string& zone, const std::string& missed) {
    ScheduleSpec s;
    s.cron = text;
    s.timezone = zone;
    s.missed = missed;
    return s;
}

const char* one_of(std::initializer_list<const char*> words, std::uint64_t n) { return words.begin()[n % words.size()]; }
const char* policy(std::uint64_t n) { return one_of({"all", "last", "none"}, n); }
/// Runs that take longer than the time to the next do not queue: they would for ever.
const char* overlap(std::uint64_t n, bool is_long) {
    return is_long ? one_of({"skip", "allow", "cancel_previous"}, n) : one_of({"queue", "skip", "allow", "cancel_previous"}, n);
}
const char* zone(std::uint64_t n) {
    return one_of({"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata"}, n);
}

std::set<Instant> fired(const World& world, const std::string& flow) {
    std::set<Instant> out;
    for (auto at = world.store.firings.lower_bound({flow, 0, Instant::min()});
         at != world.store.firings.end() && std::get<0>(at->first) == flow; ++at)
        out.insert(std::get<2>(at->first));
    return out;
}

std::set<Instant> nominal(const ScheduleSpec& spec, Instant start, Instant end) {
    std::set<Instant> out;
    for (auto at = next_firing(spec, start); at && at->at <= end; at = next_firing(spec, at->at)) out.insert(at->at);
    return out;
}

/// By the days of the calendar instead of by cron: `spec` fires at this hour and minute of each.
std::set<Instant> each_day(const ScheduleSpec& spec, std::chrono::minutes time, Instant start, Instant end) {
    std::set<Instant> out;
    const auto& place = find_zone(spec.timezone);
    for (auto day = date::floor<date::days>(to_local(start, place)); day <= to_local(end, place); day += date::days(1)) {
        const auto found = place.get_info(date::local_time<std::chrono::seconds>(day + time));
        const auto local = (day + time).time_since_epoch();
        const auto at = [&](const date::sys_info& info) { return Instant(local - info.offset); };
        using Info = date::local_info;
        if (found.result == Info::nonexistent && spec.dst.gap == "after") out.insert(Instant(found.second.begin.time_since_epoch()));
        if (found.result == Info::unique || (found.result == Info::ambiguous && spec.dst.overlap != "second")) out.insert(at(found.first));
        if (found.result == Info::ambiguous && spec.dst.overlap != "first") out.insert(at(found.second));
    }
    std::erase_if(out, [&](Instant at) { return at <= start || at > end; });
    return out;
}

/// Each firing that made a run made that one, and each scheduled run has its firing.
void check_runs(const World& world) {
    for (const auto& [key, id] : world.store.firings) {
        const auto run = world.store.runs.find(id);
        REQUIRE(run != world.store.runs.end());
        CHECK(run->second.row.scheduled_for == std::get<2>(key));
        CHECK(run->second.row.flow == std::get<0>(key));
    }
    CHECK(world.store.firings.size() == world.store.runs.size());
}

void run_until(World& world, Instant end) {
    while (world.clock.now() < end) world.step();
    world.run_to_the_end();
}

Faults of_everything() {
    Faults f;
    f.node_dies = f.node_freezes = 0.0005;
    f.store_away = 0.0001;
    f.commit_fails = f.answer_lost = f.commit_late = f.commit_serialises = 0.01;
    f.commit_slow = 0.05;
    f.store_forgets = 0.0002;
    f.host_hangs = 0.005;
    f.seconds = 6 * 3600;
    f.slower = 20;
    return f;
}

} // namespace

TEST_CASE("every instant of a schedule has one decision, whatever happens to nodes and store") {
    const auto day = [](std::uint64_t seed) {
        Faults faults = of_everything();
        if (seed % 2) faults.clock_jumps = 0.0002, faults.longest_jump = 2 * 3600;
        World world(seed, faults, 1 + static_cast<int>(seed % 3));
        const Instant start = world.clock.now(), end = start + 7h;
        std::vector<FlowPlan> plans;
        for (std::uint64_t i = 0; i < 12; ++i) {
            auto spec = cron(one_of({"*/10 * * * *", "5/20 * * * *", "*/15 * * * *", "7,8 * * * *"}, seed + i), zone(i), policy(i));
            spec.jitter_seconds = i % 4 == 3 ? (i % 8 == 3 ? 90 : 5400) : 0; // the longer one reaches over several firings
            spec.end = to_rfc3339(end);
            plans.push_back(flow_with("flow" + std::to_string(i), spec, overlap(i / 3, i % 5 == 4), i % 5 == 4 ? 0.3 : 0));
            world.deploy(plans.back());
        }
        run_until(world, end);
        check_runs(world);
        for (std::size_t i = 0; i < plans.size(); ++i) {
            CAPTURE(i);
            const auto& spec = plans[i].schedules[0];
            const auto last = end - 2min - std::chrono::seconds(static_cast<int>(spec.jitter_seconds)); // what begins by then
            const auto all = nominal(spec, start, last), found = fired(world, plans[i].name);
            if (spec.missed == std::string("all")) CHECK(std::includes(found.begin(), found.end(), all.begin(), all.end()));
        }
    };
    for_each_seed(20, day, {}, 5);
}

TEST_CASE("a year of many schedules has one decision about every instant") {
    const auto year = [](std::uint64_t seed) {
        Faults faults;
        faults.host_hangs = 0;
        faults.node_dies = 0.00002;
        faults.node_freezes = 0.00001;
        faults.store_forgets = 0.00001;
        faults.answer_lost = faults.commit_late = faults.commit_fails = 0.0001;
        faults.clock_jumps = seed % 2 ? 0 : 0.00001;
        faults.longest_jump = 4 * 3600;
        faults.seconds = 365.0 * 24 * 3600;
        faults.slower = 300;
        World world(seed, faults, 2, new_year);
        const Instant end = new_year + std::chrono::days(365);
        std::vector<FlowPlan> plans;
        for (std::uint64_t i = 0; i < of_the_year; ++i) {
            ScheduleSpec spec;
            const auto minute = std::to_string(i % 60);
            switch (i % 5) {
            case 0: spec = cron(minute + " 2 * * *", zone(i / 5), policy(i / 5)); break; // where clocks are changed
            case 1: spec = cron(minute + " */" + std::to_string(6 + i % 7) + " * * *", zone(i / 5), policy(i)); break;
            case 2: spec = cron("@daily", zone(i), policy(i)); break;
            case 3: spec = cron(minute + " 1-23/11 * * mon-fri", zone(i), policy(i)); break;
            default: spec.every.seconds = 3600 * static_cast<std::int64_t>(7 + i % 19), spec.missed = policy(i); break;
            }
            spec.dst.overlap = one_of({"first", "second", "both"}, i / 10);
            spec.dst.gap = one_of({"after", "skip"}, i / 30);
            spec.jitter_seconds = i % 7 == 0 ? 300 : 0;
            spec.end = to_rfc3339(end);
            plans.push_back(flow_with("flow" + std::to_string(i), spec, overlap(i / 2, i % 11 == 0), i % 11 == 0 ? 9 : 0));
            world.deploy(plans.back());
        }
        run_until(world, end);
        check_runs(world);
        std::size_t decided = 0;
        for (std::uint64_t i = 0; i < plans.size(); ++i) {
            CAPTURE(i);
            const auto& spec = plans[i].schedules[0];
            auto all = nominal(spec, new_year, end - 10min);
            decided += all.size();
            if (i % 5 == 0) CHECK(all == each_day(spec, 2h + std::chrono::minutes(i % 60), new_year, end - 10min));
            const auto found = fired(world, plans[i].name);
            if (spec.missed == std::string("all")) CHECK(std::includes(found.begin(), found.end(), all.begin(), all.end()));
        }
        CHECK(decided > of_the_year * 400);
    };
    for_each_seed(1, year, {}, 500);
}
