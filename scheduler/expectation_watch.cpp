#include "scheduler/expectation_watch.hpp"

#include <boost/asio/co_spawn.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>

namespace millrace {
namespace {

constexpr std::size_t most_at_once = 200;               ///< flows of one look
constexpr auto others_look = std::chrono::seconds(2);   ///< after the one whose share it is
constexpr auto between_looks = std::chrono::seconds(1); ///< of one flow, however often its runs change
constexpr auto after_trouble = std::chrono::seconds(5);
constexpr auto while_broken = std::chrono::seconds(30); ///< another node may see first that it is mended

} // namespace

ExpectationWatch::ExpectationWatch(Clock& clock, Database& database, Catalogue& catalogue, Schedules& schedules, Runner& runner,
                                   Journal& journal, EventHub& events)
    : clock_(clock), database_(database), catalogue_(catalogue), schedules_(schedules), runner_(runner), journal_(journal),
      events_(events) {
    schedules_.when_loaded([this] { follow(); });
    runner_.watch_runs([this](const std::string& flow) { look_soon(flow); });
}

void ExpectationWatch::follow() {
    boost::asio::co_spawn(runner_.executor(), follow_flows(), [this](std::exception_ptr failed) {
        if (failed && !stopped_) clock_.call_after(after_trouble, [this] { follow(); });
    });
}

boost::asio::awaitable<void> ExpectationWatch::follow_flows() {
    std::set<std::string> wanted;
    auto broken = co_await flows_with_breaches(database_);
    if (stopped_) co_return;
    for (auto& flow : broken)
        if (catalogue_.find(flow)) wanted.insert(std::move(flow));
    for (const auto& [name, flow] : catalogue_.all())
        if (!flow.archived && !flow.plan->expect.is_empty()) wanted.insert(name);
    for (auto at = flows_.begin(); at != flows_.end();) {
        if (wanted.contains(at->first)) {
            ++at;
            continue;
        }
        line_up(at->first, std::nullopt);
        at = flows_.erase(at);
    }
    for (const auto& name : wanted) {
        const auto& flow = *catalogue_.find(name);
        auto mark = flow.plan_hash + (flow.archived ? "a" : "") + (flow.paused ? "p" : "");
        auto& watched = flows_[name];
        if (watched.mark == mark) continue;
        watched.mark = std::move(mark);
        line_up(name, clock_.now());
    }
    arm();
}

void ExpectationWatch::look_soon(const std::string& flow) {
    const auto at = flows_.find(flow);
    if (stopped_ || at == flows_.end()) return;
    auto& watched = at->second;
    if (watched.looking) {
        watched.again = true;
        return;
    }
    const auto soon = std::max(clock_.now(), watched.looked + between_looks);
    if (watched.next && *watched.next <= soon) return;
    line_up(flow, soon);
    arm();
}

void ExpectationWatch::stop() {
    stopped_ = true;
    clock_.cancel(timer_);
}

void ExpectationWatch::line_up(const std::string& flow, std::optional<Instant> at) {
    auto& watched = flows_.at(flow);
    if (watched.next) line_.erase({*watched.next, flow});
    watched.next = at;
    if (at) line_.emplace(*at, flow);
}

void ExpectationWatch::arm() {
    clock_.cancel(timer_);
    if (!stopped_ && !line_.empty()) timer_ = clock_.call_at(line_.begin()->first, [this] { look_at_due(); });
}

void ExpectationWatch::look_at_due() {
    std::vector<std::string> due;
    const auto now = clock_.now();
    while (!line_.empty() && line_.begin()->first <= now && due.size() < most_at_once) {
        due.push_back(line_.begin()->second);
        line_up(due.back(), std::nullopt);
        flows_.at(due.back()).looking = true;
    }
    if (due.empty()) return arm();
    auto names = due;
    boost::asio::co_spawn(runner_.executor(), look(std::move(names)), [this, due = std::move(due)](std::exception_ptr failed) {
        if (stopped_) return;
        for (const auto& name : due) {
            const auto at = flows_.find(name);
            if (at == flows_.end()) continue;
            auto& watched = at->second;
            watched.looking = false;
            const bool again = std::exchange(watched.again, false);
            if (failed)
                line_up(name, clock_.now() + after_trouble);
            else if (again)
                look_soon(name);
        }
        if (failed && !looking_failed_) spdlog::warn("what flows expect could not be looked at; it is tried again");
        looking_failed_ = failed != nullptr;
        arm();
    });
}

boost::asio::awaitable<void> ExpectationWatch::look(std::vector<std::string> flows) {
    const auto now = clock_.now();
    auto stored = co_await read_facts(database_, flows, now);
    if (stopped_) co_return;
    for (auto& [name, facts] : stored)
        if (const auto* flow = catalogue_.find(name); flow && flows_.contains(name)) look_at(*flow, std::move(facts), clock_.now());
}

void ExpectationWatch::look_at(const DeployedFlow& flow, StoredFacts stored, Instant now) {
    auto& facts = stored.facts;
    facts.deployed_at = flow.deployed_at;
    name_rows(facts, stored.rows);
    for (auto& run : facts.runs)
        if (const auto plan = catalogue_.plan(run.plan_hash))
            run.was_expected = plan->expect.start_within == flow.plan->expect.start_within &&
                               plan->expect.finish_within == flow.plan->expect.finish_within;
    add_jitter(facts);
    const Expectations nothing;
    Judgement judgement = judge(flow.archived ? nothing : flow.plan->expect, facts, now);
    tell_runner(facts, judgement);
    auto& watched = flows_.at(flow.name);
    watched.looked = now;
    std::set<BreachKey> over;
    for (const auto& r : judgement.recoveries) over.insert(r.key);
    watched.broken.clear();
    for (const auto& b : facts.open)
        if (!over.contains(b.key)) watched.broken.insert(b.kind);
    for (const auto& b : judgement.breaches) watched.broken.insert(b.kind);
    auto next = judgement.look_again;
    if (next && !schedules_.is_ours(flow.name)) *next += others_look;
    if (!watched.broken.empty()) next = std::min(next.value_or(now + while_broken), now + while_broken);
    line_up(flow.name, next);
    if (judgement.breaches.empty() && judgement.recoveries.empty()) return;
    RunChanges told;
    told.committed = [this, name = flow.name, judgement] {
        for (const auto& b : judgement.breaches) spdlog::warn("flow={} {}: {}", name, b.kind, b.message);
        for (const auto& text : texts_of(judgement.recoveries)) spdlog::info("flow={} recovered: {}", name, text);
        events_.publish(EngineEvent("flow", 0, Json{{"name", name}}));
        look_soon(name); // what was told may be over by now
    };
    told.breaches = std::move(judgement.breaches);
    told.recoveries = std::move(judgement.recoveries);
    journal_.submit(std::move(told));
}

/// A run of a plan that nobody remembers is not judged by its rows.
void ExpectationWatch::name_rows(FlowFacts& facts, const std::vector<StoredFacts::Rows>& rows) const {
    for (const auto& r : rows) {
        const auto plan = catalogue_.plan(r.plan_hash);
        const auto run = std::find_if(facts.runs.begin(), facts.runs.end(), [&](const WatchedRun& w) { return w.id == r.run_id; });
        if (plan && run != facts.runs.end()) run->rows[plan->tasks.at(static_cast<std::size_t>(r.task)).name] += r.rows;
    }
}

void ExpectationWatch::add_jitter(FlowFacts& facts) const {
    for (auto& run : facts.runs)
        if (const auto* schedule = run.schedule ? schedules_.find(facts.flow, *run.schedule) : nullptr)
            run.asked_at = Schedules::due(*schedule, run.nominal);
    std::erase_if(facts.schedules, [&](WatchedSchedule& s) {
        const auto* schedule = schedules_.find(facts.flow, s.number);
        if (!schedule || schedule->rests()) return true;
        s.due = Schedules::due(*schedule, s.nominal);
        return false;
    });
}

/// A run that has not begun is shown as late.
void ExpectationWatch::tell_runner(const FlowFacts& facts, const Judgement& judgement) {
    std::map<std::int64_t, std::string> late;
    for (const auto* breaches : {&facts.open, &judgement.breaches})
        for (const auto& b : *breaches)
            if (b.key.expectation == "start_within" && b.run_id != 0) late[b.run_id] = b.message;
    for (const auto& run : facts.runs)
        if (!run.ended) runner_.show_late(run.id, run.began || !late.contains(run.id) ? "" : late[run.id]);
}

Json ExpectationWatch::figures() const {
    Json out = {{"flows_late", 0}, {"flows_stale", 0}, {"flows_rows_out_of_range", 0}};
    for (const auto& [name, watched] : flows_)
        for (const auto& kind : watched.broken) out["flows_" + kind] = out.value("flows_" + kind, 0) + 1;
    return out;
}

} // namespace millrace
