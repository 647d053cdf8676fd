#include "scheduler/pg_read_models.hpp"

#include "flows/version.hpp"
#include "scheduler/documents.hpp"
#include "scheduler/log_files.hpp"
#include "scheduler/not_found.hpp"
#include "scheduler/orders.hpp"
#include "scheduler/store/array_text.hpp"
#include "scheduler/store/migrate.hpp"

#include <algorithm>
#include <fstream>

namespace millrace {
namespace asio = boost::asio;
using Kind = Refusal::Kind;

namespace {

Json page(Json items, Json next) { return {{"items", std::move(items)}, {"next", std::move(next)}}; }

std::string text_array(const std::vector<std::string>& values) {
    ArrayText array;
    for (const auto& v : values) array.add_text(v);
    return array.take();
}

std::int64_t number_from(const std::string& after, std::int64_t otherwise) {
    if (after.empty()) return otherwise;
    if (after.size() > 18 || after.find_first_not_of("0123456789") != std::string::npos)
        throw Refusal(Kind::Invalid, "`after` takes the `next` of the previous page");
    return std::stoll(after);
}

Json value_or_null(const pqxx::field& f) { return f.is_null() ? Json() : Json(f.c_str()); }
Json time_or_null(const pqxx::field& f) { return instant_json(instant_from(f)); }

Json span_text(const Span& s) {
    if (s.months) return std::to_string(s.months) + "mo";
    if (s.days) return std::to_string(s.days) + "d";
    return std::to_string(s.seconds) + "s";
}

} // namespace

// ---- flows ----------------------------------------------------------------------------------------------------------

constexpr const char* last_runs = R"sql(
    select f.name, r.id, r.state, extract(epoch from r.created_at) * 1000000, extract(epoch from r.finished_at) * 1000000
      from millrace.flow f
     cross join lateral (select id, state, created_at, finished_at from millrace.run
                          where flow = f.name and parent_id is null order by id desc limit $2) r
     where ($1 = '' or f.name = $1) order by f.name, r.id desc)sql";

static std::map<std::string, Json> last_runs_by_flow(pqxx::work& w, const std::string& flow, int limit) {
    std::map<std::string, Json> out;
    for (const auto& row : w.exec_prepared("last_runs", flow, limit)) {
        auto& list = out.try_emplace(row[0].c_str(), Json::array()).first->second;
        list.push_back({{"id", row[1].as<std::int64_t>()}, {"state", row[2].c_str()}, {"created_at", time_or_null(row[3])}, {"finished_at", time_or_null(row[4])}});
    }
    return out;
}

Json PgReadModels::flow_document(const DeployedFlow& flow, const Json& runs) const {
    const auto& plan = *flow.plan;
    Json schedules = Json::array(), tasks = Json::array();
    for (const auto& s : s_.schedules.all()) {
        if (s.flow != flow.name) continue;
        Json line = {{"timezone", s.spec.timezone}, {"next", s.paused || s.spec.paused ? Json() : instant_json(s.next_at)}};
        if (s.spec.cron.empty())
            line["every"] = span_text(s.spec.every);
        else
            line["cron"] = s.spec.cron;
        schedules.push_back(std::move(line));
    }
    for (const auto& task : plan.tasks) {
        Json needs = Json::array();
        for (const int parent : task.needs) needs.push_back(plan.tasks[static_cast<std::size_t>(parent)].name);
        tasks.push_back({{"name", task.name}, {"verb", to_string(task.verb)}, {"needs", std::move(needs)}});
    }
    return {{"name", flow.name},
            {"description", plan.description},
            {"owner", plan.owner},
            {"tags", plan.tags},
            {"hash", flow.plan_hash},
            {"deployed_at", instant_json(flow.deployed_at)},
            {"archived", flow.archived},
            {"paused", flow.paused},
            {"schedules", std::move(schedules)},
            {"params", Json(plan).at("params")},
            {"tasks", std::move(tasks)},
            {"interval", plan.interval.has_value()},
            {"last_runs", runs.is_null() ? Json::array() : runs}};
}

