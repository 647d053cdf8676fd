#include "scheduler/store/store.hpp"

#include "flows/version.hpp"
#include "scheduler/pg_journal_statements.hpp"
#include "scheduler/store/array_text.hpp"
#include "scheduler/store/breaches.hpp"
#include "scheduler/store/credentials.hpp"
#include "scheduler/store/periods.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <unistd.h>

namespace millrace {
namespace {

std::string columns(const char* list, const char* rest) { return std::string("select ") + list + rest; }

std::optional<std::string> when(std::optional<Instant> t) { return t ? std::optional(timestamp_text(*t)) : std::nullopt; }

} // namespace

// ---- the node -------------------------------------------------------------------------------------------------------

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

static const std::string live_runs_sql =
    columns(run_columns, " from millrace.run where finished_at is null and id >= $2 and epoch = $1::uuid order by id");
static const std::string task_runs_of_sql =
    columns(task_run_columns, ", run_id from millrace.task_run where run_id = any($1::bigint[]) order by run_id, task, item");
constexpr const char* warnings_of = R"sql(
    select run_id, count(*) from millrace.event
     where run_id = any($1::bigint[]) and kind in ('warning', 'quarantined', 'drifted') group by run_id)sql";
static const std::string task_runs_sql = columns(task_run_columns, " from millrace.task_run where run_id = $1 order by task, item");

boost::asio::awaitable<std::vector<StoredRun>> Store::live_runs(std::string epoch) {
    return database_.read([epoch, from = database_.live_from()](pqxx::nontransaction& w) {
        std::map<std::int64_t, StoredRun> runs;
        ArrayText ids;
        for (const auto& row : w.exec_prepared("live_runs", epoch, from)) {
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

// ---- runs -----------------------------------------------------------------------------------------------------------

constexpr const char* new_run_ids = "select nextval('millrace.run_id') from generate_series(1, $1)";

boost::asio::awaitable<std::vector<std::int64_t>> Store::new_run_ids(int blocks) {
    return database_.run([blocks](pqxx::work& w) {
        std::vector<std::int64_t> first;
        one_allocates(w);
        for (const auto& row : w.exec_prepared("new_run_ids", blocks)) first.push_back(row[0].as<std::int64_t>());
        cover_run_id(w, first.back() + run_id_block - 1);
        return first;
    });
}

constexpr const char* newest_run_ids = "select last_value from millrace.run_id where is_called";

boost::asio::awaitable<std::int64_t> Store::newest_run_ids() {
    return database_.read([](pqxx::nontransaction& w) {
        const auto rows = w.exec_prepared("newest_run_ids");
        return rows.empty() ? std::int64_t{0} : rows[0][0].as<std::int64_t>();
    });
}

/// A node that starts has to write its row before it takes ids: it is seen here, or waits.
constexpr const char* one_gives_back = "lock table millrace.node in share row exclusive mode";
constexpr const char* another_node = "select exists (select from millrace.node where epoch <> $1::uuid)";
constexpr const char* take_back_run_ids = R"sql(
    select setval('millrace.run_id', max(id) + 1, false) from millrace.run
     where id >= $2 and not exists (select from millrace.node where epoch <> $1::uuid) having max(id) is not null)sql";

boost::asio::awaitable<void> Store::take_back_run_ids(std::string epoch) {
    return database_.run([epoch, from = database_.live_from()](pqxx::work& w) {
        if (w.exec_prepared1("another_node", epoch)[0].as<bool>()) return; // which may hold the table for a while
        w.exec_prepared0("one_gives_back");
        (void)w.exec_prepared("take_back_run_ids", epoch, from);
    });
}

constexpr const char* give_back_run_ids = R"sql(
    select setval('millrace.run_id', $1, false) from millrace.run_id
     where last_value = $2 and not exists (select from millrace.node where epoch <> $3::uuid and lease_until > clock_timestamp()))sql";

boost::asio::awaitable<void> Store::give_back_run_ids(std::string epoch, std::int64_t first, std::int64_t newest_block) {
    return database_.run([=](pqxx::work& w) {
        w.exec_prepared0("one_gives_back");
        (void)w.exec_prepared("give_back_run_ids", first, newest_block, epoch);
    });
}

// Those that nobody came back for, or whose run has ended, go with the next one.
constexpr const char* drop_old_requests = "delete from millrace.request where asked_at < $1::timestamptz - interval '1 hour'";
constexpr const char* put_request = R"sql(
    insert into millrace.request (run_id, what, task, comment, by, asked_at) values ($1, $2, $3, $4, $5, $6) returning id)sql";

boost::asio::awaitable<std::int64_t> Store::put_request(RunRequest request, Instant now) {
    return database_.run([request, now](pqxx::work& w) {
        w.exec_prepared("drop_old_requests", timestamp_text(now));
        return w
            .exec_prepared1("put_request", request.run_id, request.what, fit_text(request.task), fit_text(request.comment),
                            fit_text(request.by), timestamp_text(now))[0]
            .as<std::int64_t>();
    });
}

constexpr const char* requests_to = R"sql(
    select q.id, q.run_id, q.what, q.task, q.comment, q.by from millrace.request q join millrace.run r on r.id = q.run_id
     where q.answered_at is null and r.epoch = $1::uuid and r.finished_at is null and r.id >= $2 order by q.id)sql";

