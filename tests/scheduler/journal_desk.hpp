/// A store with one node and its journal, and a gate that makes what is submitted one commit.
#pragma once

#include "fresh_database.hpp"
#include "loop.hpp"
#include "scheduler/pg_journal.hpp"
#include "scheduler/pg_journal_statements.hpp"
#include "scheduler/store/migrate.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <optional>

namespace millrace::test {

using Ids = std::vector<std::int64_t>;

/// A store with one node, its journal, and what it answered.
struct Desk {
    explicit Desk(const std::string& wire = {}) {
        migrate(database.url());
        pqxx::connection connection(database.url());
        pqxx::nontransaction work(connection);
        work.exec("insert into millrace.plan values (repeat('a', 64), 'f', '{}', now())");
        NodeIdentity node;
        node.id = "n";
        node.epoch =
            work.exec1("insert into millrace.node values ('n', gen_random_uuid(), now(), 0, now(), '', 1) returning epoch")[0].c_str();
        auto is_over = [this](const std::optional<Return>& why) {
            ++ended;
            lost = why;
        };
        auto elsewhere = [this] { return committed_elsewhere.load(); };
        journal = std::make_unique<PgJournal>(io, wire.empty() ? database.url() : over(wire), node, elsewhere, is_over);
    }
    [[nodiscard]] std::string over(const std::string& folder) const {
        const auto host = database.url().find("host=") + 5;
        return database.url().substr(0, host) + folder;
    }

    /// A run that begins, with two mapped task runs.
    RunChanges new_run(std::int64_t id) {
        RunRow row;
        row.id = id;
        row.flow = "f";
        row.plan_hash = std::string(64, 'a');
        char uuid[40];
        std::snprintf(uuid, sizeof uuid, "00000000-0000-4000-8000-%012d", static_cast<int>(id));
        row.staging_id = uuid;
        row.run_key = "k" + std::to_string(id);
        row.trigger = "api";
        row.state = State::Running;
        row.created_at = now;
        auto changes = changes_of(id);
        changes.new_run = row;
        for (int item = 0; item < 2; ++item) changes.task_runs.push_back(task_run(item, true));
        return changes;
    }
    RunChanges bad_run(std::int64_t id) {
        auto changes = new_run(id);
        changes.new_run->staging_id = "no uuid";
        return changes;
    }
    RunChanges changes_of(std::int64_t id) {
        RunChanges changes;
        changes.run_id = id;
        changes.committed = [this, id] { committed.push_back(id); };
        changes.refused = [this, id](const std::string& sqlstate, const std::string&) {
            refused.push_back(id);
            sqlstates.push_back(sqlstate);
        };
        return changes;
    }
    TaskRunRow task_run(int item, bool is_new) const {
        TaskRunRow row;
        row.key = {0, item};
        row.is_new = is_new;
        if (is_new) row.value = R"({"client": )" + std::to_string(item) + "}";
        return row;
    }
    RunChanges finished(std::int64_t id) {
        auto changes = changes_of(id);
        for (int item = 0; item < 2; ++item) {
            auto row = task_run(item, false);
            row.state = State::Completed, row.state_name = "Completed", row.attempts = 1;
            row.started_at = row.finished_at = now;
            changes.task_runs.push_back(row);
        }
        return changes;
    }

    void until(const std::function<bool()>& condition) { run_until(io, condition); }
    void until_answered(std::size_t n) {
        until([&] { return committed.size() + refused.size() >= n; });
    }
    std::string asked(const std::string& sql) const { return millrace::test::asked(database.url(), sql); }
    Ids stored() const {
        pqxx::connection connection(database.url());
        pqxx::nontransaction look(connection);
        Ids ids;
        for (const auto& row : look.exec("select id from millrace.run order by id")) ids.push_back(row[0].as<std::int64_t>());
        return ids;
    }

    FreshDatabase database;
    boost::asio::io_context io;
    const Instant now{std::chrono::days(20000)};
    Ids committed, refused;
    std::vector<std::string> sqlstates;
    std::atomic<std::int64_t> committed_elsewhere = 0; ///< how far into the WAL
    int ended = 0;
    std::optional<Return> lost;         ///< with the end
    std::unique_ptr<PgJournal> journal; ///< ends first
};

/// While it is there the journal waits at its fence, and what is submitted goes into one commit.
class Gate {
public:
    explicit Gate(Desk& desk) : connection_(desk.database.url()), work_(connection_) {
        work_.exec("select from millrace.node for update");
        desk.journal->submit({}); // it waits for the row; what comes now gathers behind it
        desk.until([&] {
            return desk.asked("select count(*) from pg_stat_activity where datname = current_database() and application_name = 'millrace'"
                              " and wait_event_type = 'Lock'") == "1";
        });
    }

private:
    pqxx::connection connection_;
    pqxx::work work_;
};

} // namespace millrace::test