asio::awaitable<Json> PgReadModels::flows() {
    auto work = [](pqxx::work& w) { return last_runs_by_flow(w, "", 10); };
    auto runs = co_await s_.database.run(std::move(work));
    Json items = Json::array();
    for (const auto& [name, flow] : s_.catalogue.all()) items.push_back(flow_document(flow, runs[name]));
    co_return page(std::move(items), nullptr);
}

asio::awaitable<Json> PgReadModels::flow(std::string name) {
    auto work = [name](pqxx::work& w) { return last_runs_by_flow(w, name, 30); };
    auto runs = co_await s_.database.run(std::move(work));
    const auto* flow = s_.catalogue.find(name);
    if (!flow) throw no_flow(name, s_.catalogue);
    co_return flow_document(*flow, runs[name]);
}

asio::awaitable<Json> PgReadModels::plan(std::string name) {
    const auto* flow = s_.catalogue.find(name);
    if (!flow) throw no_flow(name, s_.catalogue);
    Json document(*flow->plan);
    document["hash"] = flow->plan_hash;
    co_return document;
}

asio::awaitable<std::shared_ptr<const FlowPlan>> PgReadModels::plan_of(std::string hash) {
    auto plan = s_.catalogue.plan(hash);
    if (!plan) {
        plan = co_await s_.store.plan(hash);
        if (!plan) throw Refusal(Kind::NotFound, "plan " + hash + " is gone");
        s_.catalogue.remember(hash, plan);
    }
    co_return plan;
}

// ---- runs -----------------------------------------------------------------------------------------------------------

static const std::string runs_sql = std::string("select ") + run_columns + R"sql( from millrace.run
     where ($1 = '' or flow = $1) and (cardinality($2::text[]) = 0 or state = any($2::text[]))
       and case when $3::bigint is null then parent_id is null else parent_id = $3::bigint end and id < $4
     order by id desc limit $5)sql";

Json PgReadModels::run_line(const RunRow& row) const {
    const auto* live = s_.runner.find(row.id);
    if (!live) return run_document(row, row.summary);
    Json document = s_.runner.live_document(*live);
    return live->closing ? run_document(row, document) : document; // an end is told when it is committed
}

asio::awaitable<RunRow> PgReadModels::row_of(std::int64_t run_id) {
    auto row = co_await s_.store.run(run_id);
    if (!row) throw no_run(run_id);
    co_return std::move(*row);
}

asio::awaitable<Json> PgReadModels::runs(RunFilter filter) {
    const int limit = std::clamp(filter.limit, 1, 500);
    const auto before = number_from(filter.after, std::numeric_limits<std::int64_t>::max());
    auto work = [filter, limit, before](pqxx::work& w) {
        std::vector<RunRow> rows;
        for (const auto& row : w.exec_prepared("runs", filter.flow, text_array(filter.states), filter.parent, before, limit + 1)) rows.push_back(run_from(row));
        return rows;
    };
    const auto rows = co_await s_.database.run(std::move(work));
    Json items = Json::array(), next;
    for (std::size_t i = 0; i < rows.size() && i < static_cast<std::size_t>(limit); ++i) items.push_back(run_line(rows[i]));
    if (rows.size() > static_cast<std::size_t>(limit)) next = std::to_string(rows[static_cast<std::size_t>(limit) - 1].id);
    co_return page(std::move(items), std::move(next));
}

asio::awaitable<Json> PgReadModels::run(std::int64_t id) {
    const auto row = co_await row_of(id);
    Json document = run_line(row); // before its tasks: a run that is over has no task that seems to run
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
    co_return document;
}

static const std::string tasks_sql = std::string("select ") + task_run_columns + R"sql( from millrace.task_run
     where run_id = $1 and (task, item) > ($2::int, $3::int) and ($4::int is null or task = $4::int)
       and (cardinality($5::text[]) = 0 or state = any($5::text[]))
     order by task, item limit $6)sql";

