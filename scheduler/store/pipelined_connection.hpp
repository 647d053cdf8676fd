/// A connection that sends a list of statements and waits once for all their answers: libpq's pipeline mode, which libpqxx 6
/// does not offer. https://www.postgresql.org/docs/15/libpq-pipeline-mode.html
#pragma once

#include "scheduler/store/database.hpp"

#include <libpq-fe.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

struct StatementCall {
    const char* name;                                        ///< of one of the connection's statements
    std::vector<std::optional<std::string>> parameters = {}; ///< nothing: NULL
    bool binary = false;                                     ///< all of them are in PostgreSQL's binary format; else they are text
    std::string part = {};                                   ///< takes the place of `@` behind an underscore in its SQL
};

using PgResult = std::unique_ptr<PGresult, decltype(&PQclear)>;

/// For one thread.
class PipelinedConnection {
public:
    /// With UTC and our application name; `settings` is SQL to run first. Throws pqxx::broken_connection.
    PipelinedConnection(const std::string& url, const std::vector<Statement>& statements, const std::string& settings, CallWatch& watch);

    /// Runs `calls` in order up to the first that fails. Only a call that commits ends a transaction that one has begun. Throws
    /// - pqxx::sql_error after a rollback; its query() is the name of the call that failed;
    /// - pqxx::broken_connection: what was sent may have happened or not, and the connection is of no more use.
    std::vector<PgResult> run(std::span<const StatementCall> calls);

private:
    void send(const StatementCall& call, const std::string& name);
    PgResult receive(const char* name, std::optional<pqxx::sql_error>& failure);
    void roll_back();
    [[noreturn]] void broken() const;

    std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
    std::map<std::string_view, const char*> statements_; ///< SQL by name
    std::set<std::string> at_server_;                    ///< names, each with its part: it hears of a statement at its first use
    CallWatch& watch_;
};

} // namespace millrace
