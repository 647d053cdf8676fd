// What comes next of schedules when the rules of their zones have changed: while we live, or since it was stored.
#include "scheduler/schedules.hpp"

#include "flows/zone.hpp"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace millrace {

std::string lacking_zone(const std::string& node, const std::string& zone) {
    return fmt::format("node {} has no time zone {}", node, zone);
}

/// A schedule whose zone is lacking, after an update of the system or on one of several nodes, rests here; the others go on.
void Schedules::look_for_zones() {
    std::map<std::string, std::vector<std::string>> lacking;
    for (auto& s : schedules_) {
        s.lacks_zone = !has_zone(s.spec.timezone);
        if (s.lacks_zone) lacking[s.spec.timezone].push_back(s.flow);
    }
    for (const auto& [zone, flows] : lacking) {
        if (!told_zones_.insert(zone).second) continue;
        RunChanges told;
        told.events.push_back(
            {clock_.now(),
             flows.front(),
             {},
             "zone_missing",
             fmt::format("{}: schedules of {} rest here. Install tzdata or tzdata-legacy and restart the node, or name the zone otherwise",
                         lacking_zone(node_, zone), fmt::join(flows, ", ")),
             {{"zone", zone}, {"flows", flows}, {"node", node_}}});
        spdlog::error("{}", told.events.front().message);
        journal_.submit(std::move(told));
    }
}

bool Schedules::follow_zones(const std::function<bool(const std::string& zone)>& which) {
    std::vector<StoredSchedule> moved;
    bool changed = false;
    for (auto& s : schedules_) {
        if (!s.next_at || s.lacks_zone || !which(s.spec.timezone)) continue;
        const auto next = next_by_new_rules(s.spec, {*s.next_at, s.next_local, ""}, clock_.now());
        if (next && next->at == s.next_at && next->local == s.next_local) continue;
        spdlog::info("schedule of flow={} comes at {}, not {}: the rules of {} have changed", s.flow,
                     next ? to_rfc3339(next->at) : "no time", to_rfc3339(*s.next_at), s.spec.timezone);
        s.next_at = next ? std::optional(next->at) : std::nullopt;
        s.next_local = next ? next->local : "";
        changed = true;
        if (is_ours(s.flow, s.number)) moved.push_back(s);
    }
    if (!moved.empty()) // where it is not stored, the next life does the same
        boost::asio::co_spawn(runner_.executor(), store_.set_next(std::move(moved)), [](std::exception_ptr) {});
    return changed;
}

void Schedules::zones_changed(const std::vector<std::string>& zones) {
    if (stopped_) return;
    const bool moved = follow_zones([&](const std::string& zone) { return std::find(zones.begin(), zones.end(), zone) != zones.end(); });
    if (moved) line_up_all();
    RunChanges told;
    told.events.push_back({clock_.now(),
                           {},
                           {},
                           "zones_changed",
                           fmt::format("time zone data changed: {}; node {} goes by the new rules{}", fmt::join(zones, ", "), node_,
                                       moved ? ", and schedules come at other times" : ""),
                           {{"zones", zones}, {"node", node_}}});
    spdlog::info("{}", told.events.front().message);
    journal_.submit(std::move(told));
}

} // namespace millrace
