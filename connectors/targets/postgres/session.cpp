#include "connectors/targets/postgres/session.hpp"

#include "connectors/one_line.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <poll.h>
#include <thread>

namespace millrace::postgres {
namespace {

struct Meaning {
    const char* sqlstate; ///< a class of two characters or a whole code
    ErrorClass error_class;
    const char* remedy;
};

/// The first that fits.
constexpr Meaning meanings[] = {
    {"40001", ErrorClass::Transient, "it met another transaction: run again"},
    {"40P01", ErrorClass::Transient, "it met another transaction: run again"},
    {"55P03", ErrorClass::Transient, "somebody else holds a lock on it: pg_blocking_pids() of the waiting session names him"},
    {"57014", ErrorClass::Timeout, "the server's statement_timeout for the connection's user is too short, or somebody cancelled it"},
    {"57P", ErrorClass::Transient, "run again when the server is back"},
    {"08", ErrorClass::Transient, "run again when the server is back"},
    {"53100", ErrorClass::Resource, "the database server's disk is full"},
    {"53200", ErrorClass::Resource, "the database server is out of memory"},
    {"53", ErrorClass::Transient, "the database server has no room: run again later"},
    {"58", ErrorClass::Transient, "the database server is in trouble: its log says more"},
    {"25P03", ErrorClass::Transient, "the transaction stood still for half an hour: the host was suspended, or its disk is far too slow"},
    {"25006", ErrorClass::Transient, "the server is read-only, as a standby is: check which server the connection names"},
    {"28", ErrorClass::Auth, "check user and password of the connection"},
    {"42501", ErrorClass::Auth, "grant the connection's user that right"},
    {"P0001", ErrorClass::BadData, "a trigger of the table says so: correct the rows in a transform, or the trigger"},
    {"22", ErrorClass::BadData, "correct the values in a transform, or change the table"},
    {"23", ErrorClass::BadData, "correct the rows in a transform, or change the table's constraint"},
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

// What the server or libpq says, by whole phrases: an SQLSTATE does not come with a connection that failed. A server that speaks
// another language is taken for one that cannot be reached, and asked again.
constexpr const char* temporary[] = {"too many connections for",
                                     "too many clients already",
                                     "remaining connection slots are reserved",
                                     "is starting up",
                                     "is shutting down",
                                     "in recovery mode",
                                     "not yet accepting connections",
                                     "is not currently accepting connections"};
constexpr const char* refused[] = {"authentication failed", "no password supplied", "pg_hba.conf", "is not permitted to log in",
                                   "permission denied for database"};
constexpr const char* unusable[] = {"invalid sslmode value", "invalid integer value", "invalid port number", "invalid connection option"};

[[noreturn]] void fail_to_connect(PGconn* connection, const std::string& who) {
    const std::string text = first_line(PQerrorMessage(connection));
    const auto says = [&](const char* phrase) { return text.find(phrase) != std::string::npos; };
    const auto says_any = [&](const auto& phrases) { return std::any_of(std::begin(phrases), std::end(phrases), says); };
    const bool missing = says("does not exist");
    if (!says_any(temporary)) {
        if (says_any(refused) || (missing && says("role \"")))
            throw Error(ErrorClass::Auth, who + " refuses the connection: " + text, "check user and password of the connection");
        if (says_any(unusable) || (missing && says("database \"")))
            throw Error(ErrorClass::Permanent, who + " cannot be used: " + text, "check the connection's `url`");
    }
    throw Error(ErrorClass::Transient, who + " cannot be reached: " + text, "check the connection's `url`, and that the server runs");
}

/// The parts of a URL, and what it does not say itself.
class Conninfo {
public:
    /// A mark of URLs inside the password moves its rest into another part, which libpq would print: such a URL is refused unseen.
    Conninfo(const std::string& url, const std::string& who) {
        const auto malformed = [&](const std::string& what) {
            throw Error(ErrorClass::Permanent, who + " cannot be used: " + what,
                        "write special characters of user and password in their percent form: @ is %40, : is %3A, / is %2F, % is %25");
        };
        options_.reset(PQconninfoParse(url.c_str(), nullptr));
        if (!options_) malformed("its `url` cannot be read");
        for (const PQconninfoOption* o = options_.get(); o->keyword != nullptr; ++o) {
            if (o->val == nullptr) continue;
            const std::string_view key = o->keyword, value = o->val;
            if ((key == "host" || key == "dbname") && value.find('@') != value.npos)
                malformed("its `url` has an @ in the name of the " + std::string(key == "host" ? "host" : "database"));
            if (key == "port" && value.find_first_not_of("0123456789,") != value.npos) malformed("its `url` has a port that is no number");
            add(o->keyword, o->val);
        }
        add("connect_timeout", "10"); // seconds, of each address
        add("keepalives_idle", "30");
        add("keepalives_interval", "10");
        add("keepalives_count", "3");
        add("tcp_user_timeout", "300000"); // milliseconds; also the longest that a COPY may be held up by a lock of somebody else
        keywords_.push_back(nullptr);
        values_.push_back(nullptr);
    }
    [[nodiscard]] PGconn* connect() const { return PQconnectdbParams(keywords_.data(), values_.data(), 0); }

private:
    /// Nothing that is there already.
    void add(const char* keyword, const char* value) {
        if (std::any_of(keywords_.begin(), keywords_.end(), [&](const char* k) { return std::string_view(k) == keyword; })) return;
        keywords_.push_back(keyword);
        values_.push_back(value);
    }

    std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options_{nullptr, PQconninfoFree};
    std::vector<const char*> keywords_, values_;
};

} // namespace

Session::Session(const std::string& url, const std::string& name) : connection_(nullptr, PQfinish) {
    const std::string who = name.empty() ? "PostgreSQL" : "connection " + name + ": PostgreSQL";
    connection_.reset(Conninfo(plain_url(url), who).connect());
    if (PQstatus(connection_.get()) != CONNECTION_OK) fail_to_connect(connection_.get(), who);
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
    cancel_.reset(PQgetCancel(connection_.get()), PQfreeCancel);
    // The server gives up a host that is gone: else its transaction would hold the table's lock for hours.
    run("SET application_name = 'millrace'; SET TimeZone = 'UTC'; SET client_encoding = 'UTF8'; SET statement_timeout = 0; SET "
        "idle_in_transaction_session_timeout = '30min'; "
        "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3");
    try {
        run("SET client_connection_check_interval = '10s'");
    } catch (const SqlError&) {
        // before PostgreSQL 14, and on systems that cannot tell: a running statement then ends before its host is missed
    }
}

void Session::fail(const PGresult* result) const {
    const char* field = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string state = field == nullptr ? "08006" : field;
    const auto text_of = [&](int which) {
        const char* text = result == nullptr ? nullptr : PQresultErrorField(result, which);
        return std::string(text == nullptr ? "" : text);
    };
    std::string message = text_of(PG_DIAG_MESSAGE_PRIMARY);
    if (message.empty()) message = one_line(first_line(PQerrorMessage(connection_.get())), 500);
    const std::string detail = text_of(PG_DIAG_MESSAGE_DETAIL), hint = text_of(PG_DIAG_MESSAGE_HINT), where = text_of(PG_DIAG_CONTEXT);
    if (!detail.empty())
        message += " (" + detail + ")";
    else if (where.starts_with("COPY"))
        message += " (" + where + ")";
    const auto meaning =
        std::find_if(std::begin(meanings), std::end(meanings), [&](const Meaning& m) { return state.starts_with(m.sqlstate); });
    const bool known = meaning != std::end(meanings);
    const std::string remedy = known && *meaning->remedy != '\0' ? meaning->remedy
                               : known || !hint.empty()          ? hint
                                                                 : "the server's log says more";
    SqlError error(known ? meaning->error_class : ErrorClass::Permanent, "PostgreSQL: " + message, remedy);
    error.sqlstate = state;
    error.detail = detail;
    error.constraint = text_of(PG_DIAG_CONSTRAINT_NAME);
    error.column = text_of(PG_DIAG_COLUMN_NAME);
    error.position = std::atoi(text_of(PG_DIAG_STATEMENT_POSITION).c_str());
    throw error;
}

void Session::expect(PGresult* result, ExecStatusType status) {
    if (PQresultStatus(result) == status) return;
    const Rows keep(result);
    fail(result);
}

/// Until libpq has a result, or knows that none will come.
void Session::wait_for_result() {
    constexpr int at_first = 1000, then = 5000; // milliseconds
    for (int patience = at_first; tell_ && PQisBusy(connection_.get()) != 0;) {
        pollfd socket{PQsocket(connection_.get()), POLLIN, 0};
        const int ready = ::poll(&socket, 1, patience);
        if (ready > 0 && PQconsumeInput(connection_.get()) == 0) return;
        if (ready != 0) continue;
        tell_();
        patience = then;
    }
}

/// Of the statements that were sent, as PQexec gives it: after a mistake no other follows, and a COPY goes on with its rows.
PGresult* Session::last_result() {
    PGresult* last = nullptr;
    for (;;) {
        wait_for_result();
        PGresult* next = PQgetResult(connection_.get());
        if (next == nullptr) return last;
        PQclear(last);
        last = next;
        const ExecStatusType status = PQresultStatus(last);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || PQstatus(connection_.get()) == CONNECTION_BAD) return last;
    }
}

Rows Session::run(const std::string& sql, const Params& params) {
    std::vector<const char*> values;
    for (const auto& p : params) values.push_back(p ? p->c_str() : nullptr);
    const int count = static_cast<int>(values.size());
    const int sent = params.empty() ? PQsendQuery(connection_.get(), sql.c_str()) // which takes several statements
                                    : PQsendQueryParams(connection_.get(), sql.c_str(), count, nullptr, values.data(), nullptr, nullptr, 0);
    PGresult* result = sent == 1 ? last_result() : nullptr;
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        const Rows keep(result);
        fail(result);
    }
    return Rows(result);
}

