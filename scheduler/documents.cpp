#include "scheduler/documents.hpp"

#include "flows/hash.hpp"

#include <cmath>

namespace millrace {

Json instant_json(std::optional<Instant> t) { return t ? Json(to_rfc3339(*t)) : Json(); }

std::string item_hash(const Json& item) { return sha256_hex(item_text(item)).substr(0, 16); }

Json error_json(const OrderError& e) { return {{"class", e.error_class}, {"message", e.message}, {"remedy", e.remedy}}; }

Json counts_json(const std::array<int, 11>& counts) {
    Json out = Json::object();
    for (std::size_t i = 0; i < counts.size(); ++i)
        if (counts[i] > 0) out[std::string(to_string(static_cast<State>(i)))] = counts[i];
    return out;
}

Json pauses_json(const Pauses& pauses) {
    if (pauses.before.empty() && !pauses.since) return nullptr;
    Json before = Json::array();
    for (const auto& [from, to] : pauses.before) before.push_back({instant_json(from), instant_json(to)});
    return {{"paused", {{"before", std::move(before)}, {"since", instant_json(pauses.since)}}}};
}

Pauses pauses_from(const Json& summary) {
    if (!summary.is_object() || !summary.contains("paused")) return {};
    const auto& paused = summary.at("paused");
    Pauses pauses;
    if (paused.contains("before"))
        for (const auto& [from, to] : paused.at("before").get<std::vector<std::pair<std::string, std::string>>>())
            pauses.before.emplace_back(parse_rfc3339(from).value(), parse_rfc3339(to).value());
    if (paused.at("since").is_string()) pauses.since = parse_rfc3339(paused.at("since").get<std::string>());
    return pauses;
}

/// Without what only the engine needs.
static Json caused_by(const RunRow& r) {
    Json cause = r.options.value("cause", Json());
    if (cause.is_object())
        for (const char* of_the_engine : {"place", "flows"}) cause.erase(of_the_engine);
    return cause;
}

Json run_document(const RunRow& r, const Json& summary) {
    Json interval, chunk;
    if (r.interval_start) interval = {{"start", instant_json(r.interval_start)}, {"end", instant_json(r.interval_end)}};
    if (r.chunk_of) chunk = {{"number", r.chunk_number}, {"of", r.chunk_of}};
    return {{"id", r.id},
            {"flow", r.flow},
            {"state", to_string(r.state)},
            {"state_name", r.state_name},
            {"message", r.message},
            {"trigger", r.trigger},
            {"created_at", instant_json(r.created_at)},
            {"scheduled_for", instant_json(r.scheduled_for)},
            {"started_at", instant_json(r.started_at)},
            {"finished_at", instant_json(r.finished_at)},
            {"params", r.params},
            {"interval", interval},
            {"rerun_of", r.rerun_of ? Json(*r.rerun_of) : Json()},
            {"parent_id", r.parent_id ? Json(*r.parent_id) : Json()},
            {"chunk", chunk},
            {"caused_by", caused_by(r)},
            {"allow_deletes", r.options.value("allow_deletes", Json())},
            {"limit_rows", r.options.value("limit_rows", Json())},
            {"plan_hash", r.plan_hash},
            {"chunks_done_before", summary.is_object() ? summary.value("chunks_done_before", Json()) : Json()},
            {"counts", summary.is_object() ? summary.value("counts", Json::object()) : Json::object()},
            {"loads", summary.is_object() ? summary.value("loads", Json::array()) : Json::array()},
            {"warning_count", summary.is_object() ? summary.value("warnings", 0) : 0}};
}

void mark_late(Json& document, const std::string& why) {
    const auto message = document.value("message", "");
    document["state_name"] = "Late";
    document["message"] = why + (message.empty() ? "" : "; " + message);
}

Json task_run_document(const FlowPlan& flow, TaskKey key, const TaskRun& run, const Json& progress) {
    const auto& task = flow.tasks.at(static_cast<std::size_t>(key.task));
    Json needs = Json::array();
    for (const int parent : task.needs) needs.push_back(flow.tasks.at(static_cast<std::size_t>(parent)).name);
    const TaskRunDetails none;
    const auto& d = run.details ? *run.details : none;
    const bool is_item = key.item >= 0;
    const auto of_result = [&](const char* name, Json otherwise) {
        return d.result.is_object() && d.result.contains(name) ? d.result.at(name) : std::move(otherwise);
    };
    return {{"task", task.name},
            {"item", is_item ? d.value : Json()},
            {"item_hash", is_item ? Json(item_hash(d.value)) : Json()},
            {"verb", to_string(task.verb)},
            {"state", to_string(run.state)},
            {"state_name", run.state_name},
            {"message", d.message},
            {"error", d.error ? error_json(*d.error) : Json()},
            {"attempts", run.attempts},
            {"started_at", instant_json(run.started_at)},
            {"finished_at", instant_json(run.finished_at)},
            {"due_at", instant_json(run.due_at)},
            {"rows", of_result("rows", Json())},
            {"rejected", of_result("rejected", Json())},
            {"warned", of_result("warned", Json())},
            {"progress", progress.is_null() ? of_result("progress", Json()) : progress},
            {"loads", of_result("loads", Json::array())},
            {"run", of_result("run", Json())},
            {"needs", std::move(needs)},
            {"on_failure", task.continue_on_failure ? "continue" : "fail"}};
}

void append_loads(Json& loads, const std::string& task, const TaskRun& run) {
    if (!run.details || !run.details->result.is_object() || run.state_name == std::string_view("Reused")) return;
    for (Json load : run.details->result.value("loads", Json::array())) {
        load["task"] = task;
        loads.push_back(std::move(load));
    }
}

void add_loads(Json& loads, const Json& more) {
    for (const auto& load : more) {
        Json* known = nullptr;
        for (auto& l : loads)
            if (l.value("task", "") == load.value("task", "") && l.value("table", "") == load.value("table", "")) known = &l;
        if (!known) {
            loads.push_back(load);
            continue;
        }
        for (const char* count : {"inserted", "updated", "unchanged", "deleted", "rejected"})
            (*known)[count] = known->value(count, std::int64_t{0}) + load.value(count, std::int64_t{0});
        (*known)["seconds"] = known->value("seconds", 0.0) + load.value("seconds", 0.0);
        (*known)["already_loaded"] = known->value("already_loaded", false) && load.value("already_loaded", false);
    }
}

void add_counts(Json& counts, const Json& more) {
    for (const auto& [state, n] : more.items()) counts[state] = counts.value(state, 0) + n.get<int>();
}

} // namespace millrace
