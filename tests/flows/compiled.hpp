/// Text of one flow in, its plan or the messages about it out, with the shipped sources and no host, or one that a test plays.
#pragma once

#include "flows/compile.hpp"
#include "flows/project_files.hpp"

#include <catch2/catch.hpp>

namespace millrace::test {

inline const Sources& sources() {
    static const Sources all = [] {
        std::vector<Diagnostic> ignored;
        return read_sources(std::string(MILLRACE_SOURCE_DIR) + "/connectors/sources", ignored);
    }();
    return all;
}

inline Project project() {
    auto p = default_project();
    p.limits["warehouse_writers"] = 2;
    return p;
}

inline CompileResult compiled(const std::string& yaml, InferencePort* inference = nullptr) {
    return compile({{"f.yaml", yaml}}, project(), sources(), inference);
}

/// The plan of a flow without mistakes.
inline FlowPlan plan_of(const std::string& yaml, InferencePort* inference = nullptr) {
    auto result = compiled(yaml, inference);
    for (const auto& d : result.diagnostics) UNSCOPED_INFO(to_text(d));
    REQUIRE(result.flows.size() == 1);
    return result.flows[0].plan;
}

inline std::string messages(const CompileResult& result) {
    std::string text;
    for (const auto& d : result.diagnostics)
        text += std::to_string(d.line) + ":" + std::to_string(d.column) + " " + d.message + " = " + d.hint + "\n";
    return text;
}

inline std::vector<std::string> names(const FlowPlan& plan) {
    std::vector<std::string> all;
    for (const auto& task : plan.tasks) all.push_back(task.name);
    return all;
}

/// A host that answers by task name, and remembers what it was asked.
struct FakeHost : InferencePort {
    std::map<std::string, InferResult> results;
    std::vector<InferOrder> orders;

    InferReply infer(const InferOrder& order) override {
        orders.push_back(order);
        InferReply reply;
        for (const auto& task : order.tasks) {
            auto result = results[task.name];
            result.name = task.name;
            if (task.sql.empty() && task.schema_known && !result.schema_known) {
                result.columns = task.columns;
                result.schema_known = true;
            }
            reply.tasks.push_back(result);
        }
        return reply;
    }
};

} // namespace millrace::test
