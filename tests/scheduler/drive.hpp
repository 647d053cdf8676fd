/// A RunPlan, driven by hand: a test says what happened and looks at what is decided.
#pragma once

#include "flows/run_plan.hpp"
#include "plan_text.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace millrace::test {

inline constexpr Instant start{std::chrono::days(20000)};

struct Drive {
    explicit Drive(const std::string& text, double flow_timeout = 0) : Drive(plan_text(text), flow_timeout) {}
    explicit Drive(FlowPlan flow, double flow_timeout = 0) {
        flow.timeout = flow_timeout;
        plan = std::make_unique<RunPlan>(std::make_shared<const FlowPlan>(std::move(flow)), 7);
    }

    TaskKey key(const std::string& name, int item = -1) const {
        const auto& tasks = plan->flow().tasks;
        const auto at = std::find_if(tasks.begin(), tasks.end(), [&](const TaskPlan& t) { return t.name == name; });
        return {static_cast<int>(at - tasks.begin()), item};
    }

    /// What is decided now, "start a, when b, items c, stop d", in order.
    std::string decisions() {
        std::string out;
        while (const auto d = plan->next()) {
            static const char* const verbs[] = {"start ", "when ", "items ", "stop "};
            out += (out.empty() ? "" : ", ") + std::string(verbs[static_cast<int>(d->kind)]) +
                   plan->flow().tasks[static_cast<std::size_t>(d->key.task)].name;
            if (d->key.item >= 0) out += "[" + std::to_string(d->key.item) + "]";
        }
        return out;
    }
    void begin() { plan->begin(now); }
    void started(const std::string& name, int item = -1) { plan->started(key(name, item), now); }
    void completed(const std::string& name, int item = -1) {
        AttemptDone done;
        done.outcome = "completed";
        plan->finished(key(name, item), done, now);
    }
    void failed(const std::string& name, const std::string& error_class, int item = -1, double retry_after = 0) {
        AttemptDone done;
        done.outcome = error_class == "cancelled" ? "cancelled" : "failed";
        done.error = OrderError{error_class, "it broke", {}, retry_after};
        plan->finished(key(name, item), done, now);
    }
    void not_yet(const std::string& name, const std::string& answer = "no row") {
        AttemptDone done;
        done.outcome = "not_yet";
        done.answer = answer;
        plan->finished(key(name), done, now);
    }
    /// Its host died.
    void lost(const std::string& name, int item = -1) {
        AttemptDone done;
        done.outcome = "lost";
        done.error = OrderError{"crashed", "it died", {}, 0};
        plan->finished(key(name, item), done, now);
    }
    void pass(double seconds) {
        now += std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6));
        plan->advance(now);
    }
    std::string state(const std::string& name, int item = -1) const {
        const auto& run = plan->at(key(name, item));
        return std::string(to_string(run.state)) + "/" + run.state_name;
    }
    std::string run() const { return std::string(to_string(plan->state())) + "/" + plan->state_name(); }

    /// As the store has its tasks.
    std::vector<StoredTaskRun> rows() const {
        std::vector<StoredTaskRun> out;
        for (int task = 0; task < tasks(); ++task) {
            const auto& run = plan->at({task, -1});
            auto& row = out.emplace_back(StoredTaskRun{{task, -1}, {}}).run;
            row.state = run.state, row.state_name = run.state_name;
            row.attempts = run.attempts, row.charged = run.charged;
            row.started_at = run.started_at, row.due_at = run.due_at;
            if (run.details) row.detail().result = run.details->result;
        }
        return out;
    }
    /// Of the daemon, which knows of its tasks what is in rows(); what is lost by it.
    std::vector<TaskKey> restart() {
        std::vector<TaskKey> lost;
        auto next = std::make_unique<RunPlan>(std::make_shared<const FlowPlan>(plan->flow()), 7);
        next->restore(rows(), plan->state(), start, now, lost, RunPlan::Ending::Cancelled, {}, plan->pauses());
        plan = std::move(next);
        for (int task = 0; task < tasks(); ++task)
            if (const auto& run = plan->at({task, -1}); run.details && run.details->called_run())
                plan->called_since({task, -1}, *run.started_at);
        return lost;
    }
    int tasks() const { return static_cast<int>(plan->flow().tasks.size()); }

    std::unique_ptr<RunPlan> plan;
    Instant now = start;
};

} // namespace millrace::test