asio::awaitable<Json> PgReadModels::tasks(std::int64_t run_id, TaskFilter filter) {
    const auto row = co_await row_of(run_id);
    const auto plan = co_await plan_of(row.plan_hash);
    std::optional<int> only;
    for (std::size_t i = 0; i < plan->tasks.size(); ++i)
        if (plan->tasks[i].name == filter.task) only = static_cast<int>(i);
    if (!filter.task.empty() && !only) throw Refusal(Kind::NotFound, "flow " + row.flow + " has no task " + filter.task);
    int task = -1, item = -1;
    if (const auto dot = filter.after.find('.'); !filter.after.empty()) {
        if (dot == std::string::npos) throw Refusal(Kind::Invalid, "`after` takes the `next` of the previous page");
        task = static_cast<int>(number_from(filter.after.substr(0, dot), 0));
        item = static_cast<int>(number_from(filter.after.substr(dot + 1), 0)) - 1;
    }
    const int limit = std::clamp(filter.limit, 1, 10000);
    auto work = [run_id, task, item, only, states = filter.states, limit](pqxx::work& w) {
        std::vector<StoredTaskRun> rows;
        for (const auto& r : w.exec_prepared("tasks", run_id, task, item, only, text_array(states), limit + 1)) rows.push_back(task_run_from(r));
        return rows;
    };
    const auto rows = co_await s_.database.run(std::move(work));
    Json items = Json::array(), next;
    for (std::size_t i = 0; i < rows.size() && i < static_cast<std::size_t>(limit); ++i)
        items.push_back(task_run_document(*plan, rows[i].key, rows[i].run, s_.runner.progress(run_id, rows[i].key)));
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

// ---- logs, events, data ---------------------------------------------------------------------------------------------

constexpr const char* attempt_logs = R"sql(
    select a.task, a.item, a.number, a.log, t.value
      from millrace.attempt a left join millrace.task_run t on t.run_id = a.run_id and t.task = a.task and t.item = a.item
     where a.run_id = $1 and ($2::int is null or a.task = $2::int) and ($3::int = 0 or a.number = $3::int)
     order by a.started_at, a.task, a.item, a.number)sql";

asio::awaitable<Json> PgReadModels::logs(std::int64_t run_id, LogFilter filter) {
    const auto row = co_await row_of(run_id);
    const auto plan = co_await plan_of(row.plan_hash);
    std::optional<int> only;
    for (std::size_t i = 0; i < plan->tasks.size(); ++i)
        if (plan->tasks[i].name == filter.task) only = static_cast<int>(i);
    if (!filter.task.empty() && !only) throw Refusal(Kind::NotFound, "flow " + row.flow + " has no task " + filter.task);
    const bool over = is_final(row.state);
    auto work = [=, number = filter.attempt](pqxx::work& w) {
        std::vector<LogSource> sources;
        for (const auto& r : w.exec_prepared("attempt_logs", run_id, only, number)) {
            LogSource source;
            source.path = r[3].c_str();
            source.task = plan->tasks.at(static_cast<std::size_t>(r[0].as<int>())).name;
            if (!r[4].is_null()) source.item = Json::parse(r[4].c_str());
            source.attempt = r[2].as<int>();
            sources.push_back(std::move(source));
        }
        return sources;
    };
    auto sources = co_await s_.database.run(std::move(work));
    const int limit = std::clamp(filter.limit, 1, 10000);
    auto read = [sources = std::move(sources), after = filter.after, limit, over] { return read_logs(sources, after, limit, over); };
    co_return co_await s_.database.on_pool(std::move(read));
}

constexpr const char* run_events = R"sql(
    select id, extract(epoch from at) * 1000000, task, kind, message, details from millrace.event where run_id = $1 order by id limit 1000)sql";

