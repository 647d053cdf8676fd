// Flows in the store: their plans, limits and schedules.
#include "scheduler/store/store.hpp"

#include "scheduler/store/array_text.hpp"
#include "scheduler/store/store_statements.hpp"

namespace millrace {
namespace {

std::optional<std::string> when(std::optional<Instant> t) { return t ? std::optional(timestamp_text(*t)) : std::nullopt; }

} // namespace

constexpr const char* flows_sql = R"sql(
    select f.name, f.plan_hash, f.folder, extract(epoch from f.deployed_at) * 1000000, f.archived, f.paused, p.plan,
           coalesce(h.schedules, 0)::int
      from millrace.flow f join millrace.plan p on p.hash = f.plan_hash
      left join (select flow, count(*) as schedules from millrace.schedule where held_at is not null group by flow) h on h.flow = f.name
     order by f.name)sql";

boost::asio::awaitable<std::vector<DeployedFlow>> Store::flows() {
    return database_.read([](pqxx::nontransaction& w) {
        std::vector<DeployedFlow> out;
        for (const auto& row : w.exec_prepared("flows"))
            out.push_back({row[0].c_str(), row[1].c_str(), row[2].c_str(), instant_from(row[3]).value(), row[4].as<bool>(),
                           row[5].as<bool>(), row[7].as<int>(),
                           std::make_shared<const FlowPlan>(Json::parse(row[6].c_str()).get<FlowPlan>())});
        return out;
    });
}

constexpr const char* flow_marks_sql = R"sql(
    select coalesce(string_agg(name || ' ' || plan_hash || ' ' || (extract(epoch from deployed_at) * 1000000)::bigint || ' ' ||
                               archived::int || paused::int || ' ' || coalesce(h.schedules, 0), ',' order by name collate "C"), '')
      from millrace.flow
      left join (select flow, count(*) as schedules from millrace.schedule where held_at is not null group by flow) h on h.flow = name)sql";

boost::asio::awaitable<std::string> Store::flow_marks() {
    return database_.read([](pqxx::nontransaction& w) { return std::string(w.exec_prepared1("flow_marks")[0].c_str()); });
}

constexpr const char* plan_sql = "select plan from millrace.plan where hash = $1";

boost::asio::awaitable<std::shared_ptr<const FlowPlan>> Store::plan(std::string hash) {
    return database_.read([hash](pqxx::nontransaction& w) -> std::shared_ptr<const FlowPlan> {
        const auto rows = w.exec_prepared("plan", hash);
        if (rows.empty()) return nullptr;
        return std::make_shared<const FlowPlan>(Json::parse(rows[0][0].c_str()).get<FlowPlan>());
    });
}

constexpr const char* schedules_sql = R"sql(
    select s.flow, s.number, s.spec, f.paused, extract(epoch from s.changed_at) * 1000000, extract(epoch from s.next_at) * 1000000, s.next_local,
           s.failures, s.held_at is not null
      from millrace.schedule s join millrace.flow f on f.name = s.flow where not f.archived order by s.flow, s.number)sql";

boost::asio::awaitable<std::vector<StoredSchedule>> Store::schedules() {
    return database_.read([](pqxx::nontransaction& w) {
        std::vector<StoredSchedule> out;
        for (const auto& row : w.exec_prepared("schedules")) {
            StoredSchedule s{row[0].c_str(),
                             row[1].as<int>(),
                             Json::parse(row[2].c_str()).get<FlowPlan>().schedules.at(0),
                             row[3].as<bool>(),
                             instant_from(row[4]).value(),
                             instant_from(row[5]),
                             row[6].is_null() ? "" : row[6].c_str(),
                             row[7].as<int>(),
                             row[8].as<bool>()};
            out.push_back(std::move(s));
        }
        return out;
    });
}

constexpr const char* insert_plan = R"sql(
    insert into millrace.plan (hash, flow, plan, created_at) values ($1, $2, $3, $4)
    on conflict (hash) do update set plan = excluded.plan)sql";
constexpr const char* put_flow = R"sql(
    insert into millrace.flow (name, plan_hash, folder, deployed_at) values ($1, $2, $3, $4)
    on conflict (name) do update set plan_hash = excluded.plan_hash, folder = excluded.folder, deployed_at = excluded.deployed_at, archived = false)sql";
constexpr const char* archive_flow = "update millrace.flow set archived = true where name = $1";
constexpr const char* drop_schedules = "delete from millrace.schedule where flow = $1";
constexpr const char* insert_schedule = R"sql(
    insert into millrace.schedule (flow, number, spec, changed_at, next_at, next_local) values ($1, $2, $3, $4, $5, $6))sql";