boost::asio::awaitable<std::vector<std::pair<std::int64_t, RunRequest>>> Store::requests_to(std::string epoch) {
    return database_.read([epoch, from = database_.live_from()](pqxx::nontransaction& w) {
        std::vector<std::pair<std::int64_t, RunRequest>> out;
        for (const auto& row : w.exec_prepared("requests_to", epoch, from))
            out.emplace_back(row[0].as<std::int64_t>(),
                             RunRequest{row[1].as<std::int64_t>(), row[2].c_str(), row[3].c_str(), row[4].c_str(), row[5].c_str()});
        return out;
    });
}

constexpr const char* answer_request = R"sql(
    update millrace.request set answered_at = clock_timestamp(), refusal = $2, remedy = $3 where id = $1)sql";

boost::asio::awaitable<void> Store::answer_request(std::int64_t id, Answer answer) {
    return database_.run([id, answer](pqxx::work& w) { w.exec_prepared("answer_request", id, answer.refusal, answer.remedy); });
}

constexpr const char* answer_to = "delete from millrace.request where id = $1 and answered_at is not null returning refusal, remedy";

boost::asio::awaitable<std::optional<Store::Answer>> Store::answer_to(std::int64_t id) {
    return database_.run([id](pqxx::work& w) -> std::optional<Answer> {
        const auto rows = w.exec_prepared("answer_to", id);
        if (rows.empty()) return std::nullopt;
        return Answer{rows[0][0].c_str(), rows[0][1].c_str()};
    });
}

static const std::string run_sql = columns(run_columns, " from millrace.run where id = $1");

boost::asio::awaitable<std::optional<RunRow>> Store::run(std::int64_t id) {
    return database_.read([id](pqxx::nontransaction& w) -> std::optional<RunRow> {
        const auto rows = w.exec_prepared("run", id);
        if (rows.empty()) return std::nullopt;
        return run_from(rows[0]);
    });
}

static const std::string runs_by_id_sql = columns(run_columns, " from millrace.run where id = any($1::bigint[]) order by id");

boost::asio::awaitable<std::vector<RunRow>> Store::runs_by_id(std::vector<std::int64_t> ids) {
    ArrayText wanted;
    for (const auto id : ids) wanted.add(id);
    return database_.read([wanted = wanted.take()](pqxx::nontransaction& w) {
        std::vector<RunRow> out;
        for (const auto& row : w.exec_prepared("runs_by_id", wanted)) out.push_back(run_from(row));
        return out;
    });
}

static const std::string run_by_idempotency_key_sql =
    columns(run_columns, " from millrace.run where id = (select run_id from millrace.idempotency where flow = $1 and key = $2)");

boost::asio::awaitable<std::optional<RunRow>> Store::run_by_idempotency_key(std::string flow, std::string key) {
    return database_.read([flow, key](pqxx::nontransaction& w) -> std::optional<RunRow> {
        const auto rows = w.exec_prepared("run_by_idempotency_key", flow, fit_text(key));
        if (rows.empty()) return std::nullopt;
        return run_from(rows[0]);
    });
}

static const std::string chunks_sql = columns(run_columns, " from millrace.run where parent_id = $1 and id > $1 order by id");

boost::asio::awaitable<std::vector<RunRow>> Store::chunks(std::int64_t parent) {
    return database_.read([parent](pqxx::nontransaction& w) {
        std::vector<RunRow> out;
        for (const auto& row : w.exec_prepared("chunks", parent)) out.push_back(run_from(row));
        return out;
    });
}

static const std::string live_backfills_sql = columns(
    run_columns,
    " from millrace.run where flow = $1 and finished_at is null and id >= $2 and parent_id is null and options ? 'backfill' order by id");

boost::asio::awaitable<std::vector<RunRow>> Store::live_backfills(std::string flow) {
    return database_.read([flow, from = database_.live_from()](pqxx::nontransaction& w) {
        std::vector<RunRow> out;
        for (const auto& row : w.exec_prepared("live_backfills", flow, from)) out.push_back(run_from(row));
        return out;
    });
}

