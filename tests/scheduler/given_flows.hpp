/// Flow folders and connections that need no files: the flows are given as plans.
#pragma once

#include "scheduler/ports.hpp"
#include "scheduler/service.hpp"

#include <string>
#include <utility>
#include <vector>

namespace millrace::test {

struct NoConnections final : Connections {
    Json resolve(const std::string& name) override { return {{"type", name}}; }
    std::vector<std::string> names() const override { return {"clockify", "warehouse"}; }
};

struct GivenFlows final : FlowFolders {
    std::vector<FlowPlan> plans;
    std::string folder_name = "flows"; ///< where they are
    std::optional<std::map<std::string, int>> limits;
    Json settings = Json::array();
    bool demo = false;             ///< they came with Millrace
    bool broken = false;           ///< there is a file with a mistake
    int compiled = 0, adopted = 0; ///< how often flows were, and what was compiled was put in force
    bool fail_next = false;
    bool overtaken = false; ///< something older than what was compiled last was put in force
    Json kept;              ///< how long things are
    Json retention() const override { return kept; }
    bool is_demo(const std::string& folder) const override { return demo && folder == folder_name; }
    boost::asio::awaitable<CompiledProject> compile(std::vector<std::string>) override {
        if (std::exchange(fail_next, false)) throw Refusal(Refusal::Kind::Invalid, "a mistake", "");
        CompiledFolder folder;
        folder.folder = folder_name;
        for (const auto& plan : plans) {
            CompiledFolder::File file;
            file.flow = plan.name;
            file.plan = plan;
            folder.files.push_back(std::move(file));
        }
        if (broken) folder.files.push_back({"broken", {}, Json::array()});
        CompiledProject project;
        project.folders.push_back(std::move(folder));
        project.limits = limits;
        project.settings = settings;
        project.adopt = [this, number = ++compiled] {
            ++adopted;
            overtaken = overtaken || number != compiled;
        };
        co_return project;
    }
};

} // namespace millrace::test
