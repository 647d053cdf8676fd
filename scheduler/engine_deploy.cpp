// What people ask of flows: deploy, and to hold or release their schedules.
#include "scheduler/engine_service.hpp"

#include "flows/hash.hpp"
#include "scheduler/schedules.hpp"

#include <set>

namespace millrace {
namespace asio = boost::asio;

asio::awaitable<Json> EngineService::set_schedules_paused(std::string name, bool paused) {
    const DeployedFlow flow = deployed(name);
    std::vector<StoredSchedule> moved;
    if (!paused && flow.paused) // what passed meanwhile was meant to pass
        for (auto schedule : schedules_.all())
            if (schedule.flow == name) {
                Schedules::set_next(schedule, clock_.now());
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

/// What deploying one folder changes. A folder with a mistake changes nothing.
struct FolderChange {
    std::vector<FlowChange> changes;
    Json lines = Json::array(); ///< for the answer
};

Json line(const std::string& flow, const char* change, const std::string& hash, Json diagnostics) {
    return {{"flow", flow}, {"change", change}, {"hash", hash}, {"diagnostics", std::move(diagnostics)}};
}

FolderChange folder_change(const CompiledFolder& folder, const Catalogue& catalogue, Instant now) {
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
        if (!present.insert(plan.name).second || (known && !known->archived && known->folder != folder.folder)) {
            broken = true;
            Json diagnostics = file.diagnostics;
            diagnostics.push_back(
                {{"severity", "error"}, {"message", "another file declares flow " + plan.name + " too"}, {"hint", "rename one of them"}});
            out.lines.push_back(line(plan.name, "error", "", std::move(diagnostics)));
            continue;
        }
        const std::string hash = plan_hash(plan);
        const bool same = known && !known->archived && known->plan_hash == hash;
        out.lines.push_back(line(plan.name, same ? "unchanged" : known ? "changed" : "new", hash, file.diagnostics));
        if (same) continue;
        FlowChange change;
        change.flow = plan.name;
        change.folder = folder.folder;
        change.plan_hash = hash;
        const Json json(plan);
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
        if (flow.folder == folder.folder && !flow.archived && !present.contains(name) && !broken) {
            FlowChange change;
            change.flow = name;
            change.folder = folder.folder;
            out.changes.push_back(std::move(change));
            out.lines.push_back(line(name, "archived", flow.plan_hash, Json::array()));
        }
    if (!broken) return out;
    out.changes.clear();
    for (auto& held : out.lines)
        if (held.at("change") == "new" || held.at("change") == "changed") held["held_back"] = true;
    return out;
}

} // namespace

/// What the flows need is there before they are. Of a limit that was lowered the slots in use stay until the next deploy.
asio::awaitable<void> EngineService::put_in_force(const CompiledProject& project, std::vector<FlowChange> changes, const Json& lines) {
    if (project.limits) co_await store_.set_limits(*project.limits);
    const bool has_changes = !changes.empty();
    if (has_changes) co_await store_.deploy(std::move(changes), clock_.now());
    if (project.adopt) project.adopt();
    if (!has_changes) co_return;
    auto flows = co_await store_.flows();
    catalogue_.replace(std::move(flows));
    co_await schedules_.load();
    for (const auto& l : lines)
        if (l.at("change") != "unchanged") events_.publish(EngineEvent("flow", 0, l));
}

asio::awaitable<Json> EngineService::deploy(DeployRequest request) {
    const auto project = co_await folders_.compile(request.folders);
    std::vector<FlowChange> changes;
    Json lines = Json::array();
    for (const auto& folder : project.folders) {
        auto change = folder_change(folder, catalogue_, clock_.now());
        for (auto& l : change.lines) lines.push_back(std::move(l));
        for (auto& c : change.changes) changes.push_back(std::move(c));
    }
    if (!request.dry_run) co_await put_in_force(project, std::move(changes), lines);
    Json answer = {{"changes", lines}, {"settings", project.settings}};
    co_return answer;
}

} // namespace millrace
