#include "scheduler/store/history.hpp"

#include "scheduler/store/array_text.hpp"
#include "scheduler/store/periods.hpp"
#include "scheduler/store/store.hpp"

#include <algorithm>

namespace millrace {
namespace asio = boost::asio;
namespace {

// Live runs, those that they go on from, and the chunks of those.
const std::string needed_runs = R"sql(
    with recursive needed as (
        select id, rerun_of, created_at from millrace.run where finished_at is null
        union
        select o.id, o.rerun_of, o.created_at from needed n
         cross join lateral (select id, rerun_of, created_at from millrace.run where id = n.rerun_of
                             union all select id, rerun_of, created_at from millrace.run where parent_id = n.id and id > n.id) o))sql";

constexpr const char* oldest_period = "select first, beyond from millrace.period order by first limit 1";
constexpr const char* oldest_events = R"sql(
    select first, beyond from millrace.period where to_regclass('millrace.event_' || first) is not null order by first limit 1)sql";
// All before $1 ended before $2, and for a while there have been newer ones: no node has an id before $1 in hand any more. Settled
// periods before that one are not read: nothing in them is live, and their events have gone by the same rule.
constexpr const char* is_over = R"sql(
    select coalesce((select created_at < $3::timestamptz from millrace.run where id >= $1 order by id limit 1), false)
       and not exists (select from millrace.run
                        where id < $1 and (finished_at is null or finished_at >= $2::timestamptz)
                          and id >= coalesce((select max(beyond) from millrace.period where settled and beyond < $1), -9223372036854775808)))sql";
const std::string first_needed = needed_runs + " select id, created_at < $1::timestamptz from needed order by id limit 1";
constexpr const char* one_drops = "select pg_try_advisory_xact_lock(hashtext('millrace.retention'))";

// A call that takes long is cut off and would never come to its end: what may be many rows goes by and by (drop_by_and_by).
constexpr const char* drop_firings = R"sql(
    delete from millrace.firing where ctid = any (array(
        select ctid from millrace.firing where run_id > 0 and run_id < $1 order by run_id limit 10000)))sql";
constexpr const char* drop_firings_of_no_run = R"sql(
    delete from millrace.firing where ctid = any (array(
        select ctid from millrace.firing where run_id = 0 and nominal < $1::timestamptz order by nominal limit 10000)))sql";
constexpr const char* drop_keys = "delete from millrace.idempotency where run_id < $1";
constexpr const char* drop_period = "delete from millrace.period where first = $1";
constexpr const char* drop_events_of_no_run = R"sql(
    delete from millrace.event where run_id = 0 and id = any (array(
        select id from millrace.event where run_id = 0 and at < $1::timestamptz order by id limit 10000)))sql";

constexpr const char* history_facts_sql = R"sql(
    select (select count(*) from millrace.period), coalesce(sum(greatest(reltuples, 0))::bigint, 0),
           coalesce(sum(pg_total_relation_size(oid))::bigint, 0),
           (select extract(epoch from created_at) * 1000000 from millrace.run order by id limit 1)
      from pg_class
     where relnamespace = 'millrace'::regnamespace and relkind = 'r' and relname ~ '^(run|task_run|attempt|event)_([0-9]+|of_no_run)$')sql";
constexpr const char* period_of_newest = R"sql(
    select coalesce(max(first), 0) from millrace.period where first <= (select max(id) from millrace.run where id >= $1))sql";
constexpr const char* settle = R"sql(
    update millrace.period p set settled = true
     where not settled and beyond <= coalesce((select min(id) from millrace.run where id >= $1 and finished_at is null), 9223372036854775807)
       and (select created_at < $2::timestamptz from millrace.run where id >= $1 and id >= p.beyond order by id limit 1))sql";
const std::string folder_owners_sql = needed_runs + R"sql(
    select r.staging_id, extract(epoch from r.finished_at) * 1000000, exists (select from needed n where n.id = r.id)
      from millrace.run r where r.staging_id = any ($1::uuid[]))sql";

