// What people ask of flows: deploy, and to hold or release their schedules.
#include "scheduler/engine_service.hpp"

#include "flows/hash.hpp"
#include "flows/zone.hpp"
#include "scheduler/schedules.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <set>

namespace millrace {
namespace asio = boost::asio;

asio::awaitable<Json> EngineService::set_schedules_paused(std::string name, bool paused) {
    const DeployedFlow flow = co_await deployed(name);
    std::vector<StoredSchedule> moved;
    if (!paused)
        for (auto schedule : schedules_.all()) {
            if (schedule.flow != name) continue;
            const bool was_paused = flow.paused || schedule.held;
            if (!has_zone(schedule.spec.timezone)) // it may have been installed meanwhile
                throw Refusal(Refusal::Kind::Conflict,
                              lacking_zone(node_, schedule.spec.timezone) + ": the schedule of " + name + " starts nothing here",
                              std::string("install tzdata or tzdata-legacy there and resume again") +
                                  (was_paused ? ", or resume on another node" : ""));
            if (!was_paused) continue;
            Schedules::set_next(schedule, clock_.now()); // what passed meanwhile was meant to pass
            moved.push_back(std::move(schedule));
        }
    co_await store_.set_next(std::move(moved));
    co_await store_.pause_flow(name, paused);
    catalogue_.set_paused(name, paused);
    co_await schedules_.load();
    const Json document = {{"name", name}, {"paused", paused}, {"hash", flow.plan_hash}};
    events_.publish(EngineEvent("flow", 0, document));
    co_return document;
}

namespace {

/// What one deploy is about.
struct Deployed {
    struct Home {
        std::string folder, file;
    };
    std::map<std::string, Home> homes; ///< flow -> the first file that has it
    bool is_all = false;               ///< every folder of millrace.yaml: a flow that another one had has moved
    bool is_broken = false;            ///< a file has mistakes, and may be that of any flow
};

/// As messages show it; empty: unknown.
std::string file_of(const FlowPlan& plan) {
    const auto& tasks = plan.origins.tasks;
    return tasks.empty() ? "" : tasks.begin()->second.file;
}

Deployed look_at(const std::vector<CompiledFolder>& folders, bool is_all) {
    Deployed out{{}, is_all, false};
    for (const auto& folder : folders)
        for (const auto& file : folder.files)
            if (file.plan)
                out.homes.emplace(file.plan->name, Deployed::Home{folder.folder, file_of(*file.plan)});
            else
                out.is_broken = true;
    return out;
}

/// What deploying one folder changes. A folder with a mistake changes nothing.
struct FolderChange {
    std::vector<FlowChange> changes;
    Json lines = Json::array(); ///< for the answer
};

Json line(const std::string& flow, const char* change, const std::string& hash, Json diagnostics) {
    return {{"flow", flow}, {"change", change}, {"hash", hash}, {"diagnostics", std::move(diagnostics)}};
}

void set_held_back(Json& lines, const std::set<std::string>& changes) {
    for (auto& l : lines)
        if (changes.contains(l.at("change").get<std::string>())) l["held_back"] = true;
}

/// Empty: the folder may have this flow.
Json conflict(const CompiledFolder& folder, const std::string& flow, const DeployedFlow* known, const Deployed& all) {
    if (const auto& home = all.homes.at(flow); home.folder != folder.folder)
        return {{"message", "flow " + flow + " is in " + (home.file.empty() ? home.folder : home.file) + " too"},
                {"hint", "rename one of them"}};
    const bool elsewhere = known && !known->archived && known->folder != folder.folder && !all.is_all;
    if (!elsewhere) return {};
    return {{"message", "flow " + flow + " is deployed from " + known->folder},
            {"hint", "rename one of them; or, if it has moved, deploy all folders: millrace deploy"}};
}

FolderChange folder_change(const CompiledFolder& folder, const Catalogue& catalogue, const Deployed& all, Instant now) {
    FolderChange out;
    bool broken = false;
    std::set<std::string> present;
    for (const auto& file : folder.files) {
        if (!file.plan) {
            broken = true;
            out.lines.push_back(line(file.flow, "error", "", file.diagnostics));
            continue;
        }
        const auto& plan = *file.plan;
        const auto* known = catalogue.find(plan.name);
        Json clash = present.insert(plan.name).second
                         ? conflict(folder, plan.name, known, all)
                         : Json{{"message", "another file declares flow " + plan.name + " too"}, {"hint", "rename one of them"}};
        if (!clash.empty()) {
            broken = true;
            Json diagnostics = file.diagnostics;
            clash.update({{"severity", "error"}, {"file", file_of(plan)}, {"line", 0}, {"column", 0}});
            diagnostics.push_back(std::move(clash));
            out.lines.push_back(line(plan.name, "error", "", std::move(diagnostics)));
            continue;
        }
        const std::string hash = plan_hash(plan);
        const bool same = known && !known->archived && known->plan_hash == hash;
        out.lines.push_back(line(plan.name, same ? "unchanged" : known ? "changed" : "new", hash, file.diagnostics));
        const Json json(plan);
        const bool in_place = same && known->folder == folder.folder && Json(*known->plan).at("origins") == json.at("origins");
        if (in_place) continue; // else the file has it at other lines
        FlowChange change;
        change.flow = plan.name;
        change.folder = folder.folder;
        change.plan_hash = hash;
        change.plan_json = json.dump();
        change.keep_schedules = known && !known->archived && Json(*known->plan).at("schedules") == json.at("schedules");
        for (std::size_t i = 0; i < plan.schedules.size(); ++i) {
            StoredSchedule s;
            s.flow = plan.name;
            s.number = static_cast<int>(i);
            s.spec = plan.schedules[i];
            Schedules::set_next(s, now);
            change.schedules.push_back(std::move(s));
        }
        out.changes.push_back(std::move(change));
    }
    for (const auto& [name, flow] : catalogue.all())
        if (flow.folder == folder.folder && !flow.archived && !all.homes.contains(name) && !all.is_broken) {
            FlowChange change;
            change.flow = name;
            change.folder = folder.folder;
            out.changes.push_back(std::move(change));
            out.lines.push_back(line(name, "archived", flow.plan_hash, Json::array()));
        }
    if (!broken) return out;
    out.changes.clear();
    set_held_back(out.lines, {"new", "changed"});
    return out;
}

/// A firing that waits for its jitter is not left out because something else of its flow changed.
void keep_waiting(FlowChange& change, const Schedules& schedules, Instant now) {
    for (auto& s : change.schedules) {
        const auto* known = schedules.find(s.flow, s.number);
        if (!known || known->rests() || !known->next_at || *known->next_at > now || known->spec != s.spec) continue;
        s.next_at = known->next_at;
        s.next_local = known->next_local;
    }
}

/// While a folder has a mistake its flows are the old ones, which need the old settings: those stay in force as a whole. So no
/// flow that was compiled with new ones comes into force either. False: there are no new ones.
bool hold_back(Json& lines, Json& settings) {
    set_held_back(settings, {"new", "changed", "removed"});
    if (std::none_of(settings.begin(), settings.end(), [](const Json& s) { return s.contains("held_back"); })) return false;
    set_held_back(lines, {"new", "changed", "archived"});
    return true;
}

} // namespace

asio::awaitable<PutLimits> EngineService::put_in_force(std::vector<FlowChange> changes, std::optional<Limits> limits,
                                                       const DeployRequest& request, std::function<void()> adopt, const Json& lines) {
    const bool has_changes = !changes.empty();
    PutLimits put;
    std::string starting = request.at_start ? node_ : "";
    for (auto& change : changes) keep_waiting(change, schedules_, clock_.now());
    if (has_changes || limits) put = co_await store_.deploy(std::move(changes), limits, clock_.now(), std::move(starting));
    if (adopt) adopt();
    if (limits) co_await tell_limits_of_others(std::move(*limits), put.others);
    if (!has_changes) co_return put;
    auto flows = co_await store_.flows();
    catalogue_.replace(std::move(flows));
    co_await schedules_.load();
    for (const auto& l : lines)
        if (l.at("change") != "unchanged") events_.publish(EngineEvent("flow", 0, l));
    co_return put;
}

/// `others`: those in force, which are not as written.
asio::awaitable<void> EngineService::tell_limits_of_others(Limits written, Limits others) {
    limits_of_others_ = Json::array();
    std::string list;
    for (const auto& [key, slots] : others) {
        const auto here = written.find(key);
        limits_of_others_.push_back({{"key", key}, {"slots", slots}, {"written", here == written.end() ? Json() : Json(here->second)}});
        list += (list.empty() ? "" : ", ") + key + " " + std::to_string(slots) +
                (here == written.end() ? " (here none)" : " (here " + std::to_string(here->second) + ")");
    }
    if (list.empty()) co_return;
    spdlog::warn("limits=kept reason=\"other nodes have {}\" remedy=\"write the same in each node's millrace.yaml; `millrace deploy` puts "
                 "those of this node in force for all\"",
                 list);
    EventRow event;
    event.at = clock_.now();
    event.kind = "limits_differ";
    event.message = "node " + node_ + " started with other limits than those in force, which stay: " + list;
    event.details = limits_of_others_;
    co_await store_.tell(std::move(event));
}

/// Flows are everybody's, settings are not.
asio::awaitable<Json> EngineService::other_nodes() {
    Json others = Json::array();
    const auto nodes = co_await store_.living_nodes();
    for (const auto& [id, left] : nodes)
        if (id != node_) others.push_back(id);
    co_return others;
}

asio::awaitable<Json> EngineService::deploy(DeployRequest request) {
    const auto turn = co_await deploys_.turn();
    auto project = co_await folders_.compile(request.folders);
    std::vector<FlowChange> changes;
    Json lines = Json::array();
    const auto all = look_at(project.folders, request.folders.empty());
    for (const auto& folder : project.folders) {
        auto change = folder_change(folder, catalogue_, all, clock_.now());
        for (auto& l : change.lines) {
            l["demo"] = folders_.is_demo(folder.folder);
            lines.push_back(std::move(l));
        }
        for (auto& c : change.changes) changes.push_back(std::move(c));
    }
    if (std::any_of(lines.begin(), lines.end(), [](const Json& l) { return l.at("change") == "error"; })) {
        if (hold_back(lines, project.settings)) changes.clear();
        project.limits.reset();
        project.adopt = nullptr;
    }
    if (!request.dry_run) {
        const auto put = co_await put_in_force(std::move(changes), std::move(project.limits), request, std::move(project.adopt), lines);
        for (const auto& [key, slots] : put.kept)
            project.settings.push_back({{"setting", "limits." + key}, {"change", "kept"}, {"slots", slots}});
    }
    Json nodes = co_await other_nodes();
    Json answer = {{"changes", lines}, {"settings", project.settings}, {"other_nodes", std::move(nodes)}};
    co_return answer;
}

} // namespace millrace
