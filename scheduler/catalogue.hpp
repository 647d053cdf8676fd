/// The deployed flows as this node knows them, and the plans that live and past runs pin. Read from the store at start and
/// after each deploy; the loop's thread only.
#pragma once

#include "scheduler/store/store.hpp"

#include <map>

namespace millrace {

class Catalogue {
public:
    /// Null when there is none; archived ones are found too.
    [[nodiscard]] const DeployedFlow* find(const std::string& flow) const {
        const auto at = flows_.find(flow);
        return at == flows_.end() ? nullptr : &at->second;
    }
    [[nodiscard]] const std::map<std::string, DeployedFlow>& all() const { return flows_; }

    /// What tells one state of the catalogue from another: each flow's plan and deploy, and whether it, or some of its schedules, are
    /// archived or held. Another node may deploy the plan that is there anew, and with it the schedules.
    [[nodiscard]] std::string marks() const {
        std::string out;
        for (const auto& [name, flow] : flows_)
            out += (out.empty() ? "" : ",") + name + " " + flow.plan_hash + " " + std::to_string(to_micros(flow.deployed_at)) + " " +
                   (flow.archived ? "1" : "0") + (flow.paused ? "1" : "0") + " " + std::to_string(flow.held);
        return out;
    }

    /// Those that the end of a run of `flow` starts.
    [[nodiscard]] std::vector<std::string> triggered_by(const std::string& flow, State state) const {
        std::vector<std::string> out;
        const auto [first, last] = triggers_.equal_range({flow, state == State::Completed ? "completed" : "failed"});
        for (auto at = first; at != last; ++at) out.push_back(at->second);
        return out;
    }

    void replace(std::vector<DeployedFlow> flows) {
        flows_.clear();
        triggers_.clear();
        for (auto& flow : flows) {
            plans_[flow.plan_hash] = flow.plan;
            if (!flow.archived)
                for (const auto& trigger : flow.plan->triggers) triggers_.emplace(std::pair(trigger.flow, trigger.state), flow.name);
            flows_.emplace(flow.name, std::move(flow));
        }
    }
    /// Not paused: nor does a failure hold any of its schedules.
    void set_paused(const std::string& flow, bool paused) {
        auto& known = flows_.at(flow);
        known.paused = paused;
        if (!paused) known.held = 0;
    }

    [[nodiscard]] std::shared_ptr<const FlowPlan> plan(const std::string& hash) const {
        const auto at = plans_.find(hash);
        return at == plans_.end() ? nullptr : at->second;
    }
    void remember(const std::string& hash, std::shared_ptr<const FlowPlan> plan) {
        if (plans_.size() > most_plans) plans_.clear(); // what is still wanted is read again
        plans_[hash] = std::move(plan);
    }

private:
    static constexpr std::size_t most_plans = 1000;
    std::map<std::string, DeployedFlow> flows_;
    std::multimap<std::pair<std::string, std::string>, std::string> triggers_; ///< flow and state -> flow that it starts
    std::map<std::string, std::shared_ptr<const FlowPlan>> plans_;
};

} // namespace millrace
