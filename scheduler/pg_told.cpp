// What happened to no run: to schedules, disks, clocks and nodes. How much of it is read does not grow with history.
#include "scheduler/pg_documents.hpp"
#include "scheduler/store/array_text.hpp"

namespace millrace {

// What comes often, such as a firing each minute that makes no run, leaves room for what came once: twice what one such firing makes in
// the week is looked at.
constexpr const char* told_lately_sql = R"sql(
    select id, extract(epoch from at) * 1000000, flow, kind, message, details
      from (select e.*, row_number() over (partition by kind, flow order by id desc) as place
              from (select id, at, flow, kind, message, details from millrace.event where run_id = 0 order by id desc limit 20000) e
             where at >= $1::timestamptz) e
     where place <= 5 order by id desc limit 50)sql";

constexpr const char* told_of_flow_sql = R"sql(
    select id, extract(epoch from at) * 1000000, flow, kind, message, details
      from (select id, at, flow, kind, message, details from millrace.event where run_id = 0 and flow = $2 order by id desc limit 50) e
     where at >= $1::timestamptz order by id desc)sql";

static std::string a_week_before(Instant now) { return timestamp_text(now - std::chrono::hours(24 * 7)); }

static Json events_of(const pqxx::result& rows) {
    Json events = Json::array();
    for (const auto& r : rows)
        events.push_back({{"id", r[0].as<std::int64_t>()},
                          {"at", time_or_null(r[1])},
                          {"flow", r[2].is_null() ? Json() : Json(r[2].c_str())},
                          {"kind", r[3].c_str()},
                          {"message", r[4].c_str()},
                          {"details", Json::parse(r[5].c_str())}});
    return events;
}

Json told_lately(pqxx::nontransaction& w, Instant now) { return events_of(w.exec_prepared("told_lately", a_week_before(now))); }

Json told_of_flow(pqxx::nontransaction& w, const std::string& flow, Instant now) {
    return events_of(w.exec_prepared("told_of_flow", a_week_before(now), flow));
}

std::vector<Statement> told_statements() { return {{"told_lately", told_lately_sql}, {"told_of_flow", told_of_flow_sql}}; }

} // namespace millrace
