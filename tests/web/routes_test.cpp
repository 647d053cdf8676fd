#include "running_server.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using namespace millrace::test;

TEST_CASE("every listing and document is reached by its path") {
    RunningServer daemon;
    const auto path =
        GENERATE(as<std::string>(), "/api/v1/flows", "/api/v1/flows/hours", "/api/v1/flows/hours/plan", "/api/v1/runs", "/api/v1/runs/4",
                 "/api/v1/runs/4/tasks", "/api/v1/runs/4/graph", "/api/v1/runs/4/logs", "/api/v1/runs/4/events",
                 "/api/v1/runs/4/datasets/entries", "/api/v1/runs/4/datasets/entries/rejected", "/api/v1/schedules", "/api/v1/limits",
                 "/api/v1/nodes", "/api/v1/doctor", "/api/v1/openapi.json", "/healthz", "/readyz");
    const Answer answer = daemon.get(path);
    CHECK(answer.status == 200);
    CHECK(answer.headers.at("content-type") == "application/json");
    CHECK(answer.headers.at("cache-control") == "no-store");
    CHECK(answer.json().is_object());
}

TEST_CASE("a run is started with params, interval and key, and answered with 202 and its place") {
    RunningServer daemon;
    const Answer answer = daemon.post("/api/v1/flows/hours/runs",
                                      R"({"params": {"days": 7}, "interval": {"start": "2026-11-01", "end": "2026-11-08"},
                                          "limit_rows": 10, "full_refresh": true})",
                                      "Idempotency-Key: abc\r\nUser-Agent: millrace/0.1.0\r\n");
    CHECK(answer.status == 202);
    CHECK(answer.json()["id"] == 7);
    CHECK(answer.json()["outcome"] == "created");
    CHECK(answer.headers.at("location") == "/api/v1/runs/7");
    const TriggerRequest asked = daemon.on_loop([&] { return daemon.service.triggered; });
    CHECK(asked.flow == "hours");
    CHECK(asked.params["days"] == 7);
    CHECK(asked.interval_start == "2026-11-01");
    CHECK(asked.interval_end == "2026-11-08");
    CHECK(asked.idempotency_key == "abc");
    CHECK(asked.limit_rows == 10);
    CHECK(asked.full_refresh);
    CHECK(asked.trigger == "cli");
}

TEST_CASE("a backfill is started with its span and chunks, a dry run only lists them") {
    RunningServer daemon;
    const std::string body = R"({"flow": "hours", "interval": {"start": "2026-01-01", "end": "2026-02-01"}, "every": "7d",
                                 "concurrency": 3, "again": true, "idempotency_key": "k")";
    CHECK(daemon.post("/api/v1/backfills", body + "}").status == 202);
    const TriggerRequest asked = daemon.on_loop([&] { return daemon.service.triggered; });
    CHECK(asked.flow == "hours");
    CHECK(asked.interval_end == "2026-02-01");
    CHECK(asked.idempotency_key == "k");
    CHECK(asked.trigger == "backfill");
    REQUIRE(asked.backfill);
    CHECK(asked.backfill->every == "7d");
    CHECK(asked.backfill->at_once == 3);
    CHECK(asked.backfill->again);
    CHECK(daemon.post("/api/v1/backfills", body + R"(, "dry_run": true})").status == 200);
    CHECK(daemon.on_loop([&] { return daemon.service.calls; }) == std::vector<std::string>{"plan backfill"});
    CHECK(daemon.post("/api/v1/backfills", R"({"flow": "hours"})").status == 422);
    CHECK(daemon.post("/api/v1/backfills", R"({"interval": {"start": "2026-01-01", "end": "2026-02-01"}})").status == 422);
}

TEST_CASE("a trigger that overlap skips is 200, a known idempotency key 202 again") {
    RunningServer daemon;
    daemon.on_loop([&] { daemon.service.trigger_result.outcome = TriggerResult::Outcome::Skipped; });
    const Answer skipped = daemon.post("/api/v1/flows/hours/runs");
    CHECK(skipped.status == 200);
    CHECK(skipped.json()["outcome"] == "skipped");
    daemon.on_loop([&] { daemon.service.trigger_result.outcome = TriggerResult::Outcome::Existing; });
    const Answer existing = daemon.post("/api/v1/flows/hours/runs", R"({"idempotency_key": "k"})");
    CHECK(existing.status == 202);
    CHECK(existing.json()["outcome"] == "existing");
}