constexpr auto ids_in_hand = std::chrono::hours(2); ///< nodes ask lowest_usable_id() far more often

struct Oldest {
    std::optional<Period> may_go;
    std::int64_t kept_by = 0;
};

/// Of the periods that `which` asks for, for what ended before `before`.
asio::awaitable<Oldest> look_at_oldest(Database& database, const char* which, Instant before, Instant now) {
    return database.run([which, before, now](pqxx::work& w) {
        Oldest out;
        const auto rows = w.exec_prepared(which);
        if (rows.empty() || !w.exec_prepared1("one_drops")[0].as<bool>()) return out;
        const Period oldest{rows[0][0].as<std::int64_t>(), rows[0][1].as<std::int64_t>()};
        const auto needed = w.exec_prepared("first_needed", timestamp_text(before));
        if (!needed.empty() && needed[0][0].as<std::int64_t>() < oldest.beyond) {
            if (needed[0][1].as<bool>()) out.kept_by = needed[0][0].as<std::int64_t>();
        } else if (w.exec_prepared1("is_over", oldest.beyond, timestamp_text(before), timestamp_text(now - ids_in_hand))[0].as<bool>()) {
            out.may_go = oldest;
        }
        return out;
    });
}

/// In a transaction of its own: a journal that writes to several tables waits for none that waits for it. A lock that is not had
/// soon is given up, since whoever waits for an exclusive one makes all others wait behind.
asio::awaitable<void> drop_table(Database& database, std::string name) {
    return database.run([name = std::move(name)](pqxx::work& w) {
        w.exec0("set local lock_timeout = '100ms'");
        w.exec0("drop table if exists millrace." + name);
    });
}

/// Each call and its commit deletes some; returns how many all did. Broken off, what is left goes the next time.
template <class Bound>
asio::awaitable<std::int64_t> drop_by_and_by(Database& database, const char* statement, Bound below) {
    std::int64_t all = 0;
    for (std::int64_t some = 1; some > 0; all += some) {
        auto work = [statement, below](pqxx::nontransaction& w) {
            return static_cast<std::int64_t>(w.exec_prepared0(statement, below).affected_rows());
        };
        some = co_await database.read(std::move(work));
    }
    co_return all;
}

/// The run table goes last: as long as it is there the period is, and what was broken off is done again.
asio::awaitable<void> drop_whole_period(Database& database, Period period) {
    const std::string part = "_" + std::to_string(period.first);
    co_await drop_table(database, "event" + part);
    co_await drop_table(database, "attempt" + part);
    co_await drop_table(database, "task_run" + part);
    co_await drop_by_and_by(database, "drop_firings", period.beyond);
    auto rest = [period, part](pqxx::work& w) {
        w.exec0("set local lock_timeout = '100ms'");
        w.exec_prepared0("drop_keys", period.beyond);
        w.exec_prepared0("drop_period", period.first);
        w.exec0("drop table if exists millrace.run" + part);
    };
    co_await database.run(std::move(rest));
}

} // namespace

asio::awaitable<DroppedHistory> drop_history(Database& database, RetentionPolicy policy, Instant now) {
    DroppedHistory out;
    for (;;) {
        const auto oldest = co_await look_at_oldest(database, "oldest_period", now - policy.history, now);
        out.kept_by = oldest.kept_by;
        if (!oldest.may_go) break;
        co_await drop_whole_period(database, *oldest.may_go);
        ++out.periods;
    }
    for (;;) {
        const auto oldest = co_await look_at_oldest(database, "oldest_events", now - policy.events, now);
        if (!oldest.may_go) break;
        co_await drop_table(database, "event_" + std::to_string(oldest.may_go->first));
        ++out.event_periods;
    }
    out.events = co_await drop_by_and_by(database, "drop_events_of_no_run", timestamp_text(now - policy.events));
    co_await drop_by_and_by(database, "drop_firings_of_no_run", timestamp_text(now - policy.history));
    co_return out;
}

