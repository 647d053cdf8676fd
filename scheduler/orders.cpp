#include "scheduler/orders.hpp"

#include "flows/hash.hpp"
#include "flows/interval.hpp"
#include "flows/substitute.hpp"
#include "scheduler/documents.hpp"

#include <cmath>

namespace millrace {
namespace {

constexpr std::int64_t most_items = 100'000; ///< of a mapped task

const TaskPlan& task_of(const RunPlan& plan, int task) { return plan.flow().tasks.at(static_cast<std::size_t>(task)); }

Json item_of(const RunPlan& plan, TaskKey key) {
    const auto& run = plan.at(key);
    return key.item >= 0 && run.details ? run.details->value : Json();
}

std::string manifest_of(const TaskRun& run) {
    if (!run.details || !run.details->result.is_object()) return {};
    return run.details->result.value("manifest", "");
}

std::map<std::string, std::string> inputs_of(const RunPlan& plan, int task) {
    std::map<std::string, std::string> out;
    for (const int parent : task_of(plan, task).needs)
        if (auto manifest = manifest_of(plan.at({parent, -1})); !manifest.empty()) out[task_of(plan, parent).name] = std::move(manifest);
    return out;
}

/// Names of connections in a task's options, references resolved.
std::vector<std::string> connections_of(const TaskPlan& task, const Scope& scope) {
    std::vector<std::string> out;
    const auto add = [&](const std::string& name) {
        if (name.empty()) return;
        const Json value = substitute_text(name, scope);
        if (!value.is_string()) throw Error(ErrorClass::Permanent, "task " + task.name + ": '" + name + "' does not name a connection");
        out.push_back(value.get<std::string>());
    };
    if (task.verb == Verb::Extract || task.verb == Verb::Load) add(task.options.value("connection", ""));
    if (task.verb == Verb::Transform || task.verb == Verb::Wait) add(task.options.value("in", ""));
    if (const std::string via = task.options.value("via", ""); !via.empty()) add(via.substr(0, via.find('/')));
    return out;
}

std::string interval_text(const RunRow& row) {
    return row.interval_start ? to_rfc3339(*row.interval_start) + "/" + to_rfc3339(*row.interval_end) : "";
}

/// The parameters by which the rows of one run are others than those of another: not what every run has by default, so that a
/// parameter that the flow gets later makes no other rows of the old ones.
Json own_params(const RunRow& row, const FlowPlan& flow) {
    Json own = row.params;
    for (const auto& param : flow.params)
        if (own.contains(param.name) && own.at(param.name) == param.default_value) own.erase(param.name);
    return own;
}

} // namespace

RunContext run_context(const RunRow& row, const FlowPlan& flow) {
    RunContext c;
    c.flow = row.flow;
    c.run_id = row.id;
    c.run_at = to_rfc3339(row.created_at);
    c.run_key = row.run_key;
    c.timezone = flow.timezone;
    c.params = row.params;
    for (const auto& param : flow.params) c.param_types[param.name] = param.type;
    if (row.interval_start) c.interval_start = to_rfc3339(*row.interval_start);
    if (row.interval_end) c.interval_end = to_rfc3339(*row.interval_end);
    c.chunk_number = row.chunk_of ? row.chunk_number : row.options.value("chunk_number", 1);
    if (row.chunk_of) c.chunk_of_run = row.parent_id.value_or(0);
    if (row.options.contains("allow_deletes")) c.allow_deletes = row.options.at("allow_deletes").value("rows", std::int64_t{0});
    c.full_refresh = row.options.value("full_refresh", false);
    if (row.options.contains("limit_rows") && row.options.at("limit_rows").is_number_integer())
        c.limit_rows = row.options.at("limit_rows").get<std::int64_t>();
    return c;
}

std::string staging_folder(const std::string& staging, const RunRow& row, const std::string& task, const Json& item) {
    const std::string folder = staging + "/" + row.staging_id + "/" + task;
    return item.is_null() ? folder : folder + "/" + item_hash(item);
}

std::string log_file(const std::string& staging, const RunRow& row, const std::string& task, const Json& item, int attempt) {
    std::string name = staging + "/" + row.staging_id + "/logs/" + task;
    if (!item.is_null()) name += "." + item_hash(item);
    return name + "." + std::to_string(attempt) + ".ndjson";
}

AttemptOrder attempt_order(const RunRow& row, const RunPlan& plan, TaskKey key, const std::string& staging, Connections& connections) {
    const auto& task = task_of(plan, key.task);
    const Json item = item_of(plan, key);
    AttemptOrder o;
    o.task = task.name;
    o.verb = std::string(to_string(task.verb));
    o.attempt = plan.at(key).attempts;
    o.attempts = std::max(task.retry.attempts, o.attempt);
    o.options = with_environment(task.options, [&](const std::string& name) { return connections.variable(name); });
    o.item = item;
    o.context = run_context(row, plan.flow());
    const std::string item_key = item.is_null() ? "" : item_text(item);
    o.interval_key =
        sha256_hex(row.flow + "\n" + task.name + "\n" + interval_text(row) + "\n" + item_key + "\n" + own_params(row, plan.flow()).dump());
    o.batch_id = sha256_hex(row.run_key + "\n" + task.name + "\n" + item_key + "\n0");
    o.staging = staging_folder(staging, row, task.name, item);
    o.log = log_file(staging, row, task.name, item, o.attempt);
    o.inputs = inputs_of(plan, key.task);
    o.memory_bytes = task.memory_bytes;
    const auto& origins = plan.flow().origins;
    if (const auto origin = origins.tasks.find(task.name); origin != origins.tasks.end()) o.origin = origin->second;
    Scope scope(o.context);
    if (!item.is_null()) scope.set("item", item);
    for (const auto& name : connections_of(task, scope)) {
        Json connection = connections.resolve(name);
        if (task.verb == Verb::Extract) {
            const auto type = connection.value("type", "");
            if (plan.flow().sources.contains(type)) o.source = plan.flow().sources.at(type);
            if (const auto file = origins.sources.find(type); file != origins.sources.end()) o.source_file = file->second;
        }
        o.connections.emplace(name, std::move(connection));
    }
    return o;
}

EvaluateOrder evaluate_order(const RunRow& row, const RunPlan& plan, int task, Question question) {
    const auto& t = task_of(plan, task);
    EvaluateOrder o;
    o.context = run_context(row, plan.flow());
    o.inputs = inputs_of(plan, task);
    if (t.timeout > 0) o.timeout = t.timeout;
    if (question == Question::When) {
        o.sql = "select coalesce((" + t.when + "), false) as holds";
        o.max_rows = 1;
    } else {
        o.sql = t.map_over->sql.empty() ? "select * from \"" + t.map_over->task + "\"" : t.map_over->sql;
        o.max_rows = most_items;
        o.distinct = true;
    }
    return o;
}

Instant wait_end(const RunRow& row, const RunPlan& plan, TaskKey key, Instant now) {
    const auto& task = task_of(plan, key.task);
    const auto& o = task.options;
    if (o.contains("seconds") && o.at("seconds").is_number())
        return now + std::chrono::microseconds(std::llround(o.at("seconds").get<double>() * 1e6));
    Scope scope(run_context(row, plan.flow()));
    if (const Json item = item_of(plan, key); !item.is_null()) scope.set("item", item);
    const Json until = substitute_text(o.value("until", ""), scope);
    try {
        return parse_date_or_instant(until.is_string() ? until.get<std::string>() : until.dump(), plan.flow().timezone);
    } catch (const std::invalid_argument& e) {
        throw Error(ErrorClass::Permanent, std::string("`until`: ") + e.what(), "write it like 2026-11-20 or 2026-11-20T06:00:00Z");
    }
}

} // namespace millrace