TEST_CASE("an empty idempotency key is none that makes one run: it is refused, in the header too") {
    RunningServer daemon;
    for (const auto* body : {"{}", R"({"idempotency_key": "k"})"})
        CHECK(daemon.post("/api/v1/flows/hours/runs", body, "Idempotency-Key:\r\n").json()["detail"] == "the idempotency key is empty");
    CHECK(daemon.post("/api/v1/flows/hours/runs", R"({"idempotency_key": null})").status == 202);
}

TEST_CASE("what the engine refuses becomes a problem of the right status") {
    RunningServer daemon;
    const auto [kind, status] = GENERATE(table<Refusal::Kind, int>({{Refusal::Kind::NotFound, 404},
                                                                    {Refusal::Kind::Invalid, 422},
                                                                    {Refusal::Kind::Conflict, 409},
                                                                    {Refusal::Kind::Unavailable, 503}}));
    daemon.on_loop([&, k = kind] { daemon.service.refusal = std::make_exception_ptr(Refusal(k, "no such thing", "look again")); });
    const Answer answer = daemon.post("/api/v1/flows/hours/runs");
    CHECK(answer.status == status);
    CHECK(answer.headers.at("content-type") == "application/problem+json");
    CHECK(answer.json()["status"] == status);
    CHECK(answer.json()["detail"] == "no such thing");
    CHECK(answer.json()["remedy"] == "look again");
    CHECK(answer.json()["instance"] == "/api/v1/flows/hours/runs");
}

TEST_CASE("the reason of an unexpected failure stays in the log") {
    RunningServer daemon;
    daemon.on_loop([&] { daemon.read_models.refusal = std::make_exception_ptr(std::runtime_error("password=hunter2")); });
    const Answer answer = daemon.get("/api/v1/flows");
    CHECK(answer.status == 500);
    CHECK(answer.body.find("hunter2") == std::string::npos);
    CHECK(answer.json()["remedy"].get<std::string>().find("incident") != std::string::npos);
}

TEST_CASE("requests that are wrong are told what is wrong") {
    struct Wrong {
        std::string target, body;
        int status;
        std::string detail;
    };
    const auto wrong = GENERATE(values<Wrong>({
        {"/api/v1/flows/hours/runs", "{", 400, "the body is no JSON: unexpected text at byte 2"},
        {"/api/v1/flows/hours/runs", "{\"params\":" + std::string(1000000, '['), 422, "the body is nested more than 64 deep"},
        {"/api/v1/flows/hours/runs", "[]", 422, "the body is a JSON array, not an object"},
        {"/api/v1/flows/hours/runs", R"({"parms": {}})", 422, "'parms' is no member of this request"},
        {"/api/v1/flows/hours/runs", R"({"params": 3})", 422, "'params' is a JSON number, not an object"},
        {"/api/v1/flows/hours/runs", R"({"interval": {"start": "2026-01-01"}})", 422, "the interval has a start or an end, not both"},
        {"/api/v1/flows/hours/runs", R"({"limit_rows": 0})", 422, "'limit_rows' is less than 1"},
        {"/api/v1/flows/hours/runs", R"({"idempotency_key": "a\u0000b"})", 422,
         "the idempotency key holds a control character or is not UTF-8"},
        {"/api/v1/flows/hours/runs", R"({"idempotency_key": ""})", 422, "the idempotency key is empty"},
        {"/api/v1/runs/4/rerun", R"({"idempotency_key": ""})", 422, "the idempotency key is empty"},
        {"/api/v1/runs/4/rerun", R"({"from": "task"})", 422, "'task' is missing"},
        {"/api/v1/runs/4/rerun", R"({"from": "later"})", 422, "'from' is 'later'"},
        {"/api/v1/runs/4/rerun", R"({"idempotency_key": "a\u0000b"})", 422,
         "the idempotency key holds a control character or is not UTF-8"},
        {"/api/v1/runs/4/rerun", R"({"plan": "old"})", 422, "'plan' is 'old'"},
        {"/api/v1/runs/4/rerun", R"({"params": []})", 422, "'params' is a JSON array, not an object"},
        {"/api/v1/runs/4/rerun", R"({"from": "failed", "allow_deletes": 0})", 422, "'allow_deletes' is 0"},
        {"/api/v1/runs/4/tasks/t/approve", R"({"decision": "maybe"})", 422, "'decision' is 'maybe'"},
        {"/api/v1/runs/4/tasks/t/approve", "{}", 422, "'decision' is missing"},
        {"/api/v1/runs/4/tasks/t/approve", R"({"decision": "reject", "comment": "no", "decision": "approve"})", 422,
         "the body has the member 'decision' twice in one object"},
        {"/api/v1/flows/hours/runs", R"({"params": {"l": [{"a": 1}, {"a": 2}], "n": 1, "n": 2}})", 422,
         "the body has the member 'n' twice in one object"},
        {"/api/v1/runs/four/cancel", "{}", 404, "there is no run four"},
        {"/api/v1/flows/validate", "{}", 422, "'files' is missing"},
    }));
    RunningServer daemon;
    const Answer answer = daemon.post(wrong.target, wrong.body);
    CHECK(answer.status == wrong.status);
    CHECK(answer.json()["detail"] == wrong.detail);
}

