// What is asked about runs: lists, tasks, graph, datasets.
#include "flows/type_names.hpp"
#include "scheduler/not_found.hpp"
#include "scheduler/orders.hpp"
#include "scheduler/pg_documents.hpp"
#include "scheduler/pg_read_models.hpp"
#include "scheduler/rejected_rows.hpp"
#include "scheduler/store/array_text.hpp"

#include <algorithm>
#include <fstream>

namespace millrace {
namespace asio = boost::asio;
using Kind = Refusal::Kind;

namespace {

std::string text_array(const std::vector<std::string>& values) {
    ArrayText array;
    for (const auto& v : values) array.add_text(v);
    return array.take();
}

} // namespace

std::int64_t number_from(const std::string& after, std::int64_t otherwise) {
    if (after.empty()) return otherwise;
    if (after.size() > 18 || after.find_first_not_of("0123456789") != std::string::npos)
        throw Refusal(Kind::Invalid, "`after` takes the `next` of the previous page");
    return std::stoll(after);
}

/// With `which` runs to look among: a condition that an index serves, so that a page costs the same however many there are.
static std::string runs_sql(const char* which) {
    return std::string("select ") + run_columns + " from millrace.run where " + which +
           " and (cardinality($2::text[]) = 0 or state = any($2::text[])) and id < $3 and id > $4 order by id desc limit $5";
}
static const std::string all_runs = runs_sql("$1 = '' and parent_id is null");
static const std::string runs_of_flow = runs_sql("flow = $1 and parent_id is null");
static const std::string runs_of_parent = runs_sql("parent_id = $1::bigint");
// Where the third newest period begins, and the sixteenth.
constexpr const char* begins_of_periods = R"sql(
    select first - 1 from (select first, row_number() over (order by first desc) as n from millrace.period) p where n in (3, 16) order by n)sql";

/// Newest runs are looked for after the first of these ids, then, where that were too few, after the next, in the end after 0: most are
/// found among recent ones, and the fewer periods are in question the sooner a statement is planned.
std::vector<std::int64_t> PgReadModels::looks_back(pqxx::nontransaction& w) {
    std::vector<std::int64_t> out;
    for (const auto& row : w.exec_prepared("begins_of_periods")) out.push_back(row[0].as<std::int64_t>());
    out.push_back(0);
    return out;
}

static std::vector<RunRow> page_of_runs(pqxx::nontransaction& w, const RunFilter& filter, std::int64_t before, std::int64_t after,
                                        int limit) {
    const auto which = filter.parent ? "runs_of_parent" : filter.flow.empty() ? "all_runs" : "runs_of_flow";
    const auto whose = filter.parent ? std::to_string(*filter.parent) : filter.flow;
    std::vector<RunRow> rows;
    for (const auto& row : w.exec_prepared(which, whose, text_array(filter.states), before, after, limit)) rows.push_back(run_from(row));
    if (filter.parent && !filter.flow.empty()) std::erase_if(rows, [&](const RunRow& row) { return row.flow != filter.flow; });
    return rows;
}

constexpr const char* chunk_runs = R"sql(
    select parent_id, count(*), min(id), max(id) from millrace.run
     where parent_id = any($1::bigint[]) and id > $2 group by parent_id)sql";

/// By the run that is cut into chunks.
static std::map<std::int64_t, Json> chunk_runs_of(pqxx::nontransaction& w, const std::vector<RunRow>& rows) {
    std::map<std::int64_t, Json> out;
    if (rows.empty()) return out;
    ArrayText ids;
    for (const auto& row : rows) ids.add(row.id);
    for (const auto& r : w.exec_prepared("chunk_runs", ids.take(), rows.back().id)) // the oldest of them
        out[r[0].as<std::int64_t>()] = {{"count", r[1].as<int>()}, {"first", r[2].as<std::int64_t>()}, {"last", r[3].as<std::int64_t>()}};
    return out;
}

constexpr const char* run_breaches = R"sql(
    select run_id, count(*), coalesce(max(message) filter (where expectation = 'start_within' and recovered_at is null), '')
      from millrace.breach where run_id = any($1::bigint[]) group by run_id)sql";

