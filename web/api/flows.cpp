#include "web/api/api.hpp"
#include "web/api/members.hpp"

#include <algorithm>

namespace millrace::handlers {

namespace {

/// What a run and a backfill have in common.
TriggerRequest common_request(const Request& request, const Json& body) {
    TriggerRequest trigger;
    trigger.params = object_member(body, "params");
    const Json interval = object_member(body, "interval");
    only_members(interval, {"start", "end"});
    const std::string start = text_member(interval, "start"), end = text_member(interval, "end");
    if (start.empty() != end.empty())
        throw Problem(422, "the interval has a start or an end, not both", "send both, or none for the flow's own interval");
    if (!start.empty()) {
        trigger.interval_start = start;
        trigger.interval_end = end;
    }
    trigger.idempotency_key = idempotency_key(request, body);
    trigger.cut_steps = flag_member(body, "cut_steps");
    return trigger;
}

TriggerRequest trigger_request(const Request& request) {
    const Json body = request.json_object();
    only_members(body, {"params", "interval", "idempotency_key", "limit_rows", "full_refresh", "cut_steps"});
    TriggerRequest trigger = common_request(request, body);
    trigger.flow = request.param("name");
    trigger.limit_rows = integer_member(body, "limit_rows");
    if (trigger.limit_rows && *trigger.limit_rows < 1) throw Problem(422, "'limit_rows' is less than 1");
    trigger.full_refresh = flag_member(body, "full_refresh");
    if (request.header("user-agent").starts_with("millrace/")) trigger.trigger = "cli";
    return trigger;
}

TriggerRequest backfill_request(const Request& request, const Json& body) {
    only_members(body, {"flow", "params", "interval", "idempotency_key", "cut_steps", "every", "concurrency", "again", "dry_run"});
    TriggerRequest trigger = common_request(request, body);
    trigger.flow = text_member(body, "flow");
    if (trigger.flow.empty()) throw Problem(422, "'flow' is missing", "send the name of a deployed flow");
    if (!trigger.interval_start)
        throw Problem(422, "'interval' is missing", "send {\"interval\": {\"start\": \"2026-01-01\", \"end\": \"2026-02-01\"}}");
    BackfillOptions options;
    options.every = text_member(body, "every");
    options.at_once = static_cast<int>(std::clamp<std::int64_t>(integer_member(body, "concurrency").value_or(1), -1, 1000));
    options.again = flag_member(body, "again");
    trigger.backfill = std::move(options);
    trigger.trigger = "backfill";
    return trigger;
}

/// A repeated idempotency key is answered like the first time: 202 and the same run.
Response trigger_response(TriggerResult result) {
    const bool skipped = result.outcome == TriggerResult::Outcome::Skipped;
    result.run["outcome"] = skipped ? "skipped" : result.outcome == TriggerResult::Outcome::Existing ? "existing" : "created";
    Response response = json_response(result.run, skipped ? 200 : 202);
    if (const auto id = result.run.find("id"); id != result.run.end())
        response.headers.emplace_back("Location", "/api/v1/runs/" + id->dump());
    return response;
}

std::vector<SourceFile> source_files(const Json& body) {
    only_members(body, {"files"});
    const auto files = body.find("files");
    if (files == body.end() || !files->is_array())
        throw Problem(422, "'files' is missing", "send {\"files\": [{\"name\": ..., \"text\": ...}]}");
    std::vector<SourceFile> sources;
    for (const Json& file : *files) {
        if (!file.is_object())
            throw Problem(422, "'files' holds something that is no object", "send {\"name\": ..., \"text\": ...} in each place");
        only_members(file, {"name", "text"});
        SourceFile source;
        source.name = text_member(file, "name");
        source.text = text_member(file, "text");
        if (source.name.empty()) source.name = "flow.yaml";
        sources.push_back(std::move(source));
    }
    return sources;
}

} // namespace

awaitable<Response> list_flows(Api& api, const Request&) { co_return json_response(co_await api.read_models.flows()); }

awaitable<Response> show_flow(Api& api, const Request& request) {
    co_return json_response(co_await api.read_models.flow(request.param("name")));
}

awaitable<Response> show_plan(Api& api, const Request& request) {
    co_return json_response(co_await api.read_models.plan(request.param("name")));
}

awaitable<Response> validate_flows(Api& api, const Request& request) {
    auto files = source_files(request.json_object());
    Json list = Json::object();
    list["items"] = co_await api.validator.validate(std::move(files));
    list["next"] = nullptr;
    co_return json_response(list);
}

awaitable<Response> trigger_run(Api& api, const Request& request) {
    auto trigger = trigger_request(request);
    co_return trigger_response(co_await api.service.trigger(std::move(trigger)));
}

awaitable<Response> start_backfill(Api& api, const Request& request) {
    const Json body = request.json_object();
    auto backfill = backfill_request(request, body);
    if (flag_member(body, "dry_run")) co_return json_response(co_await api.service.plan_backfill(std::move(backfill)));
    co_return trigger_response(co_await api.service.trigger(std::move(backfill)));
}

awaitable<Response> deploy_flows(Api& api, const Request& request) {
    const Json body = request.json_object();
    only_members(body, {"folders", "dry_run"});
    DeployRequest deploy;
    deploy.folders = texts_member(body, "folders");
    if (!deploy.folders.empty() && !request.caller.is_proven)
        throw Problem(403, "without a key any user of this machine may ask at this port, and a folder may hold commands to run",
                      "ask over the daemon's socket, as `millrace deploy FOLDER` does; or name no folder: those of its millrace.yaml");
    deploy.dry_run = flag_member(body, "dry_run");
    co_return json_response(co_await api.service.deploy(std::move(deploy)));
}

} // namespace millrace::handlers
