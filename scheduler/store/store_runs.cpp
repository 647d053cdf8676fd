// Runs in the store: their ids, and looking them up.
#include "scheduler/store/store.hpp"

#include "scheduler/store/array_text.hpp"
#include "scheduler/store/periods.hpp"
#include "scheduler/store/store_statements.hpp"

#include <filesystem>

namespace millrace {

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
    run_columns, " from millrace.run where flow = $1 and finished_at is null and id >= $2 and parent_id is null and options ? 'backfill' "
                 "and not options ? 'limit_rows' order by id");

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

static const std::string task_runs_sql = columns(task_run_columns, " from millrace.task_run where run_id = $1 order by task, item");

boost::asio::awaitable<std::vector<StoredTaskRun>> Store::task_runs(std::int64_t run_id) {
    return database_.read([run_id](pqxx::nontransaction& w) {
        std::vector<StoredTaskRun> out;
        for (const auto& row : w.exec_prepared("task_runs", run_id)) out.push_back(task_run_from(row));
        return out;
    });
}

const std::vector<Statement>& store_run_statements() {
    static const std::vector<Statement> all{
        {"task_runs", task_runs_sql.c_str()},
        {"new_run_ids", new_run_ids},
        {"newest_run_ids", newest_run_ids},
        {"one_gives_back", one_gives_back},
        {"another_node", another_node},
        {"take_back_run_ids", take_back_run_ids},
        {"give_back_run_ids", give_back_run_ids},
        {"run", run_sql.c_str()},
        {"runs_by_id", runs_by_id_sql.c_str()},
        {"run_by_idempotency_key", run_by_idempotency_key_sql.c_str()},
        {"chunks", chunks_sql.c_str()},
        {"live_backfills", live_backfills_sql.c_str()},
        {"completed_within", completed_within_sql.c_str()},
    };
    return all;
}

} // namespace millrace
