// What people and tests of readiness meet while the store hangs: a lock that somebody holds stands for a server that does not
// answer.
#include "../folder.hpp"
#include "life.hpp"
#include "scheduler/store/call_watch.hpp"
#include "scheduler/store/database.hpp"

#include <atomic>
#include <cstring>
#include <thread>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;

namespace {

/// Nothing can be written about runs as long as it lives.
struct Jam {
    explicit Jam(const FreshDatabase& database) : connection(database.url()), work(connection) {
        work.exec("lock table millrace.run in access exclusive mode");
    }
    pqxx::connection connection;
    pqxx::work work;
};

struct Asked {
    bool answered = false;
    std::string refusal;
};

void ask(Life& life, Asked& asked) {
    asio::co_spawn(life.io, life.engine->service().trigger(Life::request("f")), [&asked](std::exception_ptr failed, const TriggerResult&) {
        asked.answered = true;
        try {
            if (failed) std::rethrow_exception(failed);
        } catch (const Refusal& e) {
            asked.refusal = e.what();
        }
    });
    for (int i = 0; i < 20; ++i) {
        life.io.restart();
        life.io.run_for(2ms);
    }
}

} // namespace

TEST_CASE("who asks for a run while the store hangs is answered in time, and the run is made when the store is back") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")}, *parse_rfc3339("2026-11-20T12:00:00Z"));
    Asked asked;
    {
        const Jam jam(database);
        ask(life, asked);
        CHECK_FALSE(asked.answered);
        life.stepped.step_to(life.stepped.now() + 11s);
        life.until([&] { return asked.answered; });
        CHECK_THAT(asked.refusal, Catch::Contains("begins as soon as it is back"));
    }
    life.settle();
    REQUIRE(life.runs("f").size() == 1);
    CHECK(life.runs("f")[0].at("state") == "completed");
}

TEST_CASE("a node that must not begin anything refuses before long") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")});
    (void)life.wait(Life::flag(life.engine->stop()));
    Asked asked;
    ask(life, asked);
    life.until([&] { return asked.answered; });
    CHECK_THAT(asked.refusal, Catch::Contains("no run begins"));
}

TEST_CASE("a store that hangs does not keep the daemon from ending") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")});
    const Jam jam(database);
    Asked asked;
    ask(life, asked);
    const auto since = std::chrono::steady_clock::now();
    (void)life.wait(Life::flag(life.engine->stop()));
    CHECK(std::chrono::steady_clock::now() - since < 30s); // a call may take 20 s at other times, and ending needs several
}

TEST_CASE("a call that takes too long loses its connection, and one that ends in time keeps it") {
    int slow[2], quick[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, slow) == 0);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, quick) == 0);
    CallWatch watch(50ms);
    char byte = 0;
    {
        const CallWatch::Call call(watch, slow[0]);
        CHECK(read(slow[0], &byte, 1) == 0); // for ever, without the watch
    }
    { const CallWatch::Call call(watch, quick[0]); }
    CHECK(write(quick[1], "x", 1) == 1);
    CHECK(read(quick[0], &byte, 1) == 1);
    for (const int fd : {slow[0], slow[1], quick[0], quick[1]}) close(fd);
}

TEST_CASE("while the process ends, one call that hangs makes the limit of the next ones short") {
    int sockets[2];
    CallWatch watch(1h);
    watch.hurry(2s);
    const auto time_of_a_hang = [&] {
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
        char byte = 0;
        const auto since = std::chrono::steady_clock::now();
        {
            const CallWatch::Call call(watch, sockets[0]);
            CHECK(read(sockets[0], &byte, 1) == 0);
        }
        for (const int fd : sockets) close(fd);
        return std::chrono::steady_clock::now() - since;
    };
    const auto first = time_of_a_hang();
    CHECK(first >= 2s);
    CHECK(time_of_a_hang() < first);
}

namespace {

/// Takes connections as PostgreSQL would and ends each at once.
struct DeadServer {
    DeadServer() {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, (folder.path / ".s.PGSQL.5432").c_str(), sizeof address.sun_path - 1);
        if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener, 100) != 0)
            throw std::runtime_error("no socket");
        thread = std::thread([this] {
            for (int one = 0; (one = accept(listener, nullptr, nullptr)) >= 0; close(one)) ++connections;
        });
    }
    ~DeadServer() {
        shutdown(listener, SHUT_RDWR);
        thread.join();
        close(listener);
    }
    [[nodiscard]] std::string url() const { return "postgresql://m@/store?host=" + folder.path.string(); }

    Folder folder;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::atomic<int> connections{0};
    std::thread thread;
};

} // namespace

TEST_CASE("who asks while the store is known to be away is answered at once: one call at a time finds out whether it is back") {
    const DeadServer server;
    asio::io_context io;
    Database database(server.url(), 2, {});
    const auto refusals_of = [&](int calls) {
        int refused = 0;
        for (int i = 0; i < calls; ++i) {
            auto nothing = [](pqxx::nontransaction&) { return true; };
            asio::co_spawn(io, database.read(std::move(nothing)), [&](std::exception_ptr failed, bool) { refused += failed ? 1 : 0; });
        }
        io.restart();
        io.run();
        return refused;
    };
    REQUIRE(refusals_of(1) == 1);
    const int patient = server.connections;
    CHECK(patient > 10);
    CHECK(refusals_of(50) == 50);
    CHECK(server.connections <= patient + 50);
    CHECK(server.connections > patient);
}

TEST_CASE("the server ends a session of ours that stands still within a transaction") {
    FreshDatabase database;
    CallWatch watch(1h);
    const auto connection = connect_store(database.url(), {}, watch);
    pqxx::nontransaction look(*connection);
    CHECK(look.exec1("show idle_in_transaction_session_timeout")[0].c_str() == std::string("5s"));
    CHECK(look.exec1("select coalesce(current_setting('client_connection_check_interval', true), '3s')")[0].c_str() == std::string("3s"));
}

TEST_CASE("a node that stood still takes runs again as soon as its store answers") {
    FreshDatabase database;
    Life life(database.url(), {plan_text("a: run", "f")}, *parse_rfc3339("2026-11-20T12:00:00Z"));
    life.settle();
    life.stepped.stood_still = 6s;
    life.stepped.step_to(life.stepped.now() + 1s); // it looks at its lease, of which less than half is left
    life.stepped.stood_still = 0s;
    CHECK(life.ended(life.trigger_id("f")).at("state") == "completed");
}
