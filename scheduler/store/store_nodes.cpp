// Nodes in the store: who lives, on which clock, and what it takes over.
#include "scheduler/store/store.hpp"

#include "flows/version.hpp"
#include "scheduler/pg_journal_statements.hpp"
#include "scheduler/store/array_text.hpp"
#include "scheduler/store/store_statements.hpp"

#include <algorithm>
#include <cmath>

#include <unistd.h>

namespace millrace {

constexpr const char* take_node = R"sql(
    insert into millrace.node as n (id, epoch, lease_until, journal_seq, started_at, version, pid)
    values ($1, gen_random_uuid(), clock_timestamp() + make_interval(secs => $6), 0, $2, $3, $4)
    on conflict (id) do update
       set epoch = excluded.epoch, lease_until = excluded.lease_until, journal_seq = 0, started_at = excluded.started_at,
           version = excluded.version, pid = excluded.pid
     where $5 or n.lease_until < clock_timestamp()
    returning epoch)sql";

/// Nothing where the server, or our role's rights, do not tell.
static StorePosition position(pqxx::work& w) {
    try {
        pqxx::subtransaction look(w);
        const auto row = look.exec1(read_position_sql);
        return {row[0].c_str(), std::stoll(row[1].c_str(), nullptr, 16), row[2].as<std::int64_t>()};
    } catch (const pqxx::sql_error& e) {
        if (is_transient(e)) throw;
        return {};
    }
}

boost::asio::awaitable<NodeIdentity> Store::take_node(std::string id, bool sole, Instant now) {
    return database_.run([id, sole, now](pqxx::work& w) {
        const auto rows =
            w.exec_prepared("take_node", id, timestamp_text(now), std::string(version), static_cast<int>(getpid()), sole, lease_seconds);
        if (rows.empty())
            throw Refusal(Refusal::Kind::Conflict, "node " + id + " lives in another process; its lease has not run out",
                          "stop the other daemon, or give this one another `state` folder");
        return NodeIdentity{id, rows[0][0].as<std::string>(), 0, position(w)};
    });
}

// A node whose lease has run out loses its epoch first, which fences its journal; what no epoch holds is nobody's. Nobody could
// keep a lease while the server was down: each has the time of a lease to come back, and what it has under way goes on meanwhile.
constexpr const char* void_dead_nodes = R"sql(
    update millrace.node n set epoch = gen_random_uuid()
     where lease_until < clock_timestamp() and epoch <> $1::uuid
       and pg_postmaster_start_time() + make_interval(secs => $2) < clock_timestamp()
       and (exists (select from millrace.run r where r.epoch = n.epoch and r.finished_at is null and r.id >= $3)
            or exists (select from millrace.slot s where s.epoch = n.epoch)))sql";
// Two nodes may want the same run. Who waited for the other's row lock looks at the row again, but not at a joined table: it
// must be a condition of the row alone, a `not exists` would still hold. The lock is for nodes that were born meanwhile.
constexpr const char* one_adopts = "select pg_advisory_xact_lock(hashtext('millrace.adopt'))";
constexpr const char* adopt = R"sql(
    update millrace.run r set epoch = $1::uuid
     where finished_at is null and id >= $2 and epoch is distinct from $1::uuid
       and (epoch is null or epoch <> all (array(select n.epoch from millrace.node n))))sql";
// Not what the update returns: who made the same call before and did not hear its answer must hear of those runs too.
constexpr const char* live_run_ids = "select id from millrace.run where finished_at is null and id >= $2 and epoch = $1::uuid";

boost::asio::awaitable<std::vector<std::int64_t>> Store::adopt(std::string epoch) {
    return database_.run([epoch, from = database_.live_from()](pqxx::work& w) {
        std::vector<std::int64_t> ids;
        w.exec_prepared("one_adopts");
        w.exec_prepared("void_dead_nodes", epoch, lease_seconds, from);
        w.exec_prepared("adopt", epoch, from);
        for (const auto& row : w.exec_prepared("live_run_ids", epoch, from)) ids.push_back(row[0].as<std::int64_t>());
        return ids;
    });
}

static const std::string live_runs_sql = columns(
    run_columns, " from millrace.run where finished_at is null and id >= $2 and id = any($3::bigint[]) and epoch = $1::uuid order by id");
static const std::string task_runs_of_sql =
    columns(task_run_columns, ", run_id from millrace.task_run where run_id = any($1::bigint[]) order by run_id, task, item");
