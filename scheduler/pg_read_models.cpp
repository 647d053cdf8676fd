#include "scheduler/pg_read_models.hpp"

#include "flows/connection_lacks.hpp"
#include "flows/counted.hpp"
#include "scheduler/documents.hpp"
#include "scheduler/not_found.hpp"
#include "scheduler/pg_documents.hpp"
#include "scheduler/slot_wait_text.hpp"
#include "scheduler/store/array_text.hpp"

#include <fmt/format.h>

#include <cmath>
#include <set>

namespace millrace {
namespace asio = boost::asio;
using Kind = Refusal::Kind;

// ---- flows ----------------------------------------------------------------------------------------------------------

constexpr const char* last_runs = R"sql(
    select f.name, r.id, r.state, extract(epoch from r.created_at) * 1000000, extract(epoch from r.finished_at) * 1000000,
           coalesce((r.summary->>'warnings')::int, 0) + (select count(*) from millrace.breach b where b.run_id = r.id)::int, (r.options->>'limit_rows')::bigint
      from millrace.flow f
     cross join lateral (select id, state, created_at, finished_at, summary, options from millrace.run
                          where flow = f.name and parent_id is null and id > $3 order by id desc limit $2) r
     where f.name = any($1::text[]) order by f.name, r.id desc)sql";

static std::map<std::string, Json> last_runs_after(pqxx::nontransaction& w, const std::vector<std::string>& flows, int limit,
                                                   std::int64_t after) {
    ArrayText names;
    for (const auto& flow : flows) names.add_text(flow);
    std::map<std::string, Json> out;
    for (const auto& row : w.exec_prepared("last_runs", names.take(), limit, after)) {
        auto& list = out.try_emplace(row[0].c_str(), Json::array()).first->second;
        list.push_back({{"id", row[1].as<std::int64_t>()},
                        {"state", row[2].c_str()},
                        {"created_at", time_or_null(row[3])},
                        {"finished_at", time_or_null(row[4])},
                        {"warning_count", row[5].as<int>()},
                        {"limit_rows", row[6].is_null() ? Json() : Json(row[6].as<std::int64_t>())}});
    }
    return out;
}

std::map<std::string, Json> PgReadModels::last_runs_of(pqxx::nontransaction& w, std::vector<std::string> flows, int limit) {
    std::map<std::string, Json> out;
    for (const auto after : looks_back(w)) {
        for (auto& [flow, runs] : last_runs_after(w, flows, limit, after)) out[flow] = std::move(runs);
        std::erase_if(flows, [&](const std::string& flow) { return out[flow].size() >= static_cast<std::size_t>(limit); });
        if (flows.empty()) break;
    }
    return out;
}

// Of one that every run breaks the newest run's, with how many there are and since when.
constexpr const char* open_breaches = R"sql(
    select flow, kind, expectation, extract(epoch from first) * 1000000, run_id, message, breaches, runs
      from (select flow, kind, expectation, run_id, message, min(since) over of_one as first, count(*) over of_one as breaches,
                   count(run_id) over of_one as runs, row_number() over (of_one order by run_id desc nulls last, since desc, subject) as nth
              from millrace.breach where recovered_at is null and ($1 = '' or flow = $1)
            window of_one as (partition by flow, kind, expectation)) b
     where nth = 1 order by flow, first, expectation limit 1000)sql";

/// "a has 1 row in run 93; expected: at least 5 (40 runs since 2026-11-20T14:00:00Z)"; of times that made no run "3 times".
static std::string message_of_breaches(const pqxx::row& row) {
    const auto breaches = row[6].as<std::int64_t>();
    if (breaches == 1) return row[5].c_str();
    const auto since = std::chrono::floor<std::chrono::seconds>(instant_from(row[3]).value());
    const bool all_of_runs = row[7].as<std::int64_t>() == breaches;
    return fmt::format("{} ({} since {})", row[5].c_str(), counted(breaches, all_of_runs ? "run" : "time"), to_rfc3339(since));
}