void Session::commit() {
    const std::string tag = run("COMMIT").tag();
    if (tag == "COMMIT") return;
    throw Error(ErrorClass::Permanent, "PostgreSQL: the transaction was not committed, the server answered " + tag,
                "one of its statements failed before: the server's log says which");
}

void Session::copy_in(const std::string& sql) {
    PGresult* result = PQsendQuery(connection_.get(), sql.c_str()) == 1 ? last_result() : nullptr;
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
    PGresult* result = last_result();
    expect(result, PGRES_COMMAND_OK);
    return Rows(result).changed();
}

void Session::copy_out(const std::string& sql, const std::function<void(std::string_view)>& row) {
    PGresult* result = PQsendQuery(connection_.get(), sql.c_str()) == 1 ? last_result() : nullptr;
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

void Session::cancel() const {
    // Over a connection of its own, which a dead link can hold up for minutes.
    std::thread([cancel = cancel_] {
        std::array<char, 256> ignored{};
        if (cancel) PQcancel(cancel.get(), ignored.data(), static_cast<int>(ignored.size()));
    }).detach();
}

std::string array_literal(const std::vector<std::string>& items) {
    std::string out = "{";
    for (const std::string& item : items) {
        out += out.size() > 1 ? ",\"" : "\"";
        for (const char ch : item) out += ch == '"' || ch == '\\' ? std::string{'\\', ch} : std::string{ch};
        out += '"';
    }
    return out + "}";
}

} // namespace millrace::postgres
