#include "connectors/targets/postgres/postgres_target.hpp"

#include "connectors/targets/postgres/batch.hpp"
#include "connectors/targets/postgres/lock_watch.hpp"
#include "connectors/targets/postgres/question.hpp"
#include "connectors/targets/postgres/session.hpp"
#include "connectors/targets/postgres/table_load.hpp"
#include "flows/time.hpp"

#include <fmt/format.h>
#include <map>
#include <set>

namespace millrace::postgres {
namespace {

constexpr int oldest_version = 140000;
constexpr const char* lock_not_available = "55P03";
constexpr const char* scratch_schema = "millrace_scratch"; ///< where a run with a row limit loads

std::string older(const std::string& a, const std::string& b) {
    if (a.empty() || b.empty()) return a.empty() ? b : a;
    return parse_rfc3339(b) < parse_rfc3339(a) ? b : a;
}

/// As they are written, "demo.hours, demo.tags".
std::string tables_of(const LoadRequest& request) {
    std::string out;
    for (const LoadRequest::Table& table : request.tables) out += (out.empty() ? "" : ", ") + table.spec.table;
    return out;
}

class PostgresTarget : public Target {
public:
    PostgresTarget(std::string name, const Json& connection)
        : name_(std::move(name)), url_(connection.value("url", "")), schema_(connection.value("schema", "public")) {
        if (url_.empty())
            throw Error(ErrorClass::Permanent, "connection " + name_ + " has no `url`",
                        "give it one: postgresql://user:password@host/database");
    }

    std::vector<LoadCounts> load(const LoadRequest& request, const duckdb::Database& database, const LoadMonitor& monitor) override {
        Session session(url_, name_);
        if (session.version() < oldest_version)
            throw Error(ErrorClass::Permanent, "connection " + name_ + " is PostgreSQL " + std::to_string(session.version() / 10000) +
                                                   "; 14 is the oldest that is loaded into");
        const std::shared_ptr<void> stop = monitor.on_cancel ? monitor.on_cancel([&session] { session.cancel(); }) : nullptr;
        const LockWatch watch(session, url_, tables_of(request), monitor);
        try {
            // So that whoever waits for it, here or in another program, sees what it is.
            session.run("SELECT set_config('application_name', $1, false)",
                        {fmt::format("millrace run {} of {}", request.context.run_id, request.context.flow)});
            return load_once(session, request, database, monitor);
        } catch (const Error& e) {
            if (monitor.cancelled && monitor.cancelled()) throw Error(ErrorClass::Cancelled, "the attempt was cancelled");
            const auto* sql = dynamic_cast<const SqlError*>(&e);
            if (sql != nullptr && sql->sqlstate == lock_not_available) throw watch.explained(*sql);
            throw;
        }
    }

    Answer ask(const Question& question, const LoadMonitor& monitor) override {
        Session session(url_, name_);
        const std::shared_ptr<void> stop = monitor.on_cancel ? monitor.on_cancel([&session] { session.cancel(); }) : nullptr;
        try {
            return answer_of(session, question);
        } catch (const Error&) {
            if (monitor.cancelled && monitor.cancelled()) throw Error(ErrorClass::Cancelled, "the attempt was cancelled");
            throw;
        }
    }

    std::vector<CheckResult> check() override {
        std::vector<CheckResult> out;
        try {
            Session session(url_, name_);
            out.push_back({"connect", true, "PostgreSQL " + session.value("SHOW server_version")});
            const bool recent = session.version() >= oldest_version;
            out.push_back({"version", recent, recent ? "" : "14 is the oldest that is loaded into"});
            const Rows rights = session.run("SELECT current_database(), current_user, has_database_privilege(current_database(), "
                                            "'CREATE'), has_database_privilege(current_database(), 'TEMPORARY')");
            const std::string who = rights.text(0, 1) + " in database " + rights.text(0, 0);
            out.push_back({"create schemas", rights.boolean(0, 2),
                           rights.boolean(0, 2) ? "" : "grant CREATE on the database to " + who + ", or create the schemas beforehand"});
            out.push_back(
                {"temporary tables", rights.boolean(0, 3), rights.boolean(0, 3) ? "" : "grant TEMPORARY on the database to " + who});
            const bool writable = session.value("SHOW transaction_read_only") == "off";
            out.push_back({"writable", writable, writable ? "" : "the server is read-only: does the connection name a standby?"});
        } catch (const Error& e) {
            out.push_back({"connect", false, std::string(e.what()) + (e.remedy.empty() ? "" : ": " + e.remedy)});
        }
        return out;
    }

private:
    std::vector<LoadCounts> load_once(Session& session, const LoadRequest& request, const duckdb::Database& database,
                                      const LoadMonitor& monitor) const {
        const std::string schema = request.context.limit_rows ? scratch_schema : schema_;
        std::set<std::string> tables;
        std::map<std::string, Ledger> ledgers; // by schema, so that all loads enter them in one order
        std::string extracted_at;
        for (const LoadRequest::Table& table : request.tables) {
            TableName name = parse_table_name(table.spec.table, schema);
            if (request.context.limit_rows) name.schema = scratch_schema;
            if (!tables.insert(name.display()).second) throw Error(ErrorClass::Permanent, "the load names " + name.display() + " twice");
            ledgers.try_emplace(name.schema, session, request, name.schema).first->second.add(name.display(), table.spec);
            extracted_at = older(extracted_at, table.manifest.extracted_at);
        }
        const auto loaded_before = [&]() -> std::optional<std::vector<LoadCounts>> {
            for (auto& [_, ledger] : ledgers)
                if (auto loaded = ledger.find()) return loaded;
            return std::nullopt;
        };
        for (auto& [_, ledger] : ledgers) ledger.prepare();
        if (auto loaded = loaded_before()) return std::move(*loaded);
        session.run("BEGIN ISOLATION LEVEL READ COMMITTED"); // what is read after a wait must be what the other load left
        for (auto& [_, ledger] : ledgers) {
            if (ledger.claim(extracted_at)) continue;
            session.run("ROLLBACK");
            if (auto loaded = loaded_before()) return std::move(*loaded);
            throw Error(ErrorClass::Transient, "another attempt of this batch held the ledger and gave up");
        }
        for (auto& [_, ledger] : ledgers) ledger.enter(extracted_at);
        // Another load may take as long as it takes. A lock that somebody forgot must not hold up the run without a word.
        session.run("SELECT set_config('lock_timeout', '5min', true) WHERE current_setting('lock_timeout') = '0'");
        std::vector<LoadCounts> counts;
        for (const LoadRequest::Table& table : request.tables)
            counts.push_back(TableLoad(session, database, request, table, monitor, schema, static_cast<int>(counts.size())).run());
        for (auto& [_, ledger] : ledgers) ledger.record(extracted_at, counts);
        if (monitor.progress) monitor.progress("committing", 0, 0);
        session.commit();
        return counts;
    }

    std::string name_, url_, schema_;
};

} // namespace

std::unique_ptr<Target> open(const std::string& name, const Json& connection) { return std::make_unique<PostgresTarget>(name, connection); }

} // namespace millrace::postgres
