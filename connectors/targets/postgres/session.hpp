/// A connection to PostgreSQL over libpq, with our error classes. Blocking, one thread; `cancel` is the exception.
#pragma once

#include "flows/error.hpp"

#include <libpq-fe.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::postgres {

/// What the server refused, by SQLSTATE.
class SqlError : public Error {
public:
    using Error::Error;
    std::string sqlstate;
    std::string detail;     ///< the server's DETAIL
    std::string constraint; ///< that was violated, by name
    std::string column;     ///< that it is about
    int position = 0;       ///< of the statement, in characters, 1-based; 0: unknown
};

class Rows {
public:
    explicit Rows(PGresult* result) : result_(result, PQclear) {}
    [[nodiscard]] int size() const { return PQntuples(result_.get()); }
    [[nodiscard]] bool empty() const { return size() == 0; }
    [[nodiscard]] bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
    [[nodiscard]] std::string text(int row, int column) const {
        return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
    }
    [[nodiscard]] std::int64_t integer(int row, int column) const { return std::stoll(text(row, column)); }
    [[nodiscard]] int columns() const { return PQnfields(result_.get()); }
    [[nodiscard]] Oid type(int column) const { return PQftype(result_.get(), column); }
    [[nodiscard]] bool boolean(int row, int column) const { return text(row, column) == "t"; }
    /// Rows that an INSERT, UPDATE, DELETE or COPY wrote.
    [[nodiscard]] std::int64_t changed() const {
        const std::string n = PQcmdTuples(result_.get());
        return n.empty() ? 0 : std::stoll(n);
    }

    /// What the server says that it did, "COMMIT".
    [[nodiscard]] std::string tag() const { return PQcmdStatus(result_.get()); }

private:
    std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

using Params = std::vector<std::optional<std::string>>; ///< as text; nullopt: NULL

class Session {
public:
    /// `name`: the connection's, for messages. A server that is not there is noticed in seconds, a link that died in minutes, on
    /// both sides. Throws Error: Auth for refused credentials, Permanent for a database that does not exist or a malformed URL,
    /// else Transient; its text never holds a part of the URL that may be the password.
    explicit Session(const std::string& url, const std::string& name = "");

    Rows run(const std::string& sql, const Params& params = {});
    /// Throws Error{Permanent} when the server rolls back instead, as it does without a word after a statement that failed.
    void commit();
    /// The only value of the only row.
    [[nodiscard]] std::string value(const std::string& sql, const Params& params = {}) { return run(sql, params).text(0, 0); }

    /// COPY ... FROM STDIN: `copy_in(sql)`, any number of `send`, `end_copy` (gives the rows).
    void copy_in(const std::string& sql);
    void send(std::string_view bytes);
    std::int64_t end_copy();
    /// COPY ... TO STDOUT: `row` gets the message of each row.
    void copy_out(const std::string& sql, const std::function<void(std::string_view)>& row);

    /// Asks the server to end the running statement with SQLSTATE 57014; waits for nothing. From any thread.
    void cancel() const;
    [[nodiscard]] int version() const { return PQserverVersion(connection_.get()); }
    [[nodiscard]] int backend() const { return PQbackendPID(connection_.get()); }

    /// `tell` is called, on the thread that waits, when a statement takes longer than a second, and every few seconds from then on.
    void while_waiting(std::function<void()> tell) { tell_ = std::move(tell); }

private:
    void wait_for_result();
    [[nodiscard]] PGresult* last_result();
    [[noreturn]] void fail(const PGresult* result) const;
    void expect(PGresult* result, ExecStatusType status);

    std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
    std::shared_ptr<PGcancel> cancel_; ///< shared with the threads that cancel
    std::function<void()> tell_;       ///< empty: nobody wants to know
};

/// As the value of a parameter of type text[]: {"a","b \"c\""}.
[[nodiscard]] std::string array_literal(const std::vector<std::string>& items);

} // namespace millrace::postgres
