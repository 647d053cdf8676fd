// Rows of the store as values.
#include "scheduler/store/store.hpp"

#include <cmath>
#include <mutex>

namespace millrace {
namespace {

std::string text(const pqxx::field& f) { return f.is_null() ? std::string() : f.c_str(); }
Json json(const pqxx::field& f) { return f.is_null() ? Json() : Json::parse(f.c_str()); }
std::optional<std::int64_t> number(const pqxx::field& f) {
    if (f.is_null()) return std::nullopt;
    return f.as<std::int64_t>();
}

} // namespace

const char* interned(const std::string& name) {
    static std::mutex mutex;
    static std::set<std::string> names;
    std::lock_guard lock(mutex);
    return names.insert(name).first->c_str();
}

std::optional<Instant> instant_from(const pqxx::field& f) {
    if (f.is_null()) return std::nullopt;
    return from_micros(std::stoll(f.c_str())); // numeric with decimals that are all zero
}

RunRow run_from(const pqxx::row& row) {
    RunRow r;
    r.id = row[0].as<std::int64_t>();
    r.flow = text(row[1]);
    r.plan_hash = text(row[2]);
    r.staging_id = text(row[3]);
    r.run_key = text(row[4]);
    r.idempotency_key = text(row[5]);
    r.request_hash = text(row[6]);
    r.trigger = text(row[7]);
    r.state = state_from(text(row[8]));
    r.state_name = text(row[9]);
    r.message = text(row[10]);
    r.params = json(row[11]);
    r.options = json(row[12]);
    r.summary = json(row[13]);
    r.interval_start = instant_from(row[14]);
    r.interval_end = instant_from(row[15]);
    r.created_at = instant_from(row[16]).value();
    r.scheduled_for = instant_from(row[17]);
    r.started_at = instant_from(row[18]);
    r.finished_at = instant_from(row[19]);
    r.rerun_of = number(row[20]);
    r.parent_id = number(row[21]);
    r.chunk_number = static_cast<int>(number(row[22]).value_or(0));
    r.chunk_of = static_cast<int>(number(row[23]).value_or(0));
    return r;
}

StoredTaskRun task_run_from(const pqxx::row& row) {
    StoredTaskRun s;
    s.key = {row[0].as<int>(), row[1].as<int>()};
    s.run.attempts = row[2].as<int>();
    s.run.charged = row[3].as<int>();
    s.run.state = state_from(text(row[4]));
    s.run.state_name = interned(text(row[5]));
    s.run.started_at = instant_from(row[6]);
    s.run.finished_at = instant_from(row[7]);
    s.run.due_at = instant_from(row[8]);
    if (row[9].is_null() && row[10].is_null() && row[11].is_null() && row[12].is_null()) return s;
    auto& d = s.run.detail();
    d.message = text(row[9]);
    if (!row[10].is_null()) {
        const Json e = json(row[10]);
        d.error = OrderError{e.value("class", ""), e.value("message", ""), e.value("remedy", ""), 0};
    }
    d.value = json(row[11]);
    d.result = json(row[12]);
    return s;
}

} // namespace millrace
