// What is wrong with the store, the node or its work, or soon will be.
#include "flows/version.hpp"
#include "scheduler/pg_documents.hpp"
#include "scheduler/pg_read_models.hpp"
#include "scheduler/store/array_text.hpp"

#include <map>
#include <set>

namespace millrace {
namespace asio = boost::asio;

constexpr const char* store_facts = R"sql(
    select current_setting('server_version'), pg_database_size(current_database()), (select max(number) from millrace.migration),
           (select count(*) from (select from millrace.run limit 1000000) r), current_setting('synchronous_commit'), current_setting('fsync'))sql";

// A queue grows where more runs came than ended, in the later half of the time that its first has waited: not one that shrinks again,
// as after a downtime.
constexpr const char* growing_queues = R"sql(
    with waiting as (
        select flow, id, created_at, min(created_at) over (partition by flow) as since
          from millrace.run where finished_at is null and started_at is null and parent_id is null and id >= $1),
    queue as (
        select flow, count(*) as runs, min(id) as first, min(since) as since, min(since) + ($2::timestamptz - min(since)) / 2 as later,
               count(*) filter (where created_at > since + ($2::timestamptz - since) / 2) as came
          from waiting group by flow having count(*) >= 10 and min(since) < $2::timestamptz - interval '1 minute'),
    both_ways as (
        select q.*, (select count(*) from (select finished_at from millrace.run r where r.flow = q.flow and r.id < q.first and r.parent_id is null
                                            order by r.id desc limit q.came + 1) before where finished_at > q.later) as ended
          from queue q)
    select flow, runs, first, extract(epoch from since) * 1000000, came, ended from both_ways where came > ended order by runs desc limit 100)sql";

static Json queues(pqxx::nontransaction& w, std::int64_t live_from, Instant now) {
    Json out = Json::array();
    for (const auto& r : w.exec_prepared("growing_queues", live_from, timestamp_text(now)))
        out.push_back({{"flow", r[0].c_str()},
                       {"waiting", r[1].as<std::int64_t>()},
                       {"first", r[2].as<std::int64_t>()},
                       {"since", time_or_null(r[3])},
                       {"came", r[4].as<std::int64_t>()},
                       {"ended", r[5].as<std::int64_t>()}});
    return out;
}

static Json held(const std::vector<StoredSchedule>& schedules) {
    Json out = Json::array();
    for (const auto& s : schedules)
        if (s.held) out.push_back({{"flow", s.flow}, {"number", s.number}, {"failures", s.failures}});
    return out;
}

/// Of which schedules rest here, though others do not.
static Json zones_missing(const std::vector<StoredSchedule>& schedules) {
    std::map<std::string, std::set<std::string>> flows;
    for (const auto& s : schedules)
        if (s.lacks_zone) flows[s.spec.timezone].insert(s.flow);
    Json out = Json::array();
    for (const auto& [zone, names] : flows) out.push_back({{"zone", zone}, {"flows", names}});
    return out;
}

asio::awaitable<Json> PgReadModels::doctor() {
    auto work = [from = s_.database.live_from(), now = s_.clock.now()](pqxx::nontransaction& w) {
        const auto r = w.exec_prepared1("store_facts");
        Json store = {{"server", r[0].c_str()},          {"size_bytes", r[1].as<std::int64_t>()}, {"schema_version", r[2].as<int>()},
                      {"runs", r[3].as<std::int64_t>()}, {"synchronous_commit", r[4].c_str()},    {"fsync", r[5].c_str()}};
        return std::tuple(store, attention_by_flow(w, ""), queues(w, from, now), told_lately(w, now));
    };
    auto read = co_await s_.database.read(std::move(work));
    auto& [store, attention, queues, events] = read;
    Json settings = s_.settings();
    settings["missing"] = lacks();
    Json document = {{"version", version},
                     {"node", {{"id", s_.node}}},
                     {"store", std::move(store)},
                     {"hosts", s_.host_list()},
                     {"journal", s_.journal()},
                     {"journal_away", s_.journal_away()},
                     {"clock_wrong", s_.clock_wrong()},
                     {"staging_lost", s_.staging_lost()},
                     {"figures", figures()},
                     {"attention", attention},
                     {"limits_of_others", s_.limits_of_others()},
                     {"held_schedules", held(s_.schedules.all())},
                     {"zones_missing", zones_missing(s_.schedules.all())},
                     {"queues", std::move(queues)},
                     {"events", std::move(events)},
                     {"history", s_.retention.describe()},
                     {"flows", s_.catalogue.all().size()},
                     {"schedules", s_.schedules.all().size()},
                     {"settings", std::move(settings)}};
    co_return document;
}

std::vector<Statement> doctor_statements() { return {{"store_facts", store_facts}, {"growing_queues", growing_queues}}; }

} // namespace millrace
