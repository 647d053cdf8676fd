#include "scheduler/store/periods.hpp"

#include "scheduler/store/store.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

namespace millrace {
namespace {

constexpr const char* one_allocates_sql = "select pg_advisory_xact_lock(hashtext('millrace.run_id'))";
constexpr const char* end_of_periods = "select max(beyond) from millrace.period";
constexpr const char* newest_period = R"sql(
    select first, beyond,
           (select (extract(epoch from $1::timestamptz - created_at) * 1000000)::bigint from millrace.run where id >= first order by id limit 1)
      from millrace.period order by first desc limit 1)sql";
constexpr const char* add_period = "select millrace.add_period($1, $2)";
constexpr const char* next_run_id = "select case when is_called then last_value + 64 else last_value end from millrace.run_id";
constexpr const char* go_on_at = "select setval('millrace.run_id', $1, false)";

struct Newest {
    Period period;
    std::optional<std::chrono::microseconds> age; ///< of its first run; nothing: it has none
};

Newest newest(pqxx::transaction_base& w, const std::string& now) {
    const auto row = w.exec_prepared1("newest_period", now);
    Newest out{{row[0].as<std::int64_t>(), row[1].as<std::int64_t>()}, {}};
    if (!row[2].is_null()) out.age = std::chrono::microseconds(row[2].as<std::int64_t>());
    return out;
}

Period add_after(pqxx::transaction_base& w, const Newest& last) {
    const Period next{last.period.beyond, last.period.beyond + next_width(last.period, last.age.value_or(std::chrono::microseconds(0)))};
    (void)w.exec_prepared("add_period", next.first, next.beyond);
    return next;
}

} // namespace

std::int64_t next_width(Period newest, std::chrono::microseconds ago) {
    constexpr std::int64_t most = std::int64_t{1} << 30;
    const double width = static_cast<double>(newest.beyond - newest.first);
    const double days = std::max(std::chrono::duration<double, std::ratio<86400>>(ago).count(), 1e-6);
    const auto wanted = static_cast<std::int64_t>(std::clamp(width / days, width / 4, width * 4));
    return std::clamp((wanted + run_id_block - 1) / run_id_block * run_id_block, run_id_block, most);
}

std::string Periods::part_of(std::int64_t run_id) const {
    const auto after = std::upper_bound(all_.begin(), all_.end(), run_id, [](std::int64_t id, const Period& p) { return id < p.first; });
    return std::to_string((after == all_.begin() ? after : std::prev(after))->first); // the oldest takes all before it
}

void one_allocates(pqxx::transaction_base& w) { (void)w.exec_prepared("one_allocates"); }

void cover_run_id(pqxx::transaction_base& w, std::int64_t id) {
    if (id < w.exec_prepared1("end_of_periods")[0].as<std::int64_t>()) return; // nearly always
    const std::string now = "now";
    for (auto last = newest(w, now); last.period.beyond <= id; last = {add_after(w, last), {}}) {
    }
}

bool leave_old_period(pqxx::transaction_base& w, std::chrono::microseconds age, const std::string& now) {
    const auto last = newest(w, now);
    if (last.period.beyond - last.period.first <= small_period || last.age.value_or(std::chrono::microseconds(0)) < age) return false;
    if (w.exec_prepared1("next_run_id")[0].as<std::int64_t>() >= last.period.beyond) return false; // the last block ends with it
    (void)w.exec_prepared("go_on_at", add_after(w, last).first);
    return true;
}

const std::vector<Statement>& period_statements() {
    static const std::vector<Statement> all{
        {"one_allocates", one_allocates_sql}, {"newest_period", newest_period}, {"add_period", add_period},   {"next_run_id", next_run_id},
        {"end_of_periods", end_of_periods},   {"go_on_at", go_on_at},           {"all_periods", all_periods},
    };
    return all;
}

} // namespace millrace