TEST_CASE("filters of runs, task runs and logs arrive typed, and unknown ones are refused") {
    RunningServer daemon;
    CHECK(daemon.get("/api/v1/runs?flow=hours&state=failed,crashed&limit=10&after=a%2Bb&parent=3").status == 200);
    const RunFilter runs = daemon.on_loop([&] { return daemon.read_models.runs_filter; });
    CHECK(runs.flow == "hours");
    CHECK(runs.states == std::vector<std::string>{"failed", "crashed"});
    CHECK(runs.limit == 10);
    CHECK(runs.after == "a+b");
    CHECK(runs.parent == 3);
    CHECK(daemon.get("/api/v1/runs/4/logs?task=entries&attempt=2&after=100").status == 200);
    const LogFilter logs = daemon.on_loop([&] { return daemon.read_models.logs_filter; });
    CHECK(logs.task == "entries");
    CHECK(logs.attempt == 2);
    CHECK(logs.after == "100");
    CHECK(daemon.get("/api/v1/runs?stat=failed").json()["remedy"] == "it takes flow, state, parent, limit, after");
    CHECK(daemon.get("/api/v1/runs?state=done").status == 422);
    for (const auto* empty : {"/api/v1/runs?state=", "/api/v1/runs?state=,", "/api/v1/runs/4/tasks?state="})
        CHECK(daemon.get(empty).json()["detail"] == "'state' is empty");
    CHECK(daemon.get("/api/v1/runs?flow=").json()["detail"] == "'flow' is empty");
    CHECK(daemon.get("/api/v1/runs?limit=501").json()["detail"] == "'limit' is '501', which is no whole number from 1 to 500");
    CHECK(daemon.get("/api/v1/runs?flow=%zz").status == 400);
    for (const bool without : {true, false}) {
        CHECK(daemon.get(without ? "/api/v1/runs/4/tasks?items=none" : "/api/v1/runs/4/tasks").status == 200);
        CHECK(daemon.on_loop([&] { return daemon.read_models.tasks_filter.without_items; }) == without);
    }
    CHECK(daemon.get("/api/v1/runs/4/tasks?items=some").status == 422);
    CHECK(daemon.get("/api/v1/runs/4/events?only=warnings&limit=7&after=12").status == 200);
    const auto asked_for = daemon.on_loop([&] { return daemon.read_models.events_filter; });
    CHECK(asked_for.only_warnings);
    CHECK(asked_for.limit == 7);
    CHECK(asked_for.after == "12");
    CHECK(daemon.get("/api/v1/runs/4/events?only=errors").status == 422);
}

TEST_CASE("actions on a run say who asked") {
    RunningServer daemon;
    CHECK(daemon.post("/api/v1/runs/4/cancel").status == 202);
    CHECK(daemon.post("/api/v1/runs/4/tasks/sign_off/approve", R"({"decision": "reject", "comment": "no"})").status == 202);
    CHECK(
        daemon.post("/api/v1/runs/4/rerun", R"({"task": "entries", "allow_deletes": 37, "idempotency_key": "k"})").headers.at("location") ==
        "/api/v1/runs/5");
    CHECK(daemon.connect().ask("PATCH", "/api/v1/schedules/hours", R"({"paused": true})").status == 200);
    CHECK(daemon.post("/api/v1/deploy", R"({"dry_run": true})").status == 200);
    CHECK(daemon.post("/api/v1/deploy", R"({"folders": ["a"]})").status == 403); // may hold anybody's commands
    const auto calls = daemon.on_loop([&] { return daemon.service.calls; });
    CHECK(calls == std::vector<std::string>{"cancel 4 by local", "reject 4 sign_off 'no' by local", "rerun", "hold hours", "deploy"});
    const auto reran = daemon.on_loop([&] { return daemon.service.reran; });
    CHECK(reran.from == RerunRequest::From::Task);
    CHECK(reran.allow_deletes == 37);
    CHECK(reran.by == "local");
    CHECK(reran.idempotency_key == "k");
    CHECK(daemon.on_loop([&] { return daemon.service.deployed.dry_run; }));
}