constexpr const char* warnings_of = R"sql(
    select run_id, count(*) from millrace.event
     where run_id = any($1::bigint[]) and kind in ('warning', 'quarantined', 'drifted') group by run_id)sql";

boost::asio::awaitable<std::vector<StoredRun>> Store::live_runs(std::string epoch, std::vector<std::int64_t> of) {
    return database_.read([epoch, of = std::move(of), from = database_.live_from()](pqxx::nontransaction& w) {
        std::map<std::int64_t, StoredRun> runs;
        ArrayText wanted, ids;
        for (const auto id : of) wanted.add(id);
        for (const auto& row : w.exec_prepared("live_runs", epoch, from, wanted.take())) {
            auto run = run_from(row);
            ids.add(run.id);
            runs.emplace(run.id, StoredRun{std::move(run), 0, {}});
        }
        std::vector<StoredRun> out;
        if (runs.empty()) return out;
        const auto list = ids.take();
        for (const auto& row : w.exec_prepared("task_runs_of", list))
            runs.at(row[row.size() - 1].as<std::int64_t>()).task_runs.push_back(task_run_from(row));
        for (const auto& row : w.exec_prepared("warnings_of", list)) runs.at(row[0].as<std::int64_t>()).warnings = row[1].as<int>();
        for (auto& [id, run] : runs) out.push_back(std::move(run));
        return out;
    });
}

constexpr const char* tell = R"sql(
    insert into millrace.event (at, flow, task, kind, message, details) values ($1, nullif($2, ''), nullif($3, ''), $4, $5, $6))sql";

boost::asio::awaitable<void> Store::tell(EventRow event) {
    return database_.read([event = std::move(event)](pqxx::nontransaction& w) {
        w.exec_prepared0("tell", timestamp_text(event.at), event.flow, event.task, event.kind, fit_text(event.message),
                         fit_json(event.details.dump()));
    });
}

constexpr const char* leave = "update millrace.node set lease_until = clock_timestamp() where epoch = $1::uuid";

boost::asio::awaitable<void> Store::leave(std::string epoch) {
    return database_.read([epoch](pqxx::nontransaction& w) { w.exec_prepared0("leave", epoch); });
}

constexpr const char* living_nodes = R"sql(
    select id, (extract(epoch from lease_until - clock_timestamp()) * 1000000)::bigint from millrace.node where lease_until > clock_timestamp())sql";

boost::asio::awaitable<std::map<std::string, std::chrono::microseconds>> Store::living_nodes() {
    return database_.read([](pqxx::nontransaction& w) {
        std::map<std::string, std::chrono::microseconds> left;
        for (const auto& row : w.exec_prepared("living_nodes")) left.emplace(row[0].c_str(), row[1].as<std::int64_t>());
        return left;
    });
}

constexpr const char* note_clock = R"sql(
    update millrace.node set clock_ahead = extract(epoch from $2::timestamptz - clock_timestamp())
     where epoch = $1::uuid and abs(clock_ahead - extract(epoch from $2::timestamptz - clock_timestamp())) > 5)sql";
constexpr const char* clocks = "select epoch = $1::uuid, clock_ahead from millrace.node where lease_until > clock_timestamp()";

bool Clocks::own_is_wrong() const {
    const auto is_right = [](double ahead) { return std::abs(ahead) <= 60; };
    return !is_right(own_ahead) && std::any_of(others_ahead.begin(), others_ahead.end(), is_right);
}

boost::asio::awaitable<Clocks> Store::clocks(std::string epoch, Instant now) {
    return database_.read([epoch, now](pqxx::nontransaction& w) {
        w.exec_prepared0("note_clock", epoch, timestamp_text(now));
        Clocks out;
        for (const auto& row : w.exec_prepared("clocks", epoch)) {
            if (row[0].as<bool>())
                out.own_ahead = row[1].as<double>();
            else
                out.others_ahead.push_back(row[1].as<double>());
        }
        return out;
    });
}

const std::vector<Statement>& store_node_statements() {
    static const std::vector<Statement> all{
        {"take_node", take_node},
        {"void_dead_nodes", void_dead_nodes},
        {"one_adopts", one_adopts},
        {"adopt", adopt},
        {"live_run_ids", live_run_ids},
        {"live_runs", live_runs_sql.c_str()},
        {"task_runs_of", task_runs_of_sql.c_str()},
        {"warnings_of", warnings_of},
        {"tell", tell},
        {"leave", leave},
        {"living_nodes", living_nodes},
        {"note_clock", note_clock},
        {"clocks", millrace::clocks},
    };
    return all;
}

} // namespace millrace
