#include "running_server.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using namespace millrace::test;

TEST_CASE("without keys a page of another site gets nowhere") {
    RunningServer daemon;
    const std::string runs = "/api/v1/flows/hours/runs";
    CHECK(daemon.get("/api/v1/flows", "Host: evil.example\r\n").status == 421);
    CHECK(daemon.get("/", "Host: evil.example\r\n").status == 421);
    CHECK(daemon.get("/", "Host: evil.example:8687\r\n").body.find("ssh -L 8687:127.0.0.1:8687 HOST") != std::string::npos);
    CHECK(daemon.get("/api/v1/flows", "Host: localhost\r\nHost: evil.example\r\n").status == 400);
    CHECK(daemon.post(runs, "{}", "Origin: http://evil.example\r\n").status == 403);
    CHECK(daemon.get("/api/v1/flows", "Origin: null\r\n").status == 403);
    CHECK(daemon.post(runs, "{}", "Sec-Fetch-Site: cross-site\r\n").status == 403);
    CHECK(daemon.post(runs, "{}", "Content-Type: text/plain\r\n").status == 415);
    CHECK(daemon.connect().ask("POST", "/api/v1/runs/4/cancel").status == 415);
    CHECK(daemon.on_loop([&] { return daemon.service.calls; }).empty());
}

TEST_CASE("without keys the own page and tools of this machine may do everything") {
    RunningServer daemon;
    const std::string host = "localhost:" + std::to_string(daemon.server->port());
    CHECK(daemon.post("/api/v1/runs/4/cancel", "{}", "Host: " + host + "\r\nOrigin: http://" + host + "\r\n").status == 202);
    CHECK(daemon.get("/api/v1/doctor", "Host: 127.0.0.1:1\r\n").status == 200);
    CHECK(daemon.get("/api/v1/doctor", "Host: [::1]:1\r\n").status == 200);
    CHECK(daemon.post("/api/v1/runs/4/cancel", "{}", "Content-Type: application/json; charset=utf-8\r\n").status == 202);
}

TEST_CASE("a key opens what its scope allows") {
    RunningServer daemon;
    daemon.on_loop([&] { daemon.keys.any = true; });
    const auto bearer = [](const std::string& key) { return "Authorization: Bearer " + key + "\r\n"; };

    const Answer anonymous = daemon.get("/api/v1/flows");
    CHECK(anonymous.status == 401);
    CHECK(anonymous.headers.at("www-authenticate") == "Bearer realm=\"millrace\"");
    CHECK(daemon.get("/api/v1/flows", bearer("wrong")).status == 401);
    CHECK(daemon.get("/api/v1/flows", "Authorization: Basic cmVhZDo=\r\n").status == 401);
    CHECK(daemon.get("/api/v1/flows", bearer("read")).status == 200);
    CHECK(daemon.get("/api/v1/flows", "Authorization: bearer read\r\n").status == 200);

    const Answer too_little = daemon.post("/api/v1/runs/4/cancel", "{}", bearer("read"));
    CHECK(too_little.status == 403);
    CHECK(too_little.json()["detail"] == "key read has the scope read, this needs trigger");
    CHECK(daemon.post("/api/v1/runs/4/cancel", "{}", bearer("trigger")).status == 202);
    CHECK(daemon.post("/api/v1/deploy", "{}", bearer("trigger")).status == 403);
    CHECK(daemon.post("/api/v1/deploy", "{}", bearer("admin")).status == 200);

    SECTION("health, the page and the description need none, and any Host is fine") {
        CHECK(daemon.get("/healthz").status == 200);
        CHECK(daemon.get("/readyz").status == 200);
        CHECK(daemon.get("/", "Host: millrace.example\r\n").status == 200);
        CHECK(daemon.get("/api/v1/openapi.json").status == 200);
    }
}
