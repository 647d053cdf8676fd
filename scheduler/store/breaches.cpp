#include "scheduler/store/breaches.hpp"

#include "scheduler/store/array_text.hpp"
#include "scheduler/store/store.hpp"

namespace millrace {
namespace {

// Live runs, recent ones, and those of which something is still told. A run in chunks begins with its first chunk. The first
// tasks of a run have the lowest numbers.
constexpr const char* watched_runs = R"sql(
    with wanted as (
        select id from millrace.run where finished_at is null and id >= $3 and flow = any($1::text[])
        union
        select x.id from unnest($1::text[]) f(name)
         cross join lateral (select id, finished_at from millrace.run where flow = f.name order by id desc limit 50) x
         where x.finished_at > $2
        union
        select run_id from millrace.breach where flow = any($1::text[]) and recovered_at is null and run_id is not null)
    select r.flow, r.id, r.state, r.trigger, (r.options->>'schedule')::int, extract(epoch from r.scheduled_for) * 1000000,
           extract(epoch from r.created_at) * 1000000, extract(epoch from r.finished_at) * 1000000,
           extract(epoch from coalesce(
               (select min(t.started_at) from (select started_at from millrace.task_run
                                                where run_id = r.id and started_at is not null order by task, item limit 100) t),
               (select min(c.started_at) from millrace.run c where c.parent_id = r.id))) * 1000000,
           r.plan_hash
      from millrace.run r join wanted w on w.id = r.id
     where r.parent_id is null and r.trigger <> 'backfill' and not r.options ?| array['limit_rows', 'backfill']
     order by r.id)sql";

// Of a mapped task those of its items. A run in chunks has them all when it completed.
constexpr const char* watched_rows = R"sql(
    select r.id, r.flow, c.plan_hash, t.task, coalesce(sum((t.result->>'rows')::bigint) filter (where t.item >= 0),
                                                       sum((t.result->>'rows')::bigint) filter (where t.item = -1), 0)::bigint
      from millrace.run r
      join lateral (select r.id, r.plan_hash union all
                    select id, plan_hash from millrace.run where parent_id = r.id and r.state = 'completed') c on true
      join millrace.task_run t on t.run_id = c.id and t.state = 'completed' and t.result ? 'rows'
     where r.id = any($1::bigint[]) and r.finished_at is not null
     group by 1, 2, 3, 4)sql";

// Backwards from the newest run, which is nearly always the one.
constexpr const char* watched_loads = R"sql(
    select f.name, extract(epoch from completed.at) * 1000000, extract(epoch from changed.at) * 1000000
      from unnest($1::text[]) f(name)
      left join lateral (
          select l.finished_at as at
            from (select id, options, trigger from millrace.run where flow = f.name order by id desc limit 2000) r
           cross join lateral (select t.finished_at, t.result from millrace.task_run t
                                where t.run_id = r.id and t.state = 'completed' and t.state_name <> 'Reused'
                                  and jsonb_array_length(t.result->'loads') > 0
                                order by t.finished_at desc limit 1) l
           where r.trigger <> 'backfill' and not r.options ? 'limit_rows'
           limit 1) completed on true
      left join lateral (
          select l.finished_at as at
            from (select id, options, trigger from millrace.run where flow = f.name order by id desc limit 2000) r
           cross join lateral (select t.finished_at from millrace.task_run t
                                where t.run_id = r.id and t.state = 'completed' and t.state_name <> 'Reused'
                                  and jsonb_path_exists(t.result->'loads', '$[*] ? (@.inserted > 0 || @.updated > 0 || @.deleted > 0)')
                                order by t.finished_at desc limit 1) l
           where r.trigger <> 'backfill' and not r.options ? 'limit_rows'
           limit 1) changed on true)sql";

constexpr const char* watched_schedules = R"sql(
    select s.flow, s.number, extract(epoch from s.next_at) * 1000000
      from millrace.schedule s join millrace.flow f on f.name = s.flow and not f.paused and not f.archived
     where s.flow = any($1::text[]) and s.next_at is not null and s.held_at is null)sql";

