/// Work of the store that a test waits for, and the nodes n and m in it.
#pragma once

#include "fresh_database.hpp"
#include "scheduler/store/migrate.hpp"
#include "scheduler/store/store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <optional>
#include <string>

namespace millrace::test {

/// Waits for `work` of the store, which runs on a thread of its pool.
template <class T>
T wait(boost::asio::io_context& io, boost::asio::awaitable<T> work) {
    std::optional<T> result;
    boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr failed, T value) {
        if (failed) std::rethrow_exception(failed);
        result = std::move(value);
    });
    io.restart();
    io.run();
    return std::move(result.value());
}

inline void done(boost::asio::io_context& io, boost::asio::awaitable<void> work) {
    boost::asio::co_spawn(io, std::move(work), [](std::exception_ptr failed) { CHECK(!failed); });
    io.restart();
    io.run();
}

/// A store with the nodes n and m, which live.
struct TwoNodes {
    explicit TwoNodes(int connections)
        : connection((migrate(database.url()), database.url())), pool(database.url(), connections, store_statements()), store(pool) {
        pqxx::nontransaction work(connection);
        work.exec("insert into millrace.node select id, gen_random_uuid(), clock_timestamp() + interval '1 hour', 0, now(), '', 1"
                  " from unnest(array['n', 'm']) id");
        const auto epoch_of = [&](const std::string& node) -> std::string {
            return work.exec1("select epoch from millrace.node where id = '" + node + "'")[0].c_str();
        };
        n = epoch_of("n"), m = epoch_of("m");
    }

    FreshDatabase database;
    pqxx::connection connection;
    Database pool;
    Store store;
    boost::asio::io_context io;
    std::string n, m; ///< their epochs
};

} // namespace millrace::test