std::map<std::int64_t, PgReadModels::RunBreaches> PgReadModels::breaches_of(pqxx::nontransaction& w,
                                                                            const std::vector<std::int64_t>& runs) {
    ArrayText ids;
    for (const auto id : runs) ids.add(id);
    std::map<std::int64_t, RunBreaches> out;
    for (const auto& r : w.exec_prepared("run_breaches", ids.take())) out[r[0].as<std::int64_t>()] = {r[1].as<int>(), r[2].c_str()};
    return out;
}

Json PgReadModels::run_line(const RunRow& row, const RunBreaches& breaches) const {
    const auto* live = s_.runner.find(row.id);
    Json document = live ? s_.runner.live_document(*live) : run_document(row, row.summary);
    if (live && live->closing) document = run_document(row, Runner::summary_of(*live)); // an end is told when it is committed
    if (!breaches.late.empty() && !is_final(row.state) && document.at("state_name") != "Late") mark_late(document, breaches.late);
    document["warning_count"] = document.at("warning_count").get<int>() + breaches.count;
    return document;
}

asio::awaitable<RunRow> PgReadModels::row_of(std::int64_t run_id) {
    auto row = co_await s_.store.run(run_id);
    if (!row) throw no_run(run_id);
    co_return std::move(*row);
}

asio::awaitable<Json> PgReadModels::runs(RunFilter filter) {
    const int limit = std::clamp(filter.limit, 1, 500);
    const auto before = number_from(filter.after, std::numeric_limits<std::int64_t>::max());
    auto work = [filter, limit, before](pqxx::nontransaction& w) {
        std::vector<RunRow> rows;
        for (const auto after : filter.parent ? std::vector{*filter.parent} : looks_back(w)) {
            if (after >= before) continue;
            rows = page_of_runs(w, filter, before, after, limit + 1);
            if (rows.size() > static_cast<std::size_t>(limit)) break;
        }
        std::vector<std::int64_t> ids;
        for (const auto& row : rows) ids.push_back(row.id);
        return std::tuple(rows, chunk_runs_of(w, rows), breaches_of(w, ids));
    };
    auto found = co_await s_.database.read(std::move(work));
    auto& [rows, in_chunks, breaches] = found;
    if (rows.empty() && !filter.flow.empty()) {
        if (!s_.catalogue.find(filter.flow)) co_await s_.look_for_flows();
        if (!s_.catalogue.find(filter.flow)) throw no_flow(filter.flow, s_.catalogue);
    }
    Json items = Json::array(), next;
    for (std::size_t i = 0; i < rows.size() && i < static_cast<std::size_t>(limit); ++i) {
        items.push_back(run_line(rows[i], breaches[rows[i].id]));
        if (const auto chunks = in_chunks.find(rows[i].id); chunks != in_chunks.end()) items.back()["chunk_runs"] = chunks->second;
    }
    if (rows.size() > static_cast<std::size_t>(limit)) next = std::to_string(rows[static_cast<std::size_t>(limit) - 1].id);
    co_return page(std::move(items), std::move(next));
}

asio::awaitable<Json> PgReadModels::run(std::int64_t id) {
    const auto row = co_await row_of(id);
    const auto plan = co_await plan_of(row.plan_hash);
    auto look = [id](pqxx::nontransaction& w) { return breaches_of(w, {id}); };
    auto breaches = co_await s_.database.read(std::move(look));
    Json document = run_line(row, breaches[id]); // before its tasks: a run that is over has no task that seems to run
    document["timezone"] = plan->timezone;
    TaskFilter all;
    Json tasks = co_await this->tasks(id, all);
    RunFilter children;
    children.parent = id;
    children.limit = 500;
    Json chunks = co_await runs(children);
    document["tasks"] = std::move(tasks.at("items"));
    document["tasks_next"] = std::move(tasks.at("next"));
    auto& list = chunks.at("items");
    std::reverse(list.begin(), list.end());
    document["chunks"] = std::move(list);
    document["chunks_next"] = std::move(chunks.at("next"));
    RunEventFilter warnings;
    warnings.only_warnings = true;
    warnings.limit = 20;
    Json told = co_await events(id, warnings);
    auto& items = told.at("items");
    for (auto& item : items)
        for (const char* of_an_event : {"id", "at", "run_id"}) item.erase(of_an_event);
    document["warnings"] = std::move(items);
    const Json next = told.at("next");
    std::int64_t left = 0;
    if (!next.is_null()) left = co_await count_warnings(id, next.get<std::string>());
    document["warnings_left"] = left;
    document["warnings_next"] = next;
    co_return document;
}