constexpr const char* told_breaches = R"sql(
    select flow, expectation, subject, kind, run_id, extract(epoch from since) * 1000000, message, extract(epoch from told_at) * 1000000,
           recovered_at is null
      from millrace.breach where flow = any($1::text[]) and (recovered_at is null or recovered_at > $2::timestamptz - interval '30 days'))sql";

constexpr const char* flows_with_open_breaches = "select distinct flow from millrace.breach where recovered_at is null";

std::string array_of(const std::vector<std::string>& names) {
    ArrayText array;
    for (const auto& name : names) array.add_text(name);
    return array.take();
}

WatchedRun run_from_watch(const pqxx::row& row) {
    WatchedRun run;
    run.id = row[1].as<std::int64_t>();
    run.state = state_from(row[2].c_str());
    const auto scheduled_for = instant_from(row[5]);
    const bool by_schedule = row[3].c_str() == std::string_view("schedule") && scheduled_for;
    run.asked_at = by_schedule ? *scheduled_for : instant_from(row[6]).value();
    if (by_schedule) run.schedule = row[4].is_null() ? 0 : row[4].as<int>(); // one of an older version does not know
    if (by_schedule) run.nominal = *scheduled_for;
    run.ended = instant_from(row[7]);
    run.began = instant_from(row[8]);
    run.plan_hash = row[9].c_str();
    return run;
}

} // namespace

boost::asio::awaitable<std::map<std::string, StoredFacts>> read_facts(Database& database, std::vector<std::string> flows, Instant now) {
    return database.read([flows = std::move(flows), now, from = database.live_from()](pqxx::nontransaction& w) {
        const auto names = array_of(flows), since = timestamp_text(now - std::chrono::hours(24 * 7));
        std::map<std::string, StoredFacts> out;
        for (const auto& flow : flows) out[flow].facts.flow = flow;
        ArrayText ended;
        for (const auto& row : w.exec_prepared("watched_runs", names, since, from)) {
            auto& run = out[row[0].c_str()].facts.runs.emplace_back(run_from_watch(row));
            if (run.ended) ended.add(run.id);
        }
        for (const auto& row : w.exec_prepared("watched_rows", ended.take()))
            out[row[1].c_str()].rows.push_back({row[0].as<std::int64_t>(), row[2].c_str(), row[3].as<int>(), row[4].as<std::int64_t>()});
        for (const auto& row : w.exec_prepared("watched_loads", names)) {
            out[row[0].c_str()].facts.last_load = instant_from(row[1]);
            out[row[0].c_str()].facts.last_change = instant_from(row[2]);
        }
        for (const auto& row : w.exec_prepared("watched_schedules", names)) {
            const auto next = instant_from(row[2]).value();
            out[row[0].c_str()].facts.schedules.push_back({row[1].as<int>(), next, next});
        }
        for (const auto& row : w.exec_prepared("told_breaches", names, timestamp_text(now))) {
            auto& facts = out[row[0].c_str()].facts;
            Breach breach{{row[0].c_str(), row[1].c_str(), row[2].c_str()},
                          row[3].c_str(),
                          row[4].is_null() ? 0 : row[4].as<std::int64_t>(),
                          instant_from(row[5]).value(),
                          row[6].c_str(),
                          instant_from(row[7]).value()};
            facts.told.insert(breach.key);
            if (row[8].as<bool>()) facts.open.push_back(std::move(breach));
        }
        return out;
    });
}

boost::asio::awaitable<std::vector<std::string>> flows_with_breaches(Database& database) {
    return database.read([](pqxx::nontransaction& w) {
        std::vector<std::string> out;
        for (const auto& row : w.exec_prepared("flows_with_open_breaches")) out.emplace_back(row[0].c_str());
        return out;
    });
}

const std::vector<Statement>& breach_statements() {
    static const std::vector<Statement> all{
        {"watched_runs", watched_runs},           {"watched_rows", watched_rows},   {"watched_loads", watched_loads},
        {"watched_schedules", watched_schedules}, {"told_breaches", told_breaches}, {"flows_with_open_breaches", flows_with_open_breaches},
    };
    return all;
}

} // namespace millrace