static const std::string completed_within_sql = columns(
    run_columns, " from millrace.run where flow = $1 and state = 'completed' and interval_start >= $2 and interval_end <= $3 order by id");

boost::asio::awaitable<std::vector<RunRow>> Store::completed_within(std::string flow, Instant start, Instant end) {
    return database_.read([flow, start, end](pqxx::nontransaction& w) {
        std::vector<RunRow> out;
        for (const auto& row : w.exec_prepared("completed_within", flow, timestamp_text(start), timestamp_text(end)))
            out.push_back(run_from(row));
        return out;
    });
}

boost::asio::awaitable<std::set<std::string>> Store::missing_files(std::vector<std::string> paths) {
    return database_.on_pool([paths = std::move(paths)] {
        std::set<std::string> missing;
        std::error_code failure;
        for (const auto& path : paths)
            if (!std::filesystem::exists(path, failure) && !failure) missing.insert(path);
        return missing;
    });
}

boost::asio::awaitable<std::vector<StoredTaskRun>> Store::task_runs(std::int64_t run_id) {
    return database_.read([run_id](pqxx::nontransaction& w) {
        std::vector<StoredTaskRun> out;
        for (const auto& row : w.exec_prepared("task_runs", run_id)) out.push_back(task_run_from(row));
        return out;
    });
}

// ---- flows ----------------------------------------------------------------------------------------------------------

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
    select coalesce(string_agg(name || ' ' || plan_hash || ' ' || archived::int || paused::int || ' ' || coalesce(h.schedules, 0), ','
                               order by name collate "C"), '')
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

constexpr const char* set_next = "update millrace.schedule set next_at = $3, next_local = $4 where flow = $1 and number = $2";

boost::asio::awaitable<void> Store::set_next(std::vector<StoredSchedule> schedules) {
    return database_.run([schedules = std::move(schedules)](pqxx::work& w) {
        for (const auto& s : schedules) w.exec_prepared("set_next", s.flow, s.number, when(s.next_at), s.next_local);
    });
}

constexpr const char* bring_back = R"sql(
    update millrace.schedule set next_at = $3, next_local = $4
     where flow = $1 and number = $2 and coalesce(next_at > $3::timestamptz, true))sql";

boost::asio::awaitable<void> Store::bring_back(std::vector<StoredSchedule> schedules) {
    return database_.run([schedules = std::move(schedules)](pqxx::work& w) {
        for (const auto& s : schedules) w.exec_prepared("bring_back", s.flow, s.number, when(s.next_at), s.next_local);
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

const std::vector<Statement>& store_statements() {
    static const std::vector<Statement> others{
        {"take_node", take_node},
        {"void_dead_nodes", void_dead_nodes},
        {"one_adopts", one_adopts},
        {"adopt", adopt},
        {"live_run_ids", live_run_ids},
        {"live_runs", live_runs_sql.c_str()},
        {"task_runs", task_runs_sql.c_str()},
        {"task_runs_of", task_runs_of_sql.c_str()},
        {"warnings_of", warnings_of},
        {"tell", tell},
        {"leave", leave},
        {"new_run_ids", new_run_ids},
        {"newest_run_ids", newest_run_ids},
        {"one_gives_back", one_gives_back},
        {"another_node", another_node},
        {"take_back_run_ids", take_back_run_ids},
        {"give_back_run_ids", give_back_run_ids},
        {"drop_old_requests", drop_old_requests},
        {"put_request", put_request},
        {"requests_to", requests_to},
        {"answer_request", answer_request},
        {"answer_to", answer_to},
        {"run", run_sql.c_str()},
        {"runs_by_id", runs_by_id_sql.c_str()},
        {"run_by_idempotency_key", run_by_idempotency_key_sql.c_str()},
        {"chunks", chunks_sql.c_str()},
        {"live_backfills", live_backfills_sql.c_str()},
        {"completed_within", completed_within_sql.c_str()},
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
        {"living_nodes", living_nodes},
        {"note_clock", note_clock},
        {"clocks", millrace::clocks},
    };
    static const auto all = [] {
        auto both = others;
        both.insert(both.end(), slot_statements().begin(), slot_statements().end());
        both.insert(both.end(), breach_statements().begin(), breach_statements().end());
        both.insert(both.end(), credential_statements().begin(), credential_statements().end());
        both.insert(both.end(), period_statements().begin(), period_statements().end());
        return both;
    }();
    return all;
}

} // namespace millrace
