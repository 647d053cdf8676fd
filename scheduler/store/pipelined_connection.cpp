#include "scheduler/store/pipelined_connection.hpp"

namespace millrace {
namespace {

std::string sql_of(std::string sql, const std::string& part) {
    if (const auto at = sql.find("_@"); at != std::string::npos) sql.replace(at + 1, 1, part);
    return sql;
}

} // namespace

PipelinedConnection::PipelinedConnection(const std::string& url, const std::vector<Statement>& statements, const std::string& settings,
                                         CallWatch& watch)
    : connection_(PQconnectdb(with_timeout(url).c_str()), &PQfinish), watch_(watch) {
    if (PQstatus(connection_.get()) != CONNECTION_OK) broken();
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
    const CallWatch::Call watched(watch_, PQsocket(connection_.get()));
    const PgResult done(PQexec(connection_.get(), (session_settings + ("; " + settings)).c_str()), &PQclear);
    if (PQresultStatus(done.get()) != PGRES_COMMAND_OK || !PQenterPipelineMode(connection_.get())) broken();
    for (const auto& [name, sql] : statements) statements_.emplace(name, sql);
    statements_.emplace("rollback", "rollback");
}

std::vector<PgResult> PipelinedConnection::run(std::span<const StatementCall> calls) {
    const CallWatch::Call watched(watch_, PQsocket(connection_.get()));
    std::vector<std::string> fresh; // empty: it knows the statement
    for (const auto& call : calls) {
        const std::string name = call.name + call.part;
        const bool is_fresh = at_server_.insert(name).second;
        fresh.push_back(is_fresh ? name : "");
        if (is_fresh && !PQsendPrepare(connection_.get(), name.c_str(), sql_of(statements_.at(call.name), call.part).c_str(), 0, nullptr))
            broken();
        send(call, name);
    }
    if (!PQpipelineSync(connection_.get())) broken();
    std::vector<PgResult> results;
    std::optional<pqxx::sql_error> failure;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        if (!fresh[i].empty() && PQresultStatus(receive(calls[i].name, failure).get()) != PGRES_COMMAND_OK) at_server_.erase(fresh[i]);
        results.push_back(receive(calls[i].name, failure));
    }
    const PgResult end(PQgetResult(connection_.get()), &PQclear);
    if (PQresultStatus(end.get()) != PGRES_PIPELINE_SYNC) broken();
    if (!failure) return results;
    roll_back();
    throw *failure;
}

void PipelinedConnection::send(const StatementCall& call, const std::string& name) {
    std::vector<const char*> values;
    std::vector<int> lengths;
    for (const auto& p : call.parameters) {
        values.push_back(p ? p->c_str() : nullptr);
        lengths.push_back(p ? static_cast<int>(p->size()) : 0);
    }
    const std::vector<int> formats(values.size(), call.binary ? 1 : 0);
    if (!PQsendQueryPrepared(connection_.get(), name.c_str(), static_cast<int>(values.size()), values.data(), lengths.data(),
                             formats.data(), 0))
        broken();
}

/// The answer to one command. The first that is an error becomes `failure`; the server skips what comes after it.
PgResult PipelinedConnection::receive(const char* name, std::optional<pqxx::sql_error>& failure) {
    PgResult result(PQgetResult(connection_.get()), &PQclear);
    if (PQstatus(connection_.get()) != CONNECTION_OK || !result) broken();
    if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR && !failure) {
        const char* sqlstate = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
        failure.emplace(PQresultErrorMessage(result.get()), name, sqlstate ? sqlstate : "");
    }
    const PgResult no_more(PQgetResult(connection_.get()), &PQclear);
    if (no_more) broken();
    return result;
}

void PipelinedConnection::roll_back() {
    if (PQtransactionStatus(connection_.get()) == PQTRANS_IDLE) return;
    const StatementCall call{"rollback"};
    (void)run({&call, 1});
}

void PipelinedConnection::broken() const {
    const std::string message = PQerrorMessage(connection_.get());
    throw pqxx::broken_connection(message.empty() ? "the connection to the server was lost" : message);
}

} // namespace millrace