asio::awaitable<Json> PgReadModels::events(std::int64_t run_id) {
    (void)co_await row_of(run_id);
    auto work = [run_id](pqxx::work& w) {
        Json items = Json::array();
        for (const auto& r : w.exec_prepared("run_events", run_id))
            items.push_back({{"id", r[0].as<std::int64_t>()}, {"at", time_or_null(r[1])}, {"run_id", run_id}, {"task", value_or_null(r[2])},
                             {"kind", r[3].c_str()}, {"message", r[4].c_str()}, {"details", Json::parse(r[5].c_str())}});
        return items;
    };
    Json items = co_await s_.database.run(std::move(work));
    co_return page(std::move(items), nullptr);
}

asio::awaitable<Json> PgReadModels::dataset(std::int64_t run_id, std::string task, int limit) {
    const auto row = co_await row_of(run_id);
    const auto plan = co_await plan_of(row.plan_hash);
    const auto rows = co_await s_.store.task_runs(run_id);
    std::string manifest;
    bool known = false;
    for (const auto& r : rows) {
        if (r.key.item >= 0 || plan->tasks.at(static_cast<std::size_t>(r.key.task)).name != task) continue;
        known = true;
        if (r.run.details && r.run.details->result.is_object()) manifest = r.run.details->result.value("manifest", "");
    }
    if (!known) throw Refusal(Kind::NotFound, "run " + std::to_string(run_id) + " has no task " + task);
    if (manifest.empty()) throw Refusal(Kind::NotFound, "task " + task + " of run " + std::to_string(run_id) + " has no dataset (yet)");
    auto read = [manifest] {
        std::ifstream file(manifest);
        return Json::parse(file, nullptr, false);
    };
    const Json facts = co_await s_.database.on_pool(std::move(read));
    if (!facts.is_object()) throw Refusal(Kind::NotFound, "the dataset of " + task + " is gone from the staging folder", "retention removed it; run the flow again");
    EvaluateOrder order;
    order.sql = "select * from \"" + task + "\" limit " + std::to_string(std::clamp(limit, 0, 1000));
    order.inputs[task] = manifest;
    order.context = run_context(row, *plan);
    order.max_rows = 1000;
    const auto reply = co_await evaluate(s_.hosts, std::move(order));
    if (reply.error) throw Refusal(Kind::Unavailable, "the dataset cannot be read: " + reply.error->message, reply.error->remedy);
    Json document = {{"columns", facts.value("columns", Json::array())}, {"rows", reply.rows}, {"total", facts.value("rows", Json())}};
    co_return document;
}

// ---- the house ------------------------------------------------------------------------------------------------------

asio::awaitable<Json> PgReadModels::schedules() {
    Json items = Json::array();
    for (const auto& s : s_.schedules.all()) {
        Json line = {{"flow", s.flow}, {"number", s.number}, {"timezone", s.spec.timezone}, {"paused", s.paused || s.spec.paused},
                     {"next", s.paused || s.spec.paused ? Json() : instant_json(s.next_at)}, {"next_local", s.next_local}, {"missed", s.spec.missed}};
        line[s.spec.cron.empty() ? "every" : "cron"] = s.spec.cron.empty() ? span_text(s.spec.every) : Json(s.spec.cron);
        items.push_back(std::move(line));
    }
    co_return page(std::move(items), nullptr);
}

constexpr const char* node_list = R"sql(
    select n.id, n.lease_until > clock_timestamp(), extract(epoch from n.lease_until) * 1000000, extract(epoch from n.started_at) * 1000000, n.version, n.pid,
           (select count(*) from millrace.run r where r.finished_at is null and r.epoch = n.epoch)
      from millrace.node n order by n.id)sql";

asio::awaitable<Json> PgReadModels::nodes() {
    auto work = [](pqxx::work& w) {
        Json items = Json::array();
        for (const auto& r : w.exec_prepared("node_list"))
            items.push_back({{"id", r[0].c_str()}, {"alive", r[1].as<bool>()}, {"lease_until", time_or_null(r[2])}, {"started_at", time_or_null(r[3])},
                             {"version", r[4].c_str()}, {"pid", r[5].as<int>()}, {"runs", r[6].as<int>()}});
        return items;
    };
    Json items = co_await s_.database.run(std::move(work));
    co_return page(std::move(items), nullptr);
}