std::map<std::string, Json> attention_by_flow(pqxx::nontransaction& w, const std::string& flow) {
    std::map<std::string, Json> out;
    for (const auto& row : w.exec_prepared("open_breaches", flow))
        out.try_emplace(row[0].c_str(), Json::array())
            .first->second.push_back({{"kind", row[1].c_str()},
                                      {"expectation", row[2].c_str()},
                                      {"since", time_or_null(row[3])},
                                      {"run_id", row[4].is_null() ? Json() : Json(row[4].as<std::int64_t>())},
                                      {"message", message_of_breaches(row)},
                                      {"count", row[6].as<std::int64_t>()}});
    return out;
}

/// What the lists of flows and of schedules say alike.
Json PgReadModels::schedule_line(const StoredSchedule& s) const {
    Json line = {{"timezone", s.spec.timezone},
                 {"paused", s.is_paused()},
                 {"paused_in_file", s.spec.paused},
                 {"paused_after_failures", s.held ? Json(s.failures) : Json()},
                 {"message", s.lacks_zone ? Json(lacking_zone(s_.node, s.spec.timezone)) : Json()},
                 {"next", s.rests() ? Json() : instant_json(s.next_at)}};
    line[s.spec.cron.empty() ? "every" : "cron"] = s.spec.cron.empty() ? to_text(s.spec.every) : s.spec.cron;
    return line;
}

Json PgReadModels::flow_document(const DeployedFlow& flow, const Json& runs, const Json& attention) const {
    const auto& plan = *flow.plan;
    Json schedules = Json::array(), tasks = Json::array();
    for (int number = 0; const auto* s = s_.schedules.find(flow.name, number); ++number) schedules.push_back(schedule_line(*s));
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
            {"folder", flow.folder},
            {"demo", s_.is_demo(flow.folder)},
            {"deployed_at", instant_json(flow.deployed_at)},
            {"archived", flow.archived},
            {"paused", flow.paused},
            {"schedules", std::move(schedules)},
            {"params", Json(plan).at("params")},
            {"tasks", std::move(tasks)},
            {"interval", plan.interval.has_value()},
            {"attention", attention.is_null() ? Json::array() : attention},
            {"last_runs", runs.is_null() ? Json::array() : runs}};
}

asio::awaitable<Json> PgReadModels::flows() {
    std::vector<std::string> names;
    for (const auto& [name, flow] : s_.catalogue.all()) names.push_back(name);
    auto work = [names](pqxx::nontransaction& w) { return std::pair(last_runs_of(w, names, 10), attention_by_flow(w, "")); };
    auto read = co_await s_.database.read(std::move(work));
    auto& [runs, attention] = read;
    Json items = Json::array();
    for (const auto& [name, flow] : s_.catalogue.all()) items.push_back(flow_document(flow, runs[name], attention[name]));
    co_return page(std::move(items), nullptr);
}

asio::awaitable<Json> PgReadModels::flow(std::string name) {
    if (!s_.catalogue.find(name)) co_await s_.look_for_flows();
    auto work = [name, now = s_.clock.now()](pqxx::nontransaction& w) {
        return std::tuple(last_runs_of(w, {name}, 30), attention_by_flow(w, name), told_of_flow(w, name, now));
    };
    auto read = co_await s_.database.read(std::move(work));
    auto& [runs, attention, events] = read;
    const auto* flow = s_.catalogue.find(name);
    if (!flow) throw no_flow(name, s_.catalogue);
    Json document = flow_document(*flow, runs[name], attention[name]);
    document["events"] = std::move(events);
    co_return document;
}

asio::awaitable<Json> PgReadModels::plan(std::string name) {
    if (!s_.catalogue.find(name)) co_await s_.look_for_flows();
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

// ---- the house ------------------------------------------------------------------------------------------------------

asio::awaitable<Json> PgReadModels::schedules() {
    Json items = Json::array();
    for (const auto& s : s_.schedules.all()) {
        Json line = schedule_line(s);
        line.update(Json{
            {"flow", s.flow}, {"number", s.number}, {"next_local", s.next_local}, {"params", s.spec.params}, {"missed", s.spec.missed}});
        items.push_back(std::move(line));
    }
    co_return page(std::move(items), nullptr);
}

constexpr const char* node_list = R"sql(
    select n.id, n.lease_until > clock_timestamp(), extract(epoch from n.lease_until) * 1000000, extract(epoch from n.started_at) * 1000000, n.version, n.pid, round(n.clock_ahead),
           (select count(*) from millrace.run r where r.finished_at is null and r.id >= $1 and r.epoch = n.epoch)
      from millrace.node n order by 2 desc, n.id)sql";

