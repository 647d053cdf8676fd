#include "flows/plan.hpp"

#include "flows/hash.hpp"

#include <array>
#include <stdexcept>

namespace millrace {
namespace {
constexpr std::array<std::string_view, 8> verbs{"extract", "transform", "load", "run", "flow", "approve", "wait", "notify"};
}

std::string_view to_string(Verb v) { return verbs.at(static_cast<std::size_t>(v)); }

Verb verb_from(std::string_view name) {
    for (std::size_t i = 0; i < verbs.size(); ++i)
        if (verbs[i] == name) return static_cast<Verb>(i);
    throw std::invalid_argument("no verb is called '" + std::string(name) + "'");
}

bool polls(const TaskPlan& task) { return task.verb == Verb::Wait && !task.options.value("sql", "").empty(); }
double seconds_between_polls(const TaskPlan& task) { return task.options.value("every_seconds", 60.0); }

std::string to_text(const Span& span) {
    if (span.months != 0) return std::to_string(span.months) + "mo";
    if (span.days != 0) return std::to_string(span.days) + "d";
    for (const auto& [seconds, unit] : {std::pair(3600, "h"), {60, "m"}})
        if (span.seconds != 0 && span.seconds % seconds == 0) return std::to_string(span.seconds / seconds) + unit;
    return std::to_string(span.seconds) + "s";
}

void to_json(Json& j, const Span& s) { j = {{"months", s.months}, {"days", s.days}, {"seconds", s.seconds}}; }
void from_json(const Json& j, Span& s) { s = {j.value("months", 0), j.value("days", 0), j.value("seconds", std::int64_t{0})}; }

/// `within` only where it is written: a flow without has the hash that it had.
static void to_json(Json& j, const RetryPolicy& p) {
    j = {{"attempts", p.attempts},
         {"delay", p.delay},
         {"max_delay", p.max_delay},
         {"exponential", p.exponential},
         {"jitter_percent", p.jitter_percent},
         {"for_classes", p.for_classes},
         {"charges_lost", p.charges_lost}};
    if (p.within > 0) j["within"] = p.within;
}
static void from_json(const Json& j, RetryPolicy& p) {
    const RetryPolicy usual;
    p = {j.value("attempts", usual.attempts),
         j.value("delay", usual.delay),
         j.value("max_delay", usual.max_delay),
         j.value("exponential", usual.exponential),
         j.value("jitter_percent", usual.jitter_percent),
         j.value("within", usual.within),
         j.value("for_classes", usual.for_classes),
         j.value("charges_lost", usual.charges_lost)};
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ParamSpec, name, type, default_value, enumeration, min, max, required)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DstPolicy, gap, overlap)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ScheduleSpec, cron, every, timezone, jitter_seconds, missed, missed_seconds, start, end,
                                                paused, pause_after, params, dst)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(IntervalSpec, every, lookback, chunk, from)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(FlowTrigger, flow, state)

static void to_json(Json& j, const SlotDemand& d) {
    j = {{"key", d.key}, {"slots", d.slots}};
    if (!d.param.empty()) j["param"] = d.param;
}
static void from_json(const Json& j, SlotDemand& d) { d = {j.value("key", ""), j.value("slots", 1), j.value("param", "")}; }

/// Only what is expected: a flow without has the hash that it had.
static void to_json(Json& j, const Expectations& e) {
    j = Json::object();
    for (const auto& [key, seconds] :
         {std::pair("start_within", e.start_within), {"finish_within", e.finish_within}, {"fresh", e.fresh}, {"new_rows", e.new_rows}})
        if (seconds > 0) j[key] = seconds;
    for (const auto& [task, min, max] : e.rows) j["rows"][task] = {{"min", min}, {"max", max}};
}
static void from_json(const Json& j, Expectations& e) {
    e = {j.value("start_within", 0.0), j.value("finish_within", 0.0), j.value("fresh", 0.0), j.value("new_rows", 0.0), {}};
    const Json rows = j.value("rows", Json::object());
    for (const auto& [task, bounds] : rows.items())
        e.rows.push_back({task, bounds.at("min").get<std::optional<std::int64_t>>(), bounds.at("max").get<std::optional<std::int64_t>>()});
}

static void to_json(Json& j, const Verb& v) { j = std::string(to_string(v)); }
static void from_json(const Json& j, Verb& v) { v = verb_from(j.get<std::string>()); }

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TaskPlan, name, verb, needs, map_over, when, retry, timeout, memory_bytes, limits, tags,
                                                continue_on_failure, options)

namespace {
struct Fields : FlowPlan {};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Fields, grammar, name, description, owner, tags, params, schedules, triggers, interval,
                                                timezone, overlap, timeout, retry, priority, limits, expect, notify, tasks, sources,
                                                origins)
} // namespace

void to_json(Json& j, const FlowPlan& p) { to_json(j, Fields{p}); }
void from_json(const Json& j, FlowPlan& p) {
    Fields f;
    from_json(j, f);
    p = std::move(static_cast<FlowPlan&>(f));
}

std::string plan_hash(const FlowPlan& p) {
    Json j(p);
    j.erase("origins");
    return sha256_hex(j.dump());
}

} // namespace millrace
