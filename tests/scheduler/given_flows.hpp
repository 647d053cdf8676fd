/// Flow folders and connections that need no files: the flows are given as plans.
#pragma once

#include "scheduler/ports.hpp"

#include <string>
#include <vector>

namespace millrace::test {

struct NoConnections final : Connections {
    Json resolve(const std::string& name) override { return {{"type", name}}; }
    std::vector<std::string> names() const override { return {"clockify", "warehouse"}; }
};

struct GivenFlows final : FlowFolders {
    std::vector<FlowPlan> plans;
    boost::asio::awaitable<std::vector<CompiledFolder>> compile(std::vector<std::string>) override {
        CompiledFolder folder;
        folder.folder = "flows";
        for (const auto& plan : plans) {
            CompiledFolder::File file;
            file.flow = plan.name;
            file.plan = plan;
            folder.files.push_back(std::move(file));
        }
        std::vector<CompiledFolder> all;
        all.push_back(std::move(folder));
        co_return all;
    }
};

} // namespace millrace::test
