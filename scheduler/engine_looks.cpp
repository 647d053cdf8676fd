// What a node looks at while it lives: its lease and clock, time zones, staging, and what other nodes did.
#include "scheduler/engine_parts.hpp"

#include "flows/zone.hpp"
#include "scheduler/give_back_memory.hpp"

#include <boost/asio/co_spawn.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <filesystem>

namespace millrace {
namespace asio = boost::asio;
namespace {

constexpr auto heartbeat = std::chrono::seconds(3);
constexpr auto between_looks_at_zones = std::chrono::minutes(1);
constexpr int beats_between_trims = 10; ///< of a third of a heartbeat

} // namespace

/// No new attempts at half of it.
void Engine::Parts::look_at_lease() {
    if (!stopping && !killed) runner->set_admitting(journal->leased_until() - clock.uptime() > lease_length / 2);
}

/// Keeps the lease and acts when it cannot be kept: no hosts before its end. Where it was this process that stood still, the next commit
/// shows that all is well.
void Engine::Parts::beat() {
    if (stopping || killed) return;
    disk->look();
    if (journal->hosts_until() - clock.uptime() < lease_length / 10) hosts->kill_all();
    if (pool) pool->tell_lease();
    look_at_lease();
    answer_requests_soon();
    runner->look_at_clock();
    schedules->look_at_clock();
    const bool is_whole = ++beats % 3 == 0;
    if (is_whole || (!runner->admitting() && !looks_when_committed)) {
        RunChanges nothing;
        looks_when_committed = true;
        nothing.committed = [this] {
            looks_when_committed = false;
            look_at_lease();
        };
        journal->submit(std::move(nothing));
    }
    if (is_whole) {
        look_at_others_soon();
        if (pool) pool->end_stopped();
    }
    const auto rows = journal->figures().rows;
    const bool is_quiet = rows == std::exchange(rows_at_beat, rows); // who allocates meanwhile would wait for it
    ++beats_since_trim;
    const bool may_trim = is_quiet || (beats_since_trim >= 10 * beats_between_trims && journal->backlog() == 0);
    if (beats_since_trim >= beats_between_trims && may_trim) trim();
    beat_timer = clock.call_after(heartbeat / 3, [this] { beat(); });
}

/// A system update replaces them while we live.
void Engine::Parts::look_at_zones() {
    if (stopping || killed) return;
    if (const auto changed = refresh_zones(); !changed.empty()) schedules->zones_changed(changed);
    zone_timer = clock.call_after(between_looks_at_zones, [this] { look_at_zones(); });
}

void Engine::Parts::trim() {
    beats_since_trim = 0;
    auto work = [] {
        give_back_memory();
        return true;
    };
    asio::co_spawn(io, database.on_pool(std::move(work)), [](std::exception_ptr, bool) {});
}

/// What another node deployed, held or released holds here too.
asio::awaitable<void> Engine::Parts::follow_deploys() {
    const auto turn = co_await looks_at_flows.turn();
    const auto marks = co_await store.flow_marks();
    if (marks == catalogue.marks() && !schedules->is_stale()) co_return;
    auto flows = co_await store.flows();
    catalogue.replace(std::move(flows));
    co_await schedules->load();
}

/// Who shares the schedules with us, and whose lease will run out: that one does not live, its runs are adopted at once then.
asio::awaitable<void> Engine::Parts::look_at_nodes() {
    const auto nodes = co_await store.living_nodes();
    const auto newest = co_await store.newest_run_ids();
    if (stopping) co_return;
    ids.see_newest(newest);
    std::vector<std::string> ids;
    std::chrono::microseconds first = lease_length - 2 * heartbeat; // who lives has more left
    for (const auto& [id, left] : nodes) {
        ids.push_back(id);
        if (id != node.id) first = std::min(first, left);
    }
    clock.cancel(look_timer);
    if (first < lease_length - 2 * heartbeat)
        look_timer = clock.call_after(first + std::chrono::milliseconds(20), [this] { look_at_others_soon(); });
    others_live = ids.size() > 1;
    if (credentials) credentials->set_nodes(ids.size());
    schedules->share_among(std::move(ids));
}

/// Schedules go by the wall clock, and whoever's is ahead would take what is to come from the others.
asio::awaitable<void> Engine::Parts::look_at_clocks() {
    const auto clocks = co_await store.clocks(node.epoch, clock.now());
    if (stopping || clocks.own_is_wrong() != clock_wrong.empty()) co_return;
    clock_wrong = !clocks.own_is_wrong() ? ""
                                         : fmt::format("the clock of node {} is {:.0f} s {} that of the store, and another node's is not",
                                                       node.id, std::abs(clocks.own_ahead), clocks.own_ahead > 0 ? "ahead of" : "behind");
    const bool is_wrong = !clock_wrong.empty();
    schedules->trust_clock(!is_wrong);
    EventRow event;
    event.at = clock.now();
    event.kind = is_wrong ? "clock_wrong" : "clock_right";
    event.message = is_wrong ? clock_wrong + ": its schedules rest, other nodes fire. Set it right, with NTP for example"
                             : "the clock of node " + node.id + " is right again: its schedules fire";
    event.details = {{"node", node.id}, {"seconds", std::llround(clocks.own_ahead)}};
    spdlog::log(is_wrong ? spdlog::level::err : spdlog::level::info, "{}", event.message);
    RunChanges told;
    told.events.push_back(std::move(event));
    journal->submit(std::move(told));
}

/// A file system that is not mounted any more: task runs wait, and nothing is adopted, until it is there again.
asio::awaitable<void> Engine::Parts::look_at_staging() {
    const auto may = staging.is_own && !others_live ? MayRemake::Yes : MayRemake::No;
    auto look = [folder = std::filesystem::absolute(config.staging), mark = staging.mark, may] {
        return still_has_mark(folder, mark, may);
    };
    const bool is_there = co_await database.on_pool(std::move(look));
    if (stopping || is_there == staging_lost.empty()) co_return;
    const auto folder = std::filesystem::absolute(config.staging).string();
    staging_lost = is_there ? "" : unproved_text(staging.mark, folder);
    RunChanges told;
    EventRow event;
    event.at = clock.now();
    event.kind = is_there ? "staging_found" : "staging_lost";
    event.message = is_there ? "the staging folder is there again: task runs begin"
                             : staging_lost + ": task runs wait. " + unproved_remedy(staging.mark, folder);
    if (is_there)
        spdlog::info("staging=found folder={}", folder);
    else
        spdlog::error("staging=lost reason=\"{}\" remedy=\"{}\"", staging_lost, unproved_remedy(staging.mark, folder));
    told.events.push_back(std::move(event));
    journal->submit(std::move(told));
}

/// A request that cannot be answered now is answered the next time. Who is alone looks less often: for what was asked, through a node that
/// has died since, of runs that were taken over.
void Engine::Parts::answer_requests_soon() {
    if (stopping || (!others_live && beats % 3 != 0) || std::exchange(answering, true)) return;
    asio::co_spawn(io, service->answer_requests(node.epoch), [this](std::exception_ptr) { answering = false; });
}

asio::awaitable<void> Engine::Parts::look_at_others() {
    co_await look_at_staging();
    if (staging_lost.empty()) co_await resume();
    co_await look_at_nodes();
    co_await look_at_clocks();
    co_await follow_deploys();
}

/// Runs of nodes that died, and flows that others changed. A store that hangs is asked once, and told of once.
void Engine::Parts::look_at_others_soon() {
    if (stopping) return;
    if (looking) {
        look_again = true;
        return;
    }
    looking = true;
    asio::co_spawn(io, look_at_others(), [this](std::exception_ptr failed) {
        looking = false;
        if (failed && !looking_failed) spdlog::warn("looking for what other nodes did failed; it is tried again");
        looking_failed = failed != nullptr;
        if (std::exchange(look_again, false)) look_at_others_soon();
    });
}

} // namespace millrace