const TaskPlan& task_of(const FlowPlan& plan, int number) { return plan.tasks.at(static_cast<std::size_t>(number)); }

std::optional<int> task_asked_for(const FlowPlan& plan, const std::string& name) {
    if (name.empty()) return std::nullopt;
    for (std::size_t i = 0; i < plan.tasks.size(); ++i)
        if (plan.tasks[i].name == name) return static_cast<int>(i);
    throw Refusal(Kind::NotFound, "flow " + plan.name + " has no task " + name);
}

static const std::string tasks_sql = std::string("select ") + task_run_columns + R"sql( from millrace.task_run
     where run_id = $1 and (task, item) > ($2::int, $3::int) and ($4::int is null or task = $4::int)
       and (cardinality($5::text[]) = 0 or state = any($5::text[])) and (item < 0 or not $6::bool)
     order by task, item limit $7)sql";

asio::awaitable<Json> PgReadModels::tasks(std::int64_t run_id, TaskFilter filter) {
    const auto row = co_await row_of(run_id);
    const auto plan = co_await plan_of(row.plan_hash);
    const auto only = task_asked_for(*plan, filter.task);
    int task = -1, item = -1;
    if (const auto dot = filter.after.find('.'); !filter.after.empty()) {
        if (dot == std::string::npos) throw Refusal(Kind::Invalid, "`after` takes the `next` of the previous page");
        task = static_cast<int>(number_from(filter.after.substr(0, dot), 0));
        item = static_cast<int>(number_from(filter.after.substr(dot + 1), 0)) - 1;
    }
    const int limit = std::clamp(filter.limit, 1, 10000);
    auto work = [run_id, task, item, only, states = filter.states, whole = filter.without_items, limit](pqxx::nontransaction& w) {
        std::vector<StoredTaskRun> rows;
        for (const auto& r : w.exec_prepared("tasks", run_id, task, item, only, text_array(states), whole, limit + 1))
            rows.push_back(task_run_from(r));
        return rows;
    };
    const auto rows = co_await s_.database.read(std::move(work));
    Json items = Json::array(), next;
    for (std::size_t i = 0; i < rows.size() && i < static_cast<std::size_t>(limit); ++i) {
        items.push_back(task_run_document(*plan, rows[i].key, rows[i].run, s_.runner.progress(run_id, rows[i].key)));
        if (auto why = s_.runner.why_it_waits(run_id, rows[i].key); !why.empty()) items.back()["message"] = std::move(why);
    }
    if (rows.size() > static_cast<std::size_t>(limit)) {
        const auto key = rows[static_cast<std::size_t>(limit) - 1].key;
        next = std::to_string(key.task) + "." + std::to_string(key.item + 1);
    }
    co_return page(std::move(items), std::move(next));
}

asio::awaitable<Json> PgReadModels::graph(std::int64_t run_id) {
    const auto row = co_await row_of(run_id);
    const auto plan = co_await plan_of(row.plan_hash);
    const auto rows = co_await s_.store.task_runs(run_id);
    std::vector<std::string> states(plan->tasks.size(), "pending");
    for (const auto& r : rows)
        if (r.key.item < 0) states.at(static_cast<std::size_t>(r.key.task)) = to_string(r.run.state);
    Json nodes = Json::array(), edges = Json::array();
    for (std::size_t i = 0; i < plan->tasks.size(); ++i) {
        const auto& task = plan->tasks[i];
        nodes.push_back({{"task", task.name}, {"verb", to_string(task.verb)}, {"state", states[i]}});
        for (const int parent : task.needs) edges.push_back({plan->tasks[static_cast<std::size_t>(parent)].name, task.name});
    }
    Json document = {{"nodes", std::move(nodes)}, {"edges", std::move(edges)}};
    co_return document;
}