constexpr const char* slot_list = R"sql(
    select s.key, s.run_id, s.task, s.item, extract(epoch from s.since) * 1000000,
           exists (select from millrace.node n where n.epoch = s.epoch), r.plan_hash
      from millrace.slot s left join millrace.run r on r.id = s.run_id order by s.key, s.number)sql";

asio::awaitable<Json> PgReadModels::limits() {
    struct Held {
        Json document;
        int task;
        std::string plan; ///< hash; empty: the run's row is not there (yet)
    };
    struct Key {
        int slots = 0;
        std::vector<Held> held;
    };
    auto work = [](pqxx::work& w) {
        std::map<std::string, Key> keys;
        for (const auto& r : w.exec_prepared("slot_list")) {
            auto& key = keys[r[0].c_str()];
            ++key.slots;
            if (!r[5].as<bool>()) continue;
            Json document = {{"run_id", r[1].as<std::int64_t>()}, {"task", nullptr}, {"item", r[3].as<int>() < 0 ? Json() : Json(r[3].as<int>())}, {"since", time_or_null(r[4])}};
            key.held.push_back({std::move(document), r[2].as<int>(), r[6].is_null() ? "" : r[6].c_str()});
        }
        return keys;
    };
    auto keys = co_await s_.database.run(std::move(work));
    Json items = Json::array();
    for (auto& [name, key] : keys) {
        Json held = Json::array();
        for (auto& holder : key.held) {
            if (holder.task >= 0 && !holder.plan.empty()) {
                const auto plan = co_await plan_of(holder.plan);
                holder.document["task"] = plan->tasks.at(static_cast<std::size_t>(holder.task)).name;
            }
            held.push_back(std::move(holder.document));
        }
        items.push_back({{"key", name}, {"slots", key.slots}, {"held", std::move(held)}});
    }
    co_return page(std::move(items), nullptr);
}

constexpr const char* store_facts = R"sql(
    select current_setting('server_version'), pg_database_size(current_database()), (select max(number) from millrace.migration),
           (select count(*) from millrace.run), current_setting('synchronous_commit'), current_setting('fsync'))sql";

asio::awaitable<Json> PgReadModels::doctor() {
    auto work = [](pqxx::work& w) {
        const auto r = w.exec_prepared1("store_facts");
        Json store = {{"server", r[0].c_str()},          {"size_bytes", r[1].as<std::int64_t>()}, {"schema_version", r[2].as<int>()},
                      {"runs", r[3].as<std::int64_t>()}, {"synchronous_commit", r[4].c_str()},    {"fsync", r[5].c_str()}};
        return store;
    };
    Json store = co_await s_.database.run(std::move(work));
    Json document = {{"version", version},       {"node", {{"id", s_.node}}}, {"store", std::move(store)},
                     {"hosts", s_.host_list()},  {"journal", s_.journal()},   {"figures", figures()},
                     {"flows", s_.catalogue.all().size()}, {"schedules", s_.schedules.all().size()}};
    co_return document;
}

Json PgReadModels::figures() const {
    Json out = s_.journal();
    out["live_runs"] = s_.runner.live_count();
    out["attempts_under_way"] = s_.runner.attempts_under_way();
    out["completed_task_runs_total"] = s_.runner.completed_task_runs();
    return out;
}

const std::vector<Statement>& read_statements() {
    static const std::vector<Statement> all{
        {"last_runs", last_runs},
        {"runs", runs_sql.c_str()},
        {"tasks", tasks_sql.c_str()},
        {"attempt_logs", attempt_logs},
        {"run_events", run_events},
        {"node_list", node_list},
        {"slot_list", slot_list},
        {"store_facts", store_facts},
    };
    return all;
}

} // namespace millrace
