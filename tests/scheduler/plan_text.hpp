/// Flows as text pictures, one task per line, for tests that read like drawings:
///
///     a: extract
///     b: transform <- a          retry=3 timeout=60
///     c: load <- b               continue when="x" limit=writers
///     d: run <- a, b             each=a concurrency=2
///     w: wait                    seconds=30
///     q: wait                    asks every=60
///     f: flow                    calls=other detach
#pragma once

#include "flows/plan.hpp"

#include <memory>
#include <sstream>
#include <stdexcept>

namespace millrace::test {

inline FlowPlan plan_text(const std::string& text, const std::string& name = "flow") {
    FlowPlan plan;
    plan.name = name;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word;
        if (!(words >> word)) continue;
        TaskPlan task;
        task.name = word.substr(0, word.size() - 1);
        words >> word;
        task.verb = verb_from(word);
        if (task.verb == Verb::Wait) task.options["seconds"] = 0.0;
        task.retry.delay = 10;
        task.retry.jitter_percent = 0;
        bool parents = false;
        while (words >> word) {
            const auto equals = word.find('=');
            const std::string key = word.substr(0, equals), value = equals == std::string::npos ? "" : word.substr(equals + 1);
            if (word == "<-") {
                parents = true;
            } else if (word == "continue") {
                task.continue_on_failure = true;
            } else if (word == "asks") {
                task.options["sql"] = "select 1";
            } else if (key == "every") {
                task.options["every_seconds"] = std::stod(value);
            } else if (key == "calls") {
                task.options["flow"] = value;
            } else if (word == "detach") {
                task.options["detach"] = true;
            } else if (key == "retry") {
                task.retry.attempts = std::stoi(value);
            } else if (key == "timeout") {
                task.timeout = std::stod(value);
            } else if (key == "when") {
                task.when = value;
            } else if (key == "seconds") {
                task.options["seconds"] = std::stod(value);
            } else if (key == "each") {
                task.map_over = ForEach{value, ""};
            } else if (key == "concurrency") {
                task.options["concurrency"] = std::stoi(value);
            } else if (key == "limit") {
                task.limits.push_back({value, 1});
            } else if (key == "on_timeout") {
                task.options["on_timeout"] = value;
            } else if (parents) {
                if (word.back() == ',') word.pop_back();
                int place = -1;
                for (std::size_t i = 0; i < plan.tasks.size(); ++i)
                    if (plan.tasks[i].name == word) place = static_cast<int>(i);
                if (place < 0) throw std::invalid_argument("no task above is called " + word);
                task.needs.push_back(place);
            } else {
                throw std::invalid_argument("plan_text does not know '" + word + "'");
            }
        }
        if (task.verb == Verb::Transform) {
            Json inputs = Json::array();
            for (const int parent : task.needs) inputs.push_back(plan.tasks[static_cast<std::size_t>(parent)].name);
            task.options["inputs"] = std::move(inputs);
        }
        plan.tasks.push_back(std::move(task));
    }
    return plan;
}

/// Days, and runs of three chunks of them.
inline FlowPlan chunked_plan() {
    auto plan = plan_text("a: extract\n c: load <- a", "chunked");
    plan.interval = IntervalSpec{};
    plan.interval->every.days = 1;
    plan.interval->lookback.days = 83;
    plan.interval->chunk.days = 28;
    return plan;
}

} // namespace millrace::test
