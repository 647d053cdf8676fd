#include "running_server.hpp"

#include "flows/error.hpp"

#include <catch2/catch.hpp>

#include <pwd.h>
#include <sys/stat.h>

using namespace millrace;
using namespace millrace::test;

TEST_CASE("a connection serves several requests, and HEAD without a body") {
    RunningServer daemon;
    Client client = daemon.connect();
    CHECK(client.ask("GET", "/healthz").json()["status"] == "ok");
    const Answer head = client.ask("HEAD", "/healthz");
    CHECK(head.status == 200);
    CHECK(std::stoi(head.headers.at("content-length")) > 0);
    CHECK(client.ask("GET", "/api/v1/flows").status == 200);
    client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    CHECK(client.receive().status == 200);
    CHECK(client.receive().json()["ready"] == true);
    CHECK(client.is_closed());
}

TEST_CASE("limits of size end in a problem and the end of the connection") {
    WebConfig config;
    config.header_limit = 2048;
    config.body_limit = 1000;
    RunningServer daemon(config);
    Client header = daemon.connect();
    CHECK(header.ask("GET", "/healthz", {}, "X-Long: " + std::string(4000, 'x') + "\r\n").status == 431);
    Client body = daemon.connect();
    const Answer answer = body.ask("POST", "/api/v1/flows/hours/runs", std::string(1001, ' '));
    CHECK(answer.status == 413);
    CHECK(answer.json()["detail"] == "the body has more than 1000 bytes");
    Client garbage = daemon.connect();
    garbage.send("HELLO\r\n\r\n");
    CHECK(garbage.receive().status == 400);
    CHECK(garbage.is_closed());
}

TEST_CASE("a slow header is ended, an idle connection too") {
    WebConfig config;
    config.header_timeout = std::chrono::milliseconds(50);
    config.idle_timeout = std::chrono::milliseconds(50);
    RunningServer daemon(config);
    Client slow = daemon.connect();
    slow.send("GET /hea");
    CHECK(slow.receive_until("\r\n\r\n").find("200") == std::string::npos);
    CHECK(slow.is_closed());
    Client idle = daemon.connect();
    CHECK(idle.is_closed());
}

TEST_CASE("more connections than allowed are told so") {
    WebConfig config;
    config.connections = 1;
    RunningServer daemon(config);
    Client first = daemon.connect();
    CHECK(first.ask("GET", "/healthz").status == 200);
    CHECK(daemon.connect().receive().status == 503);
    CHECK(first.ask("GET", "/healthz").status == 200);
    // The command line still comes in: its door is counted by itself.
    CHECK(Client::local(daemon.folder / "millrace.sock").ask("GET", "/healthz").status == 200);
}

TEST_CASE("an expectation is answered before the body is sent") {
    RunningServer daemon;
    Client client = daemon.connect();
    client.send("POST /api/v1/runs/4/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                "Expect: 100-continue\r\n\r\n");
    CHECK(client.receive_until("\r\n\r\n").starts_with("HTTP/1.1 100"));
    client.send("{}");
    CHECK(client.receive().status == 202);
}

TEST_CASE("the Unix socket knows its caller: root and the own user are admins") {
    RunningServer daemon;
    const std::string path = daemon.folder / "millrace.sock";
    daemon.on_loop([&] { daemon.keys.any = true; });
    Client client = Client::local(path);
    CHECK(client.ask("POST", "/api/v1/runs/4/cancel", "{}").status == 202);
    CHECK(daemon.on_loop([&] { return daemon.service.calls; }).back() == std::string("cancel 4 by ") + ::getpwuid(::geteuid())->pw_name);
    // No browser reaches a Unix socket, so its checks do not apply.
    CHECK(client.ask("GET", "/healthz", {}, "Host: millrace\r\n").status == 200);
    daemon.stop();
    struct stat status {};
    CHECK(::stat(path.c_str(), &status) != 0);
}

TEST_CASE("stopping ends idle connections and event streams at once") {
    RunningServer daemon;
    Client idle = daemon.connect();
    CHECK(idle.ask("GET", "/healthz").status == 200);
    Client stream = daemon.connect();
    CHECK(stream.ask("GET", "/api/v1/events").status == 200);
    const auto since = std::chrono::steady_clock::now();
    daemon.stop();
    CHECK(std::chrono::steady_clock::now() - since < std::chrono::seconds(10));
    CHECK(idle.is_closed());
    stream.receive_until("never");
    CHECK(stream.is_closed());
}

TEST_CASE("an address that is taken, or open to others without a key, is refused with a remedy") {
    RunningServer daemon;
    const WebBackend backend{daemon.service, daemon.read_models, daemon.validator, daemon.keys};
    WebConfig config;
    config.listen = "127.0.0.1:" + std::to_string(daemon.server->port());
    WebServer taken(daemon.io, config, backend);
    CHECK_THROWS_WITH(taken.start(), Catch::StartsWith("cannot listen on 127.0.0.1:"));
    config.listen = "0.0.0.0:0";
    WebServer open(daemon.io, config, backend);
    CHECK_THROWS_WITH(open.start(), Catch::Contains("no key exists"));
    config.listen = "localhost";
    WebServer vague(daemon.io, config, backend);
    CHECK_THROWS_WITH(vague.start(), Catch::Contains("has no port"));
    CHECK_THROWS_WITH(check_addresses(config, daemon.keys), Catch::Contains("has no port"));
    daemon.on_loop([&] { daemon.keys.any = true; });
    config.listen = "192.0.2.1:0"; // an address of documentation: no machine has it
    CHECK_THROWS_WITH(check_addresses(config, daemon.keys), Catch::StartsWith("cannot listen on 192.0.2.1:0: "));
    config.listen.clear();
    config.socket = "/" + std::string(200, 'x');
    CHECK_THROWS_WITH(check_addresses(config, daemon.keys), Catch::Contains("is longer than 107 bytes"));
}