// ---- data ------------------------------------------------------------------------------------------------------------

/// A manifest, or null where it is gone.
static asio::awaitable<Json> manifest_at(Database& database, std::string path) {
    auto read = [path = std::move(path)] {
        std::ifstream file(path);
        return Json::parse(file, nullptr, false);
    };
    co_return co_await database.on_pool(std::move(read));
}

/// Throws Refusal{NotFound} that names the parts of a run in chunks, which has no datasets itself.
asio::awaitable<void> PgReadModels::refuse_whole_of_chunks(std::int64_t run_id, std::string task, std::string option) {
    constexpr std::size_t most_named = 6;
    RunFilter children;
    children.parent = run_id;
    children.limit = 500;
    Json parts = co_await runs(children);
    const Json& items = parts.at("items"); // the last one first
    if (items.empty()) co_return;
    std::string names;
    for (std::size_t i = 0; i < items.size() && i < most_named; ++i)
        names += (i == 0 ? "" : i + 1 == items.size() ? " and " : ", ") + items.at(items.size() - 1 - i).at("id").dump();
    if (items.size() > most_named) names += " and " + std::to_string(items.size() - most_named) + " more";
    const auto has_rejected = [](const Json& chunk) {
        const auto& loads = chunk.at("loads");
        return chunk.at("state") == "failed" ||
               std::any_of(loads.begin(), loads.end(), [](const Json& load) { return load.value("rejected", std::int64_t{0}) > 0; });
    };
    auto example = items.rbegin();
    if (!option.empty()) example = std::find_if(items.rbegin(), items.rend(), has_rejected);
    if (example == items.rend()) example = items.rbegin();
    throw Refusal(Kind::NotFound,
                  "run " + std::to_string(run_id) + " ran in chunks: its part" + (items.size() == 1 ? " is run " : "s are runs ") + names,
                  "millrace data head " + example->at("id").dump() + "." + task + option);
}

asio::awaitable<Json> PgReadModels::dataset(std::int64_t run_id, std::string task, int limit) {
    const auto row = co_await row_of(run_id);
    const auto plan = co_await plan_of(row.plan_hash);
    const auto rows = co_await s_.store.task_runs(run_id);
    const bool known = std::any_of(plan->tasks.begin(), plan->tasks.end(), [&](const TaskPlan& t) { return t.name == task; });
    if (known && rows.empty()) co_await refuse_whole_of_chunks(run_id, task, "");
    std::string manifest;
    bool over = is_final(row.state), has_rejects = false;
    for (const auto& r : rows) {
        if (plan->tasks.at(static_cast<std::size_t>(r.key.task)).name != task) continue;
        const Json result = r.run.details && r.run.details->result.is_object() ? r.run.details->result : Json::object();
        has_rejects = has_rejects || !result.value("rejects", "").empty();
        if (r.key.item >= 0) continue;
        over = is_final(r.run.state);
        manifest = result.value("manifest", "");
    }
    if (!known) throw Refusal(Kind::NotFound, "run " + std::to_string(run_id) + " has no task " + task);
    const bool is_load =
        std::any_of(plan->tasks.begin(), plan->tasks.end(), [&](const TaskPlan& t) { return t.name == task && t.verb == Verb::Load; });
    if (manifest.empty())
        throw Refusal(Kind::NotFound,
                      "task " + task + " of run " + std::to_string(run_id) + (over ? " left no dataset" : " has no dataset yet"),
                      has_rejects ? "look at its rejected rows: millrace data head " + std::to_string(run_id) + "." + task + " --rejected"
                      : is_load   ? "it is a load: look into its table, with `millrace psql` in the local warehouse"
                                  : "");
    const Json facts = co_await manifest_at(s_.database, manifest);
    if (!facts.is_object())
        throw Refusal(Kind::NotFound, "the dataset of " + task + " is gone from the staging folder",
                      "retention removes them (`retention.datasets` in millrace.yaml), or somebody did; make it again: millrace run " +
                          row.flow);
    EvaluateOrder order;
    order.sql = "select * from \"" + task + "\" limit " + std::to_string(std::clamp(limit, 0, 1000));
    order.inputs[task] = manifest;
    order.context = run_context(row, *plan);
    order.max_rows = 1000;
    const auto reply = co_await evaluate(s_.hosts, std::move(order));
    if (reply.error) throw Refusal(Kind::Unavailable, "the dataset cannot be read: " + reply.error->message, reply.error->remedy);
    Json columns = facts.value("columns", Json::array());
    for (Json& column : columns) column["type"] = type_words(column.value("type", ""));
    Json document = {{"columns", std::move(columns)}, {"rows", reply.rows}, {"total", facts.value("rows", Json())}};
    co_return document;
}

