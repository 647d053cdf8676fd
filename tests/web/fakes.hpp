/// An engine that does what a test says, and remembers what it was asked.
#pragma once

#include "scheduler/read_models.hpp"
#include "scheduler/service.hpp"
#include "web/access.hpp"
#include "web/api/api.hpp"

#include <boost/asio/awaitable.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace millrace::test {

using boost::asio::awaitable;

struct FakeService final : Service {
    TriggerRequest triggered;
    TriggerResult trigger_result{TriggerResult::Outcome::Created, {{"id", 7}, {"flow", "hours"}, {"state", "pending"}}};
    std::exception_ptr refusal; ///< thrown by every method while set
    std::vector<std::string> calls;
    RerunRequest reran;
    DeployRequest deployed;
    std::vector<std::function<void(const EngineEvent&)>*> receivers;

    awaitable<Json> done(std::string call, std::int64_t id) {
        calls.push_back(std::move(call));
        if (refusal) std::rethrow_exception(refusal);
        Json run = {{"id", id}, {"state", "running"}};
        co_return run;
    }
    awaitable<TriggerResult> trigger(TriggerRequest request) override {
        triggered = std::move(request);
        if (refusal) std::rethrow_exception(refusal);
        co_return trigger_result;
    }
    awaitable<Json> plan_backfill(TriggerRequest request) override {
        triggered = std::move(request);
        return done("plan backfill", 0);
    }
    awaitable<Json> cancel(std::int64_t id, std::string by) override { return done("cancel " + std::to_string(id) + " by " + by, id); }
    awaitable<Json> pause(std::int64_t id, std::string by) override { return done("pause " + std::to_string(id) + " by " + by, id); }
    awaitable<Json> resume(std::int64_t id, std::string by) override { return done("resume " + std::to_string(id) + " by " + by, id); }
    awaitable<Json> approve(std::int64_t id, std::string task, std::string comment, std::string by) override {
        return done("approve " + std::to_string(id) + " " + task + " '" + comment + "' by " + by, id);
    }
    awaitable<Json> reject(std::int64_t id, std::string task, std::string comment, std::string by) override {
        return done("reject " + std::to_string(id) + " " + task + " '" + comment + "' by " + by, id);
    }
    awaitable<Json> rerun(RerunRequest request) override {
        reran = request;
        return done("rerun", request.run_id + 1);
    }
    awaitable<Json> set_schedules_paused(std::string flow, bool paused) override { return done((paused ? "hold " : "release ") + flow, 0); }
    awaitable<Json> deploy(DeployRequest request) override {
        deployed = std::move(request);
        return done("deploy", 0);
    }

    struct FakeSubscription final : Subscription {
        FakeSubscription(FakeService& s, std::function<void(const EngineEvent&)> r) : service(s), receive(std::move(r)) {
            service.receivers.push_back(&receive);
        }
        ~FakeSubscription() override { std::erase(service.receivers, &receive); }
        FakeService& service;
        std::function<void(const EngineEvent&)> receive;
    };
    std::unique_ptr<Subscription> subscribe(std::function<void(const EngineEvent&)> receive) override {
        return std::make_unique<FakeSubscription>(*this, std::move(receive));
    }
    void emit(const EngineEvent& event) {
        for (auto* receive : receivers) (*receive)(event);
    }
};

struct FakeReadModels final : ReadModels {
    RunFilter runs_filter;
    TaskFilter tasks_filter;
    LogFilter logs_filter;
    RunEventFilter events_filter;
    int dataset_limit = 0;
    Json gauges = {{"journal_alive", 1}};
    std::exception_ptr refusal;

    awaitable<Json> give(Json document) {
        if (refusal) std::rethrow_exception(refusal);
        co_return document;
    }
    awaitable<Json> list(std::string what) {
        Json document = {{"items", Json::array({what})}, {"next", nullptr}};
        return give(std::move(document));
    }
    awaitable<Json> flows() override { return list("flow"); }
    awaitable<Json> flow(std::string name) override {
        Json document = {{"name", name}};
        return give(std::move(document));
    }
    awaitable<Json> plan(std::string name) override { return flow(std::move(name)); }
    awaitable<Json> runs(RunFilter filter) override {
        runs_filter = std::move(filter);
        return list("run");
    }
    awaitable<Json> run(std::int64_t id) override {
        Json document = {{"id", id}};
        return give(std::move(document));
    }
    awaitable<Json> tasks(std::int64_t, TaskFilter filter) override {
        tasks_filter = std::move(filter);
        return list("task");
    }
    awaitable<Json> logs(std::int64_t, LogFilter filter) override {
        logs_filter = std::move(filter);
        return list("log");
    }
    awaitable<Json> events(std::int64_t, RunEventFilter filter) override {
        events_filter = std::move(filter);
        return list("event");
    }
    awaitable<Json> graph(std::int64_t) override { return list("graph"); }
    awaitable<Json> dataset(std::int64_t, std::string task, int limit) override {
        dataset_limit = limit;
        return list(std::move(task));
    }
    awaitable<Json> rejected_rows(std::int64_t, std::string task, int limit) override {
        dataset_limit = limit;
        return list("rejected by " + task);
    }
    awaitable<Json> schedules() override { return list("schedule"); }
    awaitable<Json> nodes() override { return list("node"); }
    awaitable<Json> limits() override { return list("limit"); }
    awaitable<Json> doctor() override { return list("doctor"); }
    Json lacks() const override { return Json::array(); }
    Json figures() const override { return gauges; }
};

struct FakeValidator final : FlowValidator {
    std::vector<SourceFile> files;
    awaitable<Json> validate(std::vector<SourceFile> sources) override {
        files = std::move(sources);
        Json diagnostics = Json::array();
        diagnostics.push_back({{"file", files.at(0).name}, {"line", 1}});
        co_return diagnostics;
    }
};

/// Three keys, named like their scopes.
struct FakeKeys final : KeyRing {
    bool any = false;
    bool is_empty() const override { return !any; }
    std::optional<Caller> find(std::string_view key) const override {
        Caller caller;
        caller.name = "key " + std::string(key);
        if (key == "read")
            caller.access = Access::Read;
        else if (key == "trigger")
            caller.access = Access::Trigger;
        else if (key == "admin")
            caller.access = Access::Admin;
        else
            return std::nullopt;
        return caller;
    }
};

} // namespace millrace::test
