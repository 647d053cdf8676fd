#include "scheduler/store/database.hpp"

#include "scheduler/one_line.hpp"

#include <thread>

namespace millrace {

/// Each call is planned for its values. A plan for all values would open every period (periods.hpp) at every call, where nearly all
/// calls are about one or two.
constexpr const char* planned_for_values = "set plan_cache_mode = force_custom_plan";

std::string with_timeout(const std::string& url) {
    if (url.find("connect_timeout") != std::string::npos) return url;
    const bool is_uri = url.starts_with("postgresql://") || url.starts_with("postgres://");
    return url + (!is_uri ? " " : url.find('?') == std::string::npos ? "?" : "&") + "connect_timeout=10"; // seconds, of each address
}

std::unique_ptr<pqxx::connection> connect_store(const std::string& url, const std::vector<Statement>& statements, CallWatch& watch) {
    auto connection = std::make_unique<pqxx::connection>(with_timeout(url));
    {
        const CallWatch::Call call(watch, connection->sock());
        pqxx::nontransaction session(*connection);
        session.exec(std::string(session_settings) + "; " + planned_for_values);
    }
    for (const auto& [name, sql] : statements) connection->prepare(name, sql); // the server hears of it at its first use
    return connection;
}

bool is_transient(const std::exception& error) {
    if (dynamic_cast<const pqxx::broken_connection*>(&error) || dynamic_cast<const pqxx::in_doubt_error*>(&error) ||
        dynamic_cast<const pqxx::transaction_rollback*>(&error))
        return true;
    if (!dynamic_cast<const pqxx::sql_error*>(&error)) return false;
    const std::string sqlstate = sqlstate_of(error), cls = sqlstate.substr(0, 2);
    for (const char* passing : {"", "08", "40", "53", "55", "57", "58"})
        if (cls == passing) return true;
    return sqlstate == "25006"; // a primary that has become a standby
}

bool is_of_rows(const std::exception& error) {
    if (dynamic_cast<const pqxx::sql_error*>(&error)) {
        const std::string cls = sqlstate_of(error).substr(0, 2);
        return cls == "22" || cls == "23" || cls == "54"; // their values, the constraints on them, their size
    }
    return !dynamic_cast<const pqxx::pqxx_exception*>(&error) && !dynamic_cast<const std::bad_alloc*>(&error);
}

std::string sqlstate_of(const std::exception& error) {
    if (dynamic_cast<const pqxx::insufficient_privilege*>(&error)) return "42501"; // libpqxx 6 leaves it out
    const auto* sql = dynamic_cast<const pqxx::sql_error*>(&error);
    return sql ? sql->sqlstate() : "";
}

Database::Database(std::string url, int connections, std::vector<Statement> statements)
    : url_(std::move(url)), statements_(std::move(statements)), threads_(static_cast<std::size_t>(connections)) {}

Database::~Database() { threads_.join(); }

/// Another transaction is in the way: the store itself answers.
static bool is_of_others(const std::exception& error) {
    const std::string cls = sqlstate_of(error).substr(0, 2);
    return cls == "40" || cls == "55";
}

/// Of no consequence for the call, which is committed. False: the connection is lost.
bool Database::learn_wal(pqxx::connection& connection) {
    if (!tells_wal_) return true;
    try {
        pqxx::nontransaction look(connection);
        const auto wal = look.exec1("select (pg_current_wal_flush_lsn() - '0/0')::bigint")[0].as<std::int64_t>();
        for (auto known = wal_.load(); known < wal && !wal_.compare_exchange_weak(known, wal);) {
        }
    } catch (const pqxx::sql_error& e) {
        tells_wal_ = is_transient(e); // no such function, or not for us
    } catch (const std::exception&) {
        return false;
    }
    return true;
}

/// False: the store is not known to be away. True: it was, and this call finds out whether it still is.
bool Database::probes() {
    std::lock_guard lock(mutex_);
    if (away_.empty()) return false;
    if (std::exchange(probing_, true)) throw Refusal(Refusal::Kind::Unavailable, away_);
    return true;
}

void Database::found(const std::string& away) {
    std::lock_guard lock(mutex_);
    away_ = away;
    probing_ = false;
    if (!away.empty()) idle_.clear(); // of a server that is gone
}

void Database::connected(const std::function<bool(pqxx::connection&)>& work) {
    const bool probe = probes();
    const auto since = std::chrono::steady_clock::now();
    for (int tries = 0;; ++tries) {
        std::unique_ptr<pqxx::connection> connection;
        {
            std::lock_guard lock(mutex_);
            if (!idle_.empty()) {
                connection = std::move(idle_.back());
                idle_.pop_back();
            }
        }
        try {
            if (!connection) connection = connect_store(url_, statements_, watch_);
            const CallWatch::Call call(watch_, connection->sock());
            if (!work(*connection)) connection.reset();
        } catch (const std::exception& e) {
            // A connection that failed once is not used again: libpqxx would reconnect silently and forget the session.
            if (!is_transient(e)) {
                found("");
                throw;
            }
            const bool long_ago = std::chrono::steady_clock::now() - since > std::chrono::seconds(5); // a server that hangs fails slowly
            if (probe || tries == 20 || long_ago) {
                const std::string why = "the store cannot be reached: " + one_line(e.what());
                found(is_of_others(e) ? "" : why);
                throw Refusal(Refusal::Kind::Unavailable, why);
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(tries == 0 ? 1 : 100));
            continue;
        }
        found("");
        std::lock_guard lock(mutex_);
        if (connection) idle_.push_back(std::move(connection));
        return;
    }
}

} // namespace millrace
