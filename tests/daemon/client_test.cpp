#include "daemon/cli/absence.hpp"
#include "daemon/cli/api_client.hpp"
#include "daemon/cli/taken_address.hpp"
#include "daemon/listeners.hpp"
#include "listener.hpp"
#include "run_documents.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <thread>
#include <vector>

#include <unistd.h>

using namespace millrace;
using test::answer, test::Listener;
using test::at, test::run, test::task, test::Zone;

TEST_CASE("a daemon that is away is told once it was for a second, once that it is back, and given up after five minutes") {
    using namespace std::chrono_literals;
    const Zone zone("UTC");
    std::vector<std::string> told;
    Absence absence(
        {"7"}, [&](const std::string& line) { told.push_back(line); }, at);
    absence.missed("no daemon answers at S: refused", at + 300ms);
    CHECK(absence.is_away());
    absence.answered(at + 600ms);
    CHECK(told.empty()); // a blink is no news
    absence.missed("no daemon answers at S: refused", at + 1200ms);
    absence.missed("no daemon answers at S: refused", at + 2s);
    absence.missed("no daemon answers at S: refused", at + 3s);
    CHECK(told == std::vector<std::string>{"06:00:06 the daemon has not answered since 06:00:04: no daemon answers at S: refused\n"
                                           "  the run is safe, and goes on with the daemon; tried again for 5 minutes, Ctrl-C leaves"});
    absence.answered(at + 12600ms);
    CHECK(told.back() == "06:00:16 the daemon answers again, after 12 s");
    CHECK_FALSE(absence.is_away());
    absence.missed("gone", at + 5min);
    CHECK(told.size() == 3);
    try {
        absence.missed("gone", at + 12600ms + 5min);
        FAIL("it goes on");
    } catch (const Unreachable& error) {
        CHECK(std::string(error.what()) == "the daemon has not answered for 5 minutes: gone");
        CHECK_THAT(error.remedy, Catch::Contains("the run is safe") && Catch::Contains("millrace runs show 7"));
    }
}

TEST_CASE("a daemon without its store is away, and so is one that its proxy does not reach, a refusal is an answer, and so is a failure "
          "inside it") {
    std::vector<std::string> told;
    Absence absence(
        {"7", "8"}, [&](const std::string& line) { told.push_back(line); }, now() - std::chrono::minutes(1));
    CHECK_FALSE(absence.bears([] { throw ApiError(503, "the store is away", ""); }));
    for (const int status : {408, 429, 502, 504}) CHECK_FALSE(absence.bears([&] { throw ApiError(status, "not now", ""); }));
    CHECK_THAT(told.front(), Catch::Contains("the store is away") && Catch::Contains("the runs are safe, and go on"));
    for (const int status : {404, 500}) CHECK_THROWS_AS(absence.bears([&] { throw ApiError(status, "it is so", ""); }), ApiError);
    CHECK(absence.bears([] {}));
    CHECK(told.size() == 2);
}

TEST_CASE("the port that is offered instead of a taken one is a port: after the last one those below are tried") {
    const auto beside = [](unsigned short taken, unsigned short free) {
        return free_port_beside(taken, [free](unsigned short port) { return port != free; });
    };
    CHECK(beside(8686, 8688) == 8688);
    CHECK(beside(65535, 65530) == 65530);
    CHECK(beside(65535, 80) == std::nullopt);
}

TEST_CASE("a daemon that takes a connection and says nothing is told with the process that listens") {
    const Listener mute;
    const ApiClient client({mute.path, "", "", std::chrono::seconds(1)});
    try {
        (void)client.get("/api/v1/runs");
        FAIL("it answered");
    } catch (const Unreachable& error) {
        CHECK(std::string(error.what()) == "the daemon at " + mute.path + " does not answer");
        CHECK_THAT(error.remedy, Catch::Contains(fmt::format("process {} (test_daemon) listens there", getpid())));
    }
}

TEST_CASE("an answer that takes long is waited for as long as the daemon lives") {
    const Listener listener;
    std::pair<int, std::string> question;
    std::thread daemon([&] {
        const auto slow = listener.request();
        question = listener.request(); // comes after a while of silence
        answer(question.first, "{}");
        answer(slow.first, R"({"done": true})");
    });
    const auto answered = ApiClient({listener.path, "", "", std::chrono::seconds(1)}).get("/slow");
    daemon.join();
    CHECK(answered.at("done") == true);
    CHECK_THAT(question.second, Catch::StartsWith("GET /healthz "));
}

TEST_CASE("who listens at a port is known") {
    boost::asio::io_context io;
    const boost::asio::ip::tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
    const auto endpoint = acceptor.local_endpoint();
    CHECK(is_taken(endpoint));
    CHECK(listener_of(endpoint) == fmt::format("process {} (test_daemon)", getpid()));
    const auto sixth = boost::asio::ip::tcp::endpoint(boost::asio::ip::address_v6::loopback(), endpoint.port());
    CHECK(listener_of(sixth).empty());
}

TEST_CASE("without a daemon the client says where it looked") {
    const ApiClient client({"/nowhere/millrace.sock", "", ""});
    CHECK_THROWS_AS(client.get("/healthz"), Unreachable);
    CHECK_THROWS_WITH(client.get("/healthz"), Catch::Contains("/nowhere/millrace.sock"));
    CHECK(url_encoded("a b/ü&") == "a%20b%2F%C3%BC%26");
}