TEST_CASE("a path that is none, and a method that a path does not take") {
    RunningServer daemon;
    CHECK(daemon.get("/api/v1/nothing").status == 404);
    CHECK(daemon.get("/api/v2/flows").status == 404);
    const Answer answer = daemon.connect().ask("PATCH", "/api/v1/flows", "{}");
    CHECK(answer.status == 405);
    CHECK(answer.headers.at("allow") == "GET");
    for (const char* method : {"OPTIONS", "DELETE", "PUT"}) { // without a body, as clients send them
        CHECK(daemon.connect().ask(method, "/api/v1/flows").status == 405);
        CHECK(daemon.connect().ask(method, "/api/v1/nothing").status == 404);
    }
}

TEST_CASE("ready means that the store answers and the journal commits") {
    RunningServer daemon;
    CHECK(daemon.get("/readyz").status == 200);
    daemon.on_loop([&] { daemon.read_models.gauges["journal_alive"] = 0; });
    const Answer answer = daemon.get("/readyz");
    CHECK(answer.status == 503);
    CHECK(answer.json()["store_reachable"] == true);
    CHECK(answer.json()["journal_alive"] == false);
    daemon.on_loop(
        [&] { daemon.read_models.refusal = std::make_exception_ptr(Refusal(Refusal::Kind::Unavailable, "the store cannot be reached")); });
    CHECK(daemon.get("/readyz").json()["store_reachable"] == false);
    CHECK(daemon.get("/healthz").status == 200);
}

TEST_CASE("figures are shown as OpenMetrics") {
    RunningServer daemon;
    daemon.on_loop([&] {
        daemon.read_models.gauges = {{"journal_commits_total", 12},
                                     {"loop_lag_seconds", {{"le", {{0.001, 7}, {0.005, 9}}}, {"sum", 0.25}, {"count", 10}}},
                                     {"runs_active", 3}};
    });
    const Answer answer = daemon.get("/metrics");
    CHECK(answer.headers.at("content-type").find("application/openmetrics-text") == 0);
    CHECK(answer.body == "# TYPE millrace_journal_commits counter\nmillrace_journal_commits_total 12\n"
                         "# TYPE millrace_loop_lag_seconds histogram\nmillrace_loop_lag_seconds_bucket{le=\"0.001\"} 7\n"
                         "millrace_loop_lag_seconds_bucket{le=\"0.005\"} 9\nmillrace_loop_lag_seconds_bucket{le=\"+Inf\"} 10\n"
                         "millrace_loop_lag_seconds_sum 0.25\nmillrace_loop_lag_seconds_count 10\n"
                         "# TYPE millrace_runs_active gauge\nmillrace_runs_active 3\n# EOF\n");
}

TEST_CASE("the dashboard is one page at several paths, its files may be kept") {
    RunningServer daemon;
    for (const std::string path : {"/", "/runs", "/runs/4", "/flows", "/flows/hours"}) {
        const Answer page = daemon.get(path);
        CHECK(page.status == 200);
        CHECK(page.headers.at("content-type") == "text/html; charset=utf-8");
        CHECK(page.headers.at("content-security-policy").find("default-src 'none'") == 0);
        CHECK(daemon.get(path, "If-None-Match: " + page.headers.at("etag") + "\r\n").status == 304);
    }
    const Answer file = daemon.get("/assets/app-1234.js");
    CHECK(file.body == "'use strict';");
    CHECK(file.headers.at("cache-control").find("immutable") != std::string::npos);
    CHECK(daemon.get("/assets/..%2findex.html").status == 404);
}

TEST_CASE("openapi.json describes every route of the API") {
    RunningServer daemon;
    const Json document = daemon.get("/api/v1/openapi.json").json();
    CHECK(document["paths"]["/api/v1/flows/{name}/runs"]["post"]["x-scope"] == "trigger");
    CHECK(document["paths"]["/api/v1/runs"]["get"]["parameters"].size() == 5);
    CHECK(document["paths"].contains("/readyz"));
    // Every reference has its schema.
    const std::string text = document.dump();
    const std::string prefix = "#/components/schemas/";
    for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at + 1)) {
        const std::string name = text.substr(at + prefix.size(), text.find('"', at) - at - prefix.size());
        CHECK(document["components"]["schemas"].contains(name));
    }
}
