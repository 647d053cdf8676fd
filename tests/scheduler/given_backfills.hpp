/// Backfills of a flow of days, and what became of them.
#pragma once

#include "life.hpp"

namespace millrace::test {

/// Days. A load of `mode` upsert takes the place of rows that are there.
inline FlowPlan daily(const std::string& tasks = "a: extract", const std::string& name = "days") {
    auto plan = plan_text(tasks, name);
    plan.interval = IntervalSpec{};
    plan.interval->every.days = 1;
    return plan;
}

/// With a parameter `region`, "eu" unless a run says another.
inline FlowPlan daily_of_a_region() {
    auto plan = daily();
    ParamSpec region;
    region.name = "region", region.default_value = "eu";
    plan.params.push_back(region);
    return plan;
}

inline TriggerRequest backfill(const std::string& flow, const std::string& start, const std::string& end, int at_once = 1) {
    auto request = Life::request(flow);
    request.interval_start = start;
    request.interval_end = end;
    request.trigger = "backfill";
    request.backfill = BackfillOptions{};
    request.backfill->at_once = at_once;
    return request;
}

inline Json begun(Life& life, const TriggerRequest& request) { return life.wait(life.engine->service().trigger(request)).run; }
inline std::int64_t number_of(const Json& run) { return run.at("id").get<std::int64_t>(); }

/// A run of the flow `days` over one interval, as a person starts it, that ended.
inline Json run_by_hand(Life& life, const std::string& start, const std::string& end, const Json& params = Json::object(),
                        std::optional<std::int64_t> limit_rows = {}) {
    auto request = Life::request("days", {}, params);
    request.interval_start = start;
    request.interval_end = end;
    request.limit_rows = limit_rows;
    return life.ended(number_of(begun(life, request)));
}

inline void finish_one(Life& life) {
    if (life.hosts->hanging().empty()) return;
    AttemptDone done;
    done.outcome = "completed";
    (void)life.hosts->end(life.hosts->hanging().front().id, done);
}

inline Json finished(Life& life, std::int64_t id) {
    life.until([&] {
        finish_one(life);
        return !life.run(id).at("finished_at").is_null();
    });
    return life.run(id);
}

inline Texts days_of(const Json& run) {
    Texts out;
    for (const auto& chunk : run.at("chunks")) out.push_back(chunk.at("interval").at("start").get<std::string>().substr(8, 2));
    return out;
}

} // namespace millrace::test
