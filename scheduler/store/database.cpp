#include "scheduler/store/database.hpp"

#include "scheduler/one_line.hpp"

#include <thread>

namespace millrace {

std::unique_ptr<pqxx::connection> connect_store(const std::string& url, const std::vector<Statement>& statements) {
    auto connection = std::make_unique<pqxx::connection>(url);
    {
        pqxx::nontransaction session(*connection);
        session.exec("set application_name = 'millrace'; set timezone = 'UTC'; set client_min_messages = warning; set jit = off");
    }
    for (const auto& [name, sql] : statements) connection->prepare(name, sql);
    return connection;
}

bool is_transient(const std::exception& error) {
    if (dynamic_cast<const pqxx::broken_connection*>(&error) || dynamic_cast<const pqxx::in_doubt_error*>(&error)) return true;
    const auto* sql = dynamic_cast<const pqxx::sql_error*>(&error);
    if (!sql) return false;
    const std::string cls = sql->sqlstate().substr(0, 2);
    return cls.empty() || cls == "08" || cls == "40" || cls == "53" || cls == "57";
}

Database::Database(std::string url, int connections, std::vector<Statement> statements)
    : url_(std::move(url)), statements_(std::move(statements)), threads_(static_cast<std::size_t>(connections)) {}

Database::~Database() { threads_.join(); }

void Database::transact(const std::function<void(pqxx::work&)>& work) {
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
            if (!connection) connection = connect_store(url_, statements_);
            const CallWatch::Call call(watch_, connection->sock());
            pqxx::work transaction(*connection);
            work(transaction);
            transaction.commit();
        } catch (const std::exception& e) {
            // A connection that failed once is not used again: libpqxx would reconnect silently and forget the session.
            if (!is_transient(e)) throw;
            const bool long_ago = std::chrono::steady_clock::now() - since > std::chrono::seconds(5); // a server that hangs fails slowly
            if (tries == 20 || long_ago) throw Refusal(Refusal::Kind::Unavailable, "the store cannot be reached: " + one_line(e.what()));
            std::this_thread::sleep_for(std::chrono::milliseconds(tries == 0 ? 1 : 100));
            continue;
        }
        std::lock_guard lock(mutex_);
        idle_.push_back(std::move(connection));
        return;
    }
}

} // namespace millrace
