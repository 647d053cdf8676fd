#include "scheduler/caused_runs.hpp"

#include "flows/hash.hpp"
#include "flows/substitute.hpp"
#include "scheduler/catalogue.hpp"
#include "scheduler/new_run.hpp"
#include "scheduler/orders.hpp"
#include "scheduler/params.hpp"
#include "scheduler/ports.hpp"
#include "scheduler/service.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace millrace {
namespace {

const DeployedFlow& deployed(const Catalogue& catalogue, const std::string& name) {
    const auto* flow = catalogue.find(name);
    if (!flow) throw Error(ErrorClass::Permanent, "there is no flow " + name, "`millrace flows list` shows what is deployed");
    if (flow->archived)
        throw Error(ErrorClass::Permanent, "flow " + name + " is archived: its file is gone", "bring the file back and `millrace deploy`");
    return *flow;
}

/// That of the run that causes it, in whole steps of the flow's own; where that one has none, the flow's last one.
std::optional<Interval> interval_of(const FlowPlan& flow, const RunRow& by, Instant at) {
    if (!flow.interval || !by.interval_start) return run_interval(flow, std::nullopt, std::nullopt, at);
    return whole_steps({*by.interval_start, *by.interval_end}, flow.interval->every, flow.timezone);
}

std::vector<std::string> flows_that_led_to(const RunRow& row) {
    auto flows =
        row.options.contains("cause") ? row.options.at("cause").value("flows", std::vector<std::string>{}) : std::vector<std::string>{};
    flows.push_back(row.flow);
    return flows;
}

} // namespace

std::optional<CallingTask> caller_of(const RunRow& row) {
    const auto cause = row.options.find("cause");
    if (cause == row.options.end() || !cause->contains("place")) return std::nullopt;
    const auto& place = cause->at("place");
    return CallingTask{cause->at("run").get<std::int64_t>(), {place.at(0).get<int>(), place.at(1).get<int>()}};
}

CausedRun CausedRuns::made(const std::string& name, const RunRow& by, Json cause, const Json& params, Instant now) const {
    const auto& flow = deployed(catalogue_, name);
    const auto led = flows_that_led_to(by);
    if (std::find(led.begin(), led.end(), name) != led.end())
        throw Error(ErrorClass::Permanent,
                    fmt::format("flow {} would start itself for ever: {} led to it", name, fmt::join(led, ", then ")),
                    "take one of these `flow:` tasks or `triggers` out");
    CausedRun out;
    auto& row = out.row;
    row = new_run_row(flow, 0, "", Json::object(), interval_of(*flow.plan, by, by.scheduled_for.value_or(by.created_at)), now);
    check_chunks(*flow.plan, row);
    row.trigger = "flow";
    for (const char* option : {"limit_rows", "full_refresh"})
        if (by.options.contains(option)) row.options[option] = by.options.at(option);
    cause["run"] = by.id;
    cause["flow"] = by.flow;
    cause["flows"] = led;
    row.options["cause"] = std::move(cause);
    row.params = with_defaults(*flow.plan, checked_params(*flow.plan, params), Scope(run_context(row, *flow.plan)));
    check_connections(*flow.plan, row.params, connections_.names());
    out.start.plan = flow.plan;
    out.start.stored = true;
    return out;
}

CausedRun CausedRuns::called(const RunRow& caller, const RunPlan& plan, TaskKey key, Instant now) const {
    const auto& task = plan.flow().tasks.at(static_cast<std::size_t>(key.task));
    const auto call = task.options.get<SubflowOptions>();
    const auto& run = plan.at(key);
    const Json item = key.item >= 0 && run.details ? run.details->value : Json();
    Scope scope(run_context(caller, plan.flow()));
    if (!item.is_null()) scope.set("item", item);
    const Json with = substitute(with_environment(call.with, [&](const std::string& name) { return connections_.variable(name); }), scope);
    Json cause = {{"task", task.name}};
    if (!item.is_null()) cause["item"] = item;
    if (!call.detach) cause["place"] = {key.task, key.item};
    try {
        auto out = made(call.flow, caller, std::move(cause), with, now);
        out.row.run_key =
            sha256_hex(fmt::format("call\n{}\n{}\n{}\n{}", caller.run_key, task.name, item.is_null() ? "" : item_text(item), run.attempts));
        return out;
    } catch (const Refusal& e) {
        throw Error(ErrorClass::Permanent, e.what(), e.remedy);
    }
}

std::vector<CausedRun> CausedRuns::started_by_end(const RunRow& ended, State state, std::vector<std::string>& not_started,
                                                  Instant now) const {
    std::vector<CausedRun> out;
    if (state != State::Completed && state != State::Failed && state != State::Crashed) return out;
    if (ended.chunk_of || ended.options.contains("limit_rows")) return out;
    for (const auto& flow : catalogue_.triggered_by(ended.flow, state)) {
        try {
            auto run = made(flow, ended, {{"state", to_string(state)}}, Json::object(), now);
            run.row.run_key = sha256_hex(fmt::format("after\n{}\n{}", ended.run_key, flow));
            out.push_back(std::move(run));
        } catch (const std::exception& e) {
            not_started.push_back(fmt::format("flow {} was not started: {}", flow, e.what()));
        }
    }
    return out;
}

} // namespace millrace
