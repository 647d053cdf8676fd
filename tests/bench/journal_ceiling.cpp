#include "journal_ceiling.hpp"

#include <pqxx/pqxx>

#include <algorithm>
#include <chrono>
#include <vector>

namespace millrace::bench {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr const char* fence = "update millrace.node set journal_seq = journal_seq + 1 where id = 'ceiling'";

constexpr const char* insert_pending = R"sql(
    insert into millrace.task_run (run_id, task, item, attempts, charged, state, state_name)
    select -1, 0, item, 0, 0, 'pending', 'Pending' from unnest($1::int[]) as item)sql";

// `offset 0`: with a constant run id the planner, without statistics of that run, reads all of its rows for each row of the batch.
constexpr const char* update_completed = R"sql(
    update millrace.task_run t
       set attempts = 1, state = 'completed', state_name = 'Completed', started_at = u.started_at, finished_at = u.finished_at
      from (select -1::bigint as run_id, 0 as task, * from unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) as a(item, started_at, finished_at)
            offset 0) as u
     where t.run_id = u.run_id and t.task = u.task and t.item = u.item)sql";

constexpr const char* insert_completed = R"sql(
    insert into millrace.task_run (run_id, task, item, attempts, charged, state, state_name, started_at, finished_at)
    select -1, 1, item, 1, 0, 'completed', 'Completed', started_at, finished_at
      from unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) as a(item, started_at, finished_at))sql";

std::string repeated(const std::string& value, int n) {
    std::string out = "{";
    for (int i = 0; i < n; ++i) out.append(i ? "," : "").append(value);
    return out + "}";
}

std::string numbers(int from, int n) {
    std::string out = "{";
    for (int i = 0; i < n; ++i) out.append(i ? "," : "").append(std::to_string(from + i));
    return out + "}";
}

double median_commit_ms(pqxx::connection& connection) {
    std::vector<double> took;
    for (int i = 0; i < 200; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        pqxx::nontransaction work(connection);
        work.exec(fence);
        took.push_back(Seconds(std::chrono::steady_clock::now() - begin).count() * 1000);
    }
    std::nth_element(took.begin(), took.begin() + 100, took.end());
    return took[100];
}

} // namespace

Ceiling journal_ceiling(const std::string& url, int task_runs, int batch) {
    pqxx::connection connection(url);
    for (const char* join : {"hashjoin", "mergejoin", "seqscan"}) { // without statistics the planner may read the whole table per batch
        pqxx::nontransaction work(connection);
        work.exec(std::string("set enable_") + join + " = off");
    }
    connection.prepare("insert_pending", insert_pending);
    connection.prepare("update_completed", update_completed);
    connection.prepare("insert_completed", insert_completed);
    {
        pqxx::work work(connection);
        work.exec("delete from millrace.task_run where run_id = -1");
        work.exec("insert into millrace.node (id, epoch, lease_until, started_at, version, pid)"
                  " values ('ceiling', gen_random_uuid(), now(), now(), '', 0) on conflict do nothing");
        work.commit();
    }
    Ceiling result;
    result.commit_ms = median_commit_ms(connection);

    auto begin = std::chrono::steady_clock::now();
    const auto batches = [&](auto&& statement) {
        for (int from = 0; from < task_runs; from += batch) {
            const int n = std::min(batch, task_runs - from);
            pqxx::work work(connection);
            work.exec(fence);
            statement(work, from, n);
            work.commit();
        }
    };
    batches([](pqxx::work& work, int from, int n) { work.exec_prepared("insert_pending", numbers(from, n)); });
    const auto with_times = [](const char* statement) {
        return [statement](pqxx::work& work, int from, int n) {
            work.exec_prepared(statement, numbers(from, n), repeated("\"2026-11-20T06:00:00.000001Z\"", n),
                               repeated("\"2026-11-20T06:00:00.000002Z\"", n));
        };
    };
    batches(with_times("update_completed"));
    result.task_runs_per_second = task_runs / Seconds(std::chrono::steady_clock::now() - begin).count();

    begin = std::chrono::steady_clock::now();
    batches(with_times("insert_completed"));
    result.inserted_once_per_second = task_runs / Seconds(std::chrono::steady_clock::now() - begin).count();

    pqxx::work work(connection);
    work.exec("delete from millrace.task_run where run_id = -1");
    work.exec("delete from millrace.node where id = 'ceiling'");
    work.commit();
    return result;
}

} // namespace millrace::bench