asio::awaitable<Json> PgReadModels::nodes() {
    auto work = [from = s_.database.live_from()](pqxx::nontransaction& w) {
        Json items = Json::array();
        for (const auto& r : w.exec_prepared("node_list", from))
            items.push_back({{"id", r[0].c_str()},
                             {"alive", r[1].as<bool>()},
                             {"lease_until", time_or_null(r[2])},
                             {"started_at", time_or_null(r[3])},
                             {"version", r[4].c_str()},
                             {"pid", r[5].as<int>()},
                             {"clock_ahead_seconds", r[6].as<std::int64_t>()},
                             {"runs", r[7].as<int>()}});
        return items;
    };
    Json items = co_await s_.database.read(std::move(work));
    co_return page(std::move(items), nullptr);
}

constexpr const char* slot_list = R"sql(
    select s.key, s.run_id, s.task, s.item, extract(epoch from s.since) * 1000000,
           exists (select from millrace.node n where n.epoch = s.epoch), (select plan_hash from millrace.run r where r.id = s.run_id), s.retired
      from millrace.slot s order by s.key, s.number)sql";

// Whole runs have no task.
constexpr const char* slot_waiters = R"sql(
    select r.id, r.flow, null, null, r.message from millrace.run r where r.finished_at is null and r.id >= $1 and r.state_name = 'WaitingForSlot'
     union all
    (select t.run_id, r.flow, p.plan -> 'tasks' -> t.task ->> 'name', t.item, t.message
       from millrace.run r join millrace.task_run t on t.run_id = r.id join millrace.plan p on p.hash = r.plan_hash
      where r.finished_at is null and r.id >= $1 and t.run_id >= $1 and t.finished_at is null and t.state_name = 'WaitingForSlot' order by t.run_id, t.task, t.item limit 1000))sql";

// Those that are or were lately in use, or are paused.
constexpr const char* credential_list = R"sql(
    select connection, rate, extract(epoch from case when paused_until > clock_timestamp() then paused_until end) * 1000000,
           quota_limit, quota_left, extract(epoch from quota_reset_at) * 1000000,
           case when clock_timestamp() > window_at + interval '20 s' then 0
                when clock_timestamp() > window_at + interval '10 s' then window_count / 10.0
                when last_count > 0 then last_count / 10.0
                else window_count / greatest(extract(epoch from clock_timestamp() - window_at), 1) end
      from millrace.credential
     where used_at > clock_timestamp() - interval '1 hour' or paused_until > clock_timestamp() order by connection, name)sql";

static Json credential_document(const pqxx::row& r) {
    const auto number = [&](int column) { return r[column].is_null() ? Json() : Json(r[column].as<std::int64_t>()); };
    const double rate = r[1].as<double>(), in_use = r[6].as<double>();
    return {{"key", std::string("rate of ") + r[0].c_str()},
            {"kind", "rate"},
            {"connection", r[0].c_str()},
            {"rate", rate > 0 ? Json(rate) : Json()},
            {"in_use", std::round(in_use * 100) / 100},
            {"paused_until", time_or_null(r[2])},
            {"quota_limit", number(3)},
            {"quota_left", number(4)},
            {"quota_reset_at", time_or_null(r[5])}};
}

