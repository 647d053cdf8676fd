#include "running_server.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using namespace millrace::test;

namespace {

EngineEvent event(const std::string& type, std::int64_t run_id, Json data) { return EngineEvent(type, run_id, std::move(data)); }

/// The text of the next event, without comments.
std::string next_event(Client& client) {
    for (;;) {
        std::string text = client.receive_until("\n\n");
        if (text.empty() || text.starts_with("event: ")) return text;
    }
}

} // namespace

TEST_CASE("events arrive by type and run") {
    RunningServer daemon;
    Client all = daemon.connect();
    const Answer opened = all.ask("GET", "/api/v1/events");
    CHECK(opened.headers.at("content-type") == "text/event-stream");
    Client one = daemon.connect();
    CHECK(one.ask("GET", "/api/v1/events?run=2&types=run,flow").status == 200);
    daemon.on_loop([&] {
        daemon.service.emit(event("run", 1, {{"id", 1}, {"state", "running"}}));
        daemon.service.emit(event("task_run", 2, {{"task", "a"}, {"item_hash", nullptr}}));
        daemon.service.emit(event("run", 2, {{"id", 2}, {"state", "running"}}));
    });
    CHECK(next_event(all) == "event: run\ndata: {\"id\":1,\"state\":\"running\"}\n\n");
    CHECK(next_event(all) == "event: task_run\ndata: {\"item_hash\":null,\"run_id\":2,\"task\":\"a\"}\n\n");
    CHECK(next_event(all) == "event: run\ndata: {\"id\":2,\"state\":\"running\"}\n\n");
    CHECK(next_event(one) == "event: run\ndata: {\"id\":2,\"state\":\"running\"}\n\n");
}

TEST_CASE("a document that changed again before it was sent is sent once, others each") {
    RunningServer daemon;
    Client client = daemon.connect();
    CHECK(client.ask("GET", "/api/v1/events").status == 200);
    daemon.on_loop([&] {
        for (int i = 1; i <= 1000; ++i) daemon.service.emit(event("progress", 1, {{"task", "a"}, {"item_hash", nullptr}, {"records", i}}));
        daemon.service.emit(event("flow", 0, {{"name", "one"}}));
        daemon.service.emit(event("flow", 0, {{"name", "two"}}));
    });
    CHECK(next_event(client).find("\"records\":1000") != std::string::npos);
    CHECK(next_event(client).find("one") != std::string::npos);
    CHECK(next_event(client).find("two") != std::string::npos);
}

TEST_CASE("a quiet stream says that it is alive") {
    WebConfig config;
    config.event_pulse = std::chrono::milliseconds(20);
    RunningServer daemon(config);
    Client client = daemon.connect();
    CHECK(client.ask("GET", "/api/v1/events").status == 200);
    CHECK(client.receive_until(": still here\n\n").ends_with(": still here\n\n"));
}

TEST_CASE("a client that does not read is let go, the others go on") {
    RunningServer daemon;
    Client sleeper = daemon.connect();
    CHECK(sleeper.ask("GET", "/api/v1/events?types=flow").status == 200);
    Client reader = daemon.connect();
    CHECK(reader.ask("GET", "/api/v1/events?types=run").status == 200);
    const std::string line(100000, 'x');
    daemon.on_loop([&] {
        for (int i = 0; i < 200; ++i) daemon.service.emit(event("flow", 0, {{"name", std::to_string(i)}, {"text", line}}));
        daemon.service.emit(event("run", 1, {{"id", 1}}));
    });
    CHECK(next_event(reader).find("\"id\":1") != std::string::npos);
    sleeper.receive_until("never");
    CHECK(sleeper.is_closed());
}

TEST_CASE("the engine is listened to only while somebody reads") {
    RunningServer daemon;
    const auto listeners = [&] { return daemon.on_loop([&] { return daemon.service.receivers.size(); }); };
    CHECK(listeners() == 0);
    {
        Client client = daemon.connect();
        CHECK(client.ask("GET", "/api/v1/events").status == 200);
        CHECK(listeners() == 1);
    }
    // The server notices that the client has left when it next writes.
    for (int i = 0; i < 500 && listeners() > 0; ++i) {
        daemon.on_loop([&] { daemon.service.emit(event("flow", 0, {{"name", "anybody there?"}})); });
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(listeners() == 0);
}

TEST_CASE("an unknown type of event is refused with those that there are") {
    RunningServer daemon;
    const auto refused = daemon.get("/api/v1/events?types=run,log");
    CHECK(refused.status == 422);
    CHECK_THAT(refused.body, Catch::Contains("'log' is no type of event") && Catch::Contains("types are run, task_run, progress, flow"));
    CHECK(daemon.get("/api/v1/events?types=runs").status == 422);
    CHECK(daemon.get("/api/v1/events?run=x").status == 422);
}
