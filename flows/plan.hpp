/// The compiled plan of a flow: what the engine runs and what the store keeps, as canonical JSON under its hash.
/// The compiler (compile.hpp) makes it from YAML; everything after the compiler sees only this.
#pragma once

#include "flows/error.hpp"
#include "flows/origin.hpp"
#include "flows/task_options.hpp"

#include <optional>
#include <string>
#include <vector>

namespace millrace {

enum class Verb { Extract, Transform, Load, Run, Flow, Approve, Wait, Notify };
[[nodiscard]] std::string_view to_string(Verb v);
[[nodiscard]] Verb verb_from(std::string_view name);

/// Seconds throughout. `for_classes` holds names of ErrorClass, or "any". 1 attempt: no retry.
struct RetryPolicy {
    int attempts = 1;
    double delay = 10;
    double max_delay = 600;
    bool exponential = true;
    double jitter_percent = 20;
    double within = 0; ///< of the first attempt: none begins later; 0: no bound
    std::vector<std::string> for_classes{"transient", "rate_limited", "not_yet_visible", "timeout", "crashed", "resource"};
    bool charges_lost = false; ///< an attempt whose host or daemon died is one of them: what it did is done
};

/// "1mo" and "28d" are calendar spans of the zone, "90s" and "2h" elapsed time; at most one part is not zero.
struct Span {
    int months = 0;
    int days = 0;
    std::int64_t seconds = 0;
    [[nodiscard]] bool is_zero() const { return months == 0 && days == 0 && seconds == 0; }
    bool operator==(const Span&) const = default;
};

/// As a flow file has it, in the largest unit that is whole: 1mo, 7d, 6h, 90s.
[[nodiscard]] std::string to_text(const Span& span);
void to_json(Json& j, const Span& s);
void from_json(const Json& j, Span& s);

struct ParamSpec {
    std::string name;
    std::string type = "text"; ///< text | int | decimal | bool | date | timestamptz | connection | list
    Json default_value;        ///< null: none
    std::vector<std::string> enumeration;
    std::optional<double> min, max;
    bool required = false;
};

struct DstPolicy {
    std::string gap = "after";     ///< after | skip
    std::string overlap = "first"; ///< first | second | both
    bool operator==(const DstPolicy&) const = default;
};

struct ScheduleSpec {
    std::string cron; ///< 5 or 6 fields; empty when `every` is used
    Span every;
    std::string timezone = "UTC";
    double jitter_seconds = 0;
    std::string missed = "last"; ///< last | all | none
    double missed_seconds = 0;   ///< of those that passed within this; 0: however long ago
    std::string start, end;      ///< RFC 3339, empty: unbounded
    bool paused = false;
    int pause_after = 0; ///< runs in a row that failed or crashed; 0: never
    Json params = Json::object();
    DstPolicy dst;
    bool operator==(const ScheduleSpec&) const = default;
};

struct IntervalSpec {
    Span every;
    Span lookback;
    Span chunk;       ///< zero: the run is not cut
    std::string from; ///< "" | cursor | schedule | a date
};

/// A run of `flow` that ends so starts one of the flow that says this.
struct FlowTrigger {
    std::string flow;
    std::string state = "completed"; ///< completed | failed (or crashed)
};

struct SlotDemand {
    std::string key;
    int slots = 1;
    std::string param{}; ///< of type connection: demanded only by runs whose parameter names the connection of `key`; empty: by all
};

/// What should be so of a flow's runs and loads. Seconds; 0: nothing is expected.
struct Expectations {
    struct Rows {
        std::string task;
        std::optional<std::int64_t> min, max; ///< at least one of them
    };
    double start_within = 0, finish_within = 0, fresh = 0, new_rows = 0;
    std::vector<Rows> rows;
    [[nodiscard]] bool is_empty() const { return start_within <= 0 && finish_within <= 0 && fresh <= 0 && new_rows <= 0 && rows.empty(); }
};

struct TaskPlan {
    std::string name;
    Verb verb = Verb::Wait;
    std::vector<int> needs;          ///< indices into FlowPlan::tasks, all smaller than this task's own
    std::optional<ForEach> map_over; ///< only where the verb maps to task runs (run, wait, flow); extract maps inside
    std::string when;                ///< SQL; empty: always
    RetryPolicy retry;
    double timeout = 0;            ///< seconds; 0: none
    std::int64_t memory_bytes = 0; ///< 0: the host's default
    std::vector<SlotDemand> limits;
    std::vector<std::string> tags;
    bool continue_on_failure = false;
    Json options = Json::object(); ///< one of the structs of task_options.hpp, by verb
};

/// It waits until a query has an answer: a host asks it again and again, and each time is a short piece of work.
[[nodiscard]] bool polls(const TaskPlan& task);
[[nodiscard]] double seconds_between_polls(const TaskPlan& task);

struct FlowPlan {
    int grammar = 1;
    std::string name;
    std::string description;
    std::string owner;
    std::vector<std::string> tags;
    std::vector<ParamSpec> params;
    std::vector<ScheduleSpec> schedules;
    std::vector<FlowTrigger> triggers;
    std::optional<IntervalSpec> interval;
    std::string timezone = "UTC";  ///< of the first schedule
    std::string overlap = "queue"; ///< queue | skip | cancel_previous | allow
    double timeout = 0;
    RetryPolicy retry; ///< rounds of a task: its own attempts used up, it begins again with as many; attempts 1: one round
    std::string priority = "normal";
    std::vector<SlotDemand> limits;
    Expectations expect;
    Json notify = Json::object();
    std::vector<TaskPlan> tasks;   ///< in topological order
    Json sources = Json::object(); ///< source type -> its spec (source_spec.hpp), those that the flow uses
    Origins origins;
};

void to_json(Json& j, const FlowPlan& p);
void from_json(const Json& j, FlowPlan& p);

/// Lower-case hex SHA-256 of the canonical JSON (sorted keys, no spaces) without the origins.
[[nodiscard]] std::string plan_hash(const FlowPlan& p);

} // namespace millrace