asio::awaitable<bool> renew_period(Database& database, RetentionPolicy policy, Instant now) {
    return database.run([policy, now](pqxx::work& w) {
        one_allocates(w);
        const auto age = std::max<std::chrono::microseconds>(policy.history / 10, std::chrono::hours(24));
        return leave_old_period(w, age, timestamp_text(now));
    });
}

asio::awaitable<void> look_for_live(Database& database) {
    auto look = [](pqxx::nontransaction& w) { return w.exec_prepared1("first_unsettled")[0].as<std::int64_t>(); };
    database.set_live_from(co_await database.read(std::move(look)));
}

asio::awaitable<void> settle_periods(Database& database, Instant now) {
    auto settle = [now, from = database.live_from()](pqxx::nontransaction& w) {
        w.exec_prepared0("settle", from, timestamp_text(now - ids_in_hand));
    };
    co_await database.read(std::move(settle));
    co_await look_for_live(database);
}

asio::awaitable<std::int64_t> lowest_usable_id(Database& database) {
    return database.read([from = database.live_from()](pqxx::nontransaction& w) {
        return w.exec_prepared1("period_of_newest", from)[0].as<std::int64_t>();
    });
}

asio::awaitable<HistoryFacts> history_facts(Database& database) {
    return database.read([](pqxx::nontransaction& w) {
        const auto row = w.exec_prepared1("history_facts");
        return HistoryFacts{row[0].as<int>(), row[1].as<std::int64_t>(), row[2].as<std::int64_t>(), instant_from(row[3])};
    });
}

asio::awaitable<std::map<std::string, FolderOwner>> folder_owners(Database& database, std::vector<std::string> staging_ids) {
    return database.read([staging_ids = std::move(staging_ids)](pqxx::nontransaction& w) {
        ArrayText ids;
        for (const auto& id : staging_ids) ids.add_text(id);
        std::map<std::string, FolderOwner> out;
        for (const auto& row : w.exec_prepared("folder_owners", ids.take()))
            out[row[0].c_str()] = FolderOwner{true, row[2].as<bool>(), instant_from(row[1])};
        return out;
    });
}

// Not in the first seconds of the server, which nobody could keep a lease without: as in void_dead_nodes.
constexpr const char* forget_nodes_sql = R"sql(
    delete from millrace.node
     where lease_until < clock_timestamp() - interval '7 days'
       and pg_postmaster_start_time() + make_interval(secs => $1) < clock_timestamp())sql";

asio::awaitable<int> forget_nodes(Database& database) {
    return database.read(
        [](pqxx::nontransaction& w) { return static_cast<int>(w.exec_prepared("forget_nodes", lease_seconds).affected_rows()); });
}

// Some were asked by a node's clock, some by the store's: old is what both say to be. What a live run has not answered stands.
constexpr const char* drop_old_requests_sql = R"sql(
    delete from millrace.request q
     where asked_at < least($1::timestamptz, clock_timestamp()) - interval '1 hour'
       and (answered_at is not null or not exists (select from millrace.run r where r.id = q.run_id and r.finished_at is null)))sql";

asio::awaitable<void> drop_old_requests(Database& database, Instant now) {
    return database.read([now](pqxx::nontransaction& w) { w.exec_prepared0("drop_old_requests", timestamp_text(now)); });
}

const std::vector<Statement>& history_statements() {
    static const std::vector<Statement> all{
        {"oldest_period", oldest_period},
        {"oldest_events", oldest_events},
        {"is_over", is_over},
        {"first_needed", first_needed.c_str()},
        {"one_drops", one_drops},
        {"drop_firings", drop_firings},
        {"drop_firings_of_no_run", drop_firings_of_no_run},
        {"drop_keys", drop_keys},
        {"drop_period", drop_period},
        {"drop_events_of_no_run", drop_events_of_no_run},
        {"history_facts", history_facts_sql},
        {"period_of_newest", period_of_newest},
        {"settle", settle},
        {"first_unsettled", first_unsettled},
        {"folder_owners", folder_owners_sql.c_str()},
        {"forget_nodes", forget_nodes_sql},
        {"drop_old_requests", drop_old_requests_sql},
    };
    return all;
}

} // namespace millrace