boost::asio::awaitable<PutLimits> Store::deploy(std::vector<FlowChange> changes, std::optional<Limits> limits, Instant now,
                                                std::string starting) {
    return database_.run([changes = std::move(changes), from = database_.live_from(), limits = std::move(limits), now,
                          starting = std::move(starting)](pqxx::work& w) {
        const auto at = timestamp_text(now);
        for (const auto& c : changes) {
            if (c.plan_json.empty()) {
                w.exec_prepared("archive_flow", c.flow);
                w.exec_prepared("drop_schedules", c.flow);
                continue;
            }
            w.exec_prepared("insert_plan", c.plan_hash, c.flow, fit_json(c.plan_json), at);
            w.exec_prepared("put_flow", c.flow, c.plan_hash, c.folder, at);
            if (c.keep_schedules) continue;
            w.exec_prepared("drop_schedules", c.flow);
            for (const auto& s : c.schedules) {
                FlowPlan holder; // a schedule's JSON is defined as part of a plan
                holder.schedules = {s.spec};
                w.exec_prepared("insert_schedule", s.flow, s.number, Json({{"schedules", Json(holder).at("schedules")}}).dump(), at,
                                when(s.next_at), s.next_local);
            }
        }
        return limits ? put_limits(w, *limits, from, starting) : PutLimits();
    });
}

constexpr const char* pause_flow = "update millrace.flow set paused = $2 where name = $1";
constexpr const char* release_schedules = "update millrace.schedule set failures = 0, held_at = null where flow = $1 and failures > 0";

boost::asio::awaitable<void> Store::pause_flow(std::string flow, bool paused) {
    return database_.run([flow, paused](pqxx::work& w) {
        w.exec_prepared("pause_flow", flow, paused);
        if (!paused) w.exec_prepared("release_schedules", flow);
    });
}

// One that was deployed anew meanwhile has a next firing of its own.
constexpr const char* set_next =
    "update millrace.schedule set next_at = $3, next_local = $4 where flow = $1 and number = $2 and changed_at = $5";

boost::asio::awaitable<void> Store::set_next(std::vector<StoredSchedule> schedules) {
    return database_.run([schedules = std::move(schedules)](pqxx::work& w) {
        for (const auto& s : schedules)
            w.exec_prepared("set_next", s.flow, s.number, when(s.next_at), s.next_local, timestamp_text(s.changed_at));
    });
}

constexpr const char* bring_back = R"sql(
    update millrace.schedule set next_at = $3, next_local = $4
     where flow = $1 and number = $2 and changed_at = $5 and coalesce(next_at > $3::timestamptz, true))sql";

boost::asio::awaitable<void> Store::bring_back(std::vector<StoredSchedule> schedules) {
    return database_.run([schedules = std::move(schedules)](pqxx::work& w) {
        for (const auto& s : schedules)
            w.exec_prepared("bring_back", s.flow, s.number, when(s.next_at), s.next_local, timestamp_text(s.changed_at));
    });
}

constexpr const char* next_of = R"sql(
    select s.flow is not null, extract(epoch from s.next_at) * 1000000, s.next_local
      from unnest($1::text[], $2::int[]) with ordinality as u(flow, number, place)
      left join (millrace.schedule s join millrace.flow f on f.name = s.flow and not f.paused and not f.archived)
             on s.held_at is null and s.flow = u.flow and s.number = u.number order by u.place)sql";

boost::asio::awaitable<std::vector<std::optional<Store::Next>>> Store::next_of(std::vector<std::pair<std::string, int>> schedules) {
    return database_.read([schedules = std::move(schedules)](pqxx::nontransaction& w) {
        ArrayText flow, number;
        for (const auto& [name, n] : schedules) flow.add_text(name), number.add(n);
        std::vector<std::optional<Next>> out;
        for (const auto& row : w.exec_prepared("next_of", flow.take(), number.take())) {
            auto& next = out.emplace_back();
            if (row[0].as<bool>()) next = Next{instant_from(row[1]), row[2].is_null() ? "" : row[2].c_str()};
        }
        return out;
    });
}

const std::vector<Statement>& store_flow_statements() {
    static const std::vector<Statement> all{
        {"flows", flows_sql},
        {"flow_marks", flow_marks_sql},
        {"plan", plan_sql},
        {"schedules", schedules_sql},
        {"insert_plan", insert_plan},
        {"put_flow", put_flow},
        {"archive_flow", archive_flow},
        {"drop_schedules", drop_schedules},
        {"insert_schedule", insert_schedule},
        {"pause_flow", pause_flow},
        {"release_schedules", release_schedules},
        {"set_next", set_next},
        {"bring_back", millrace::bring_back},
        {"next_of", next_of},
    };
    return all;
}

} // namespace millrace