asio::awaitable<Json> PgReadModels::limits() {
    struct Held {
        Json document;
        int task;
        std::string plan; ///< hash; empty: the run's row is not there (yet)
    };
    struct Key {
        int slots = 0;
        std::vector<Held> held;
        Json waiting = Json::array();
    };
    auto work = [from = s_.database.live_from()](pqxx::nontransaction& w) {
        std::map<std::string, Key> keys;
        for (const auto& r : w.exec_prepared("slot_list")) {
            const bool is_held = r[5].as<bool>(), retired = r[7].as<bool>();
            if (retired && !is_held) continue;
            auto& key = keys[r[0].c_str()];
            key.slots += retired ? 0 : 1;
            if (!is_held) continue;
            Json document = {{"run_id", r[1].as<std::int64_t>()},
                             {"task", nullptr},
                             {"item", r[3].as<int>() < 0 ? Json() : Json(r[3].as<int>())},
                             {"since", time_or_null(r[4])}};
            key.held.push_back({std::move(document), r[2].as<int>(), r[6].is_null() ? "" : r[6].c_str()});
        }
        for (const auto& r : w.exec_prepared("slot_waiters", from))
            if (const auto key = keys.find(limit_waited_for(r[4].c_str())); key != keys.end())
                key->second.waiting.push_back({{"run_id", r[0].as<std::int64_t>()},
                                               {"flow", r[1].c_str()},
                                               {"task", r[2].is_null() ? Json() : Json(r[2].c_str())},
                                               {"item", r[3].is_null() || r[3].as<int>() < 0 ? Json() : Json(r[3].as<int>())}});
        Json credentials = Json::array();
        for (const auto& r : w.exec_prepared("credential_list")) credentials.push_back(credential_document(r));
        return std::pair(std::move(keys), std::move(credentials));
    };
    auto [keys, credentials] = co_await s_.database.read(std::move(work));
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
        items.push_back(
            {{"key", name}, {"kind", "slots"}, {"slots", key.slots}, {"held", std::move(held)}, {"waiting", std::move(key.waiting)}});
    }
    for (auto& credential : credentials) items.push_back(std::move(credential));
    co_return page(std::move(items), nullptr);
}

/// What connections of deployed flows lack, beside those of which `missing` tells already: nobody declared them.
static void add_lacks_of_flows(Json& missing, const Catalogue& catalogue, Connections& connections) {
    std::set<std::string> told;
    for (const auto& lack : missing)
        if (!lack.value("unread", false)) told.insert(lack.at("connection").get<std::string>());
    std::vector<const FlowPlan*> plans;
    for (const auto& [name, flow] : catalogue.all())
        if (!flow.archived) plans.push_back(flow.plan.get());
    const auto resolve = [&](const std::string& connection) {
        if (!told.contains(connection)) (void)connections.resolve(connection);
    };
    for (const auto& lack : lacks_of_flows(plans, resolve))
        missing.push_back(
            {{"connection", lack.connection}, {"variable", ""}, {"message", lack.message}, {"remedy", lack.remedy}, {"flows", lack.flows}});
}

Json PgReadModels::lacks() const {
    Json missing = s_.settings().at("missing");
    add_lacks_of_flows(missing, s_.catalogue, s_.connections);
    return missing;
}

Json PgReadModels::figures() const {
    Json out = s_.journal();
    out.update(s_.watch());
    out["loop_lag_seconds"] = s_.loop_lag();
    out["live_runs"] = s_.runner.live_count();
    out["attempts_under_way"] = s_.runner.attempts_under_way();
    out["completed_task_runs_total"] = s_.runner.completed_task_runs();
    out.update(s_.retention.figures());
    return out;
}

const std::vector<Statement>& read_statements() {
    static const std::vector<Statement> all = [] {
        std::vector<Statement> all = run_statements();
        const auto of_logs = log_statements();
        all.insert(all.end(), of_logs.begin(), of_logs.end());
        const auto of_told = told_statements();
        all.insert(all.end(), of_told.begin(), of_told.end());
        const auto of_doctor = doctor_statements();
        all.insert(all.end(), of_doctor.begin(), of_doctor.end());
        all.insert(all.end(), {{"last_runs", last_runs},
                               {"open_breaches", open_breaches},
                               {"node_list", node_list},
                               {"slot_list", slot_list},
                               {"slot_waiters", slot_waiters},
                               {"credential_list", credential_list}});
        return all;
    }();
    return all;
}

} // namespace millrace
