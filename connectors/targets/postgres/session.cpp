#include "connectors/targets/postgres/session.hpp"

#include <array>
#include <cstdlib>

namespace millrace::postgres {
namespace {

struct Meaning {
    const char* sqlstate; ///< a class of two characters or a whole code
    ErrorClass error_class;
    const char* remedy;
};

/// The first that fits.
constexpr Meaning meanings[] = {
    {"40001", ErrorClass::Transient, ""},
    {"40P01", ErrorClass::Transient, ""},
    {"55P03", ErrorClass::Transient, ""},
    {"57014", ErrorClass::Timeout, ""},
    {"57P", ErrorClass::Transient, ""},
    {"08", ErrorClass::Transient, ""},
    {"53100", ErrorClass::Resource, "the database server's disk is full"},
    {"53200", ErrorClass::Resource, "the database server is out of memory"},
    {"53", ErrorClass::Transient, ""},
    {"58", ErrorClass::Transient, ""},
    {"25006", ErrorClass::Transient, "the server is read-only, as a standby is: check which server the connection names"},
    {"28", ErrorClass::Auth, "check user and password of the connection"},
    {"42501", ErrorClass::Auth, "grant the connection's user that right"},
    {"22", ErrorClass::BadData, ""},
    {"23", ErrorClass::BadData, ""},
};

std::string first_line(const char* text) {
    std::string out = text == nullptr ? "" : text;
    while (!out.empty() && out.back() == '\n') out.pop_back();
    const std::size_t prefix = out.find("FATAL:  ");
    return prefix == std::string::npos ? out : out.substr(prefix + 8);
}

/// `postgresql+psycopg2://` is SQLAlchemy's spelling of the same URL.
std::string plain_url(std::string url) {
    const std::size_t plus = url.find('+'), scheme = url.find("://");
    if (plus != std::string::npos && scheme != std::string::npos && plus < scheme) url.erase(plus, scheme - plus);
    return url;
}

[[noreturn]] void fail_to_connect(PGconn* connection) {
    const std::string text = first_line(PQerrorMessage(connection));
    const auto says = [&](const char* part) { return text.find(part) != std::string::npos; };
    if (says("password authentication failed") || says("no password supplied") || says("pg_hba.conf") || says("role \""))
        throw Error(ErrorClass::Auth, "PostgreSQL refuses the connection: " + text, "check user and password of the connection");
    if (says("database \"") || says("invalid") || says("missing \"="))
        throw Error(ErrorClass::Permanent, "PostgreSQL cannot be used: " + text, "check the connection's `url`");
    throw Error(ErrorClass::Transient, "PostgreSQL cannot be reached: " + text, "check the connection's `url`, and that the server runs");
}

} // namespace

Session::Session(const std::string& url) : connection_(PQconnectdb(plain_url(url).c_str()), PQfinish), cancel_(nullptr, PQfreeCancel) {
    if (PQstatus(connection_.get()) != CONNECTION_OK) fail_to_connect(connection_.get());
    PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
    cancel_.reset(PQgetCancel(connection_.get()));
    run("SET application_name = 'millrace'; SET TimeZone = 'UTC'; SET client_encoding = 'UTF8'; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0");
}

void Session::fail(const PGresult* result) const {
    const char* field = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string state = field == nullptr ? "08006" : field;
    const auto text_of = [&](int which) {
        const char* text = result == nullptr ? nullptr : PQresultErrorField(result, which);
        return std::string(text == nullptr ? "" : text);
    };
    std::string message = text_of(PG_DIAG_MESSAGE_PRIMARY);
    if (message.empty()) message = first_line(PQerrorMessage(connection_.get()));
    const std::string detail = text_of(PG_DIAG_MESSAGE_DETAIL), hint = text_of(PG_DIAG_MESSAGE_HINT), where = text_of(PG_DIAG_CONTEXT);
    if (!detail.empty()) message += " (" + detail + ")";
    else if (where.starts_with("COPY")) message += " (" + where + ")";
    for (const Meaning& m : meanings) {
        if (!state.starts_with(m.sqlstate)) continue;
        SqlError error(m.error_class, "PostgreSQL: " + message, *m.remedy == '\0' ? hint : m.remedy);
        error.sqlstate = state;
        error.detail = detail;
        throw error;
    }
    SqlError error(ErrorClass::Permanent, "PostgreSQL: " + message, hint);
    error.sqlstate = state;
    error.detail = detail;
    throw error;
}

void Session::expect(PGresult* result, ExecStatusType status) {
    if (PQresultStatus(result) == status) return;
    const Rows keep(result);
    fail(result);
}

Rows Session::run(const std::string& sql, const Params& params) {
    PGresult* result = nullptr;
    if (params.empty()) {
        result = PQexec(connection_.get(), sql.c_str());
    } else {
        std::vector<const char*> values;
        for (const auto& p : params) values.push_back(p ? p->c_str() : nullptr);
        result = PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr, nullptr, 0);
    }
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        const Rows keep(result);
        fail(result);
    }
    return Rows(result);
}

void Session::copy_in(const std::string& sql) {
    PGresult* result = PQexec(connection_.get(), sql.c_str());
    expect(result, PGRES_COPY_IN);
    PQclear(result);
}

void Session::send(std::string_view bytes) {
    if (PQputCopyData(connection_.get(), bytes.data(), static_cast<int>(bytes.size())) == 1) return;
    (void)end_copy(); // says why
    fail(nullptr);
}

std::int64_t Session::end_copy() {
    (void)PQputCopyEnd(connection_.get(), nullptr);
    PGresult* result = PQgetResult(connection_.get());
    while (PGresult* more = PQgetResult(connection_.get())) PQclear(more);
    expect(result, PGRES_COMMAND_OK);
    return Rows(result).changed();
}

void Session::copy_out(const std::string& sql, const std::function<void(std::string_view)>& row) {
    PGresult* result = PQexec(connection_.get(), sql.c_str());
    expect(result, PGRES_COPY_OUT);
    PQclear(result);
    char* buffer = nullptr;
    int length = 0;
    while ((length = PQgetCopyData(connection_.get(), &buffer, 0)) > 0) {
        const std::unique_ptr<char, decltype(&PQfreemem)> keep(buffer, [](void* p) { PQfreemem(p); });
        row({buffer, static_cast<std::size_t>(length)});
    }
    result = PQgetResult(connection_.get());
    while (PGresult* more = PQgetResult(connection_.get())) PQclear(more);
    expect(result, PGRES_COMMAND_OK);
    PQclear(result);
}

void Session::cancel() {
    std::array<char, 256> ignored{};
    if (cancel_) PQcancel(cancel_.get(), ignored.data(), static_cast<int>(ignored.size()));
}

} // namespace millrace::postgres