asio::awaitable<Json> PgReadModels::rejected_rows(std::int64_t run_id, std::string task, int limit) {
    const auto row = co_await row_of(run_id);
    const auto plan = co_await plan_of(row.plan_hash);
    const auto number = task_asked_for(*plan, task);
    const auto task_runs = co_await s_.store.task_runs(run_id);
    if (task_runs.empty()) co_await refuse_whole_of_chunks(run_id, task, " --rejected");
    EvaluateOrder order;
    std::vector<Json> items;      // of each part of the query
    constexpr int most_gone = 20; // then the others are gone too
    std::int64_t total = 0, warned = 0, readable = 0;
    bool sensitive = false;
    int gone = 0;
    const std::string what = "the rejected rows of task " + task + " of run " + std::to_string(run_id);
    for (const auto& r : task_runs) {
        if (r.key.task != number || !r.run.details || !r.run.details->result.is_object()) continue;
        const Json& result = r.run.details->result;
        warned += result.value("warned", std::int64_t{0});
        total += result.value("rejected", std::int64_t{0}) + result.value("warned", std::int64_t{0});
        const std::string path = result.value("rejects", "");
        if (path.empty() || readable >= limit || gone == most_gone) continue;
        const Json facts = co_await manifest_at(s_.database, path);
        if (!facts.is_object()) {
            ++gone;
            continue;
        }
        readable += facts.value("rows", std::int64_t{0});
        sensitive = sensitive || facts.value("sensitive", false);
        order.inputs["r" + std::to_string(items.size())] = path;
        items.push_back(r.key.item < 0 ? Json() : r.run.details->value);
    }
    Json reply_rows = Json::array();
    if (!items.empty()) {
        order.sql = rejected_rows_sql(items.size(), limit);
        order.context = run_context(row, *plan);
        order.max_rows = limit;
        const auto reply = co_await evaluate(s_.hosts, std::move(order));
        if (reply.error) throw Refusal(Kind::Unavailable, what + " cannot be read: " + reply.error->message, reply.error->remedy);
        reply_rows = reply.rows;
        for (Json& rejected : reply_rows) rejected["_item"] = items.at(rejected.at("_part").get<std::size_t>());
    } else if (gone > 0) {
        throw Refusal(Kind::NotFound, what + " are gone from the staging folder",
                      "retention removes them (`retention.quarantine` in millrace.yaml), or somebody did; make them again: millrace run " +
                          row.flow);
    } else if (total > 0) {
        const auto kept = rejects_before_load(*plan, task_of(*plan, *number), task_runs, run_id);
        if (!kept.empty()) throw Refusal(Kind::NotFound, what + " were rejected before it", kept);
        throw Refusal(Kind::NotFound, what + " were not kept",
                      "write `rejects: {to: quarantine}` in place of `drop` to be able to look at them");
    }
    Json document = rejected_document(task_of(*plan, *number), reply_rows, sensitive, total);
    document["warned"] = warned;
    co_return document;
}

std::vector<Statement> run_statements() {
    return {{"all_runs", all_runs.c_str()},
            {"runs_of_flow", runs_of_flow.c_str()},
            {"runs_of_parent", runs_of_parent.c_str()},
            {"begins_of_periods", begins_of_periods},
            {"chunk_runs", chunk_runs},
            {"run_breaches", run_breaches},
            {"tasks", tasks_sql.c_str()}};
}

} // namespace millrace
