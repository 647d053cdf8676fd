#include "web/api/api.hpp"
#include "web/api/members.hpp"

namespace millrace::handlers {

namespace {

/// These take no member yet accept `{}`, which is what a client sends that always sends JSON.
std::int64_t run_without_body(const Request& request) {
    only_members(request.json_object(), {});
    return request.id_param("id");
}

RerunRequest rerun_request(const Request& request) {
    const Json body = request.json_object();
    only_members(body, {"from", "task", "allow_deletes", "params", "plan", "idempotency_key"});
    const std::string from = text_member(body, "from");
    RerunRequest rerun;
    rerun.run_id = request.id_param("id");
    rerun.task = text_member(body, "task");
    rerun.by = request.caller.name;
    if (const auto rows = integer_member(body, "allow_deletes")) {
        if (*rows < 1) throw Problem(422, "'allow_deletes' is " + std::to_string(*rows), "send how many rows may be deleted, from 1 on");
        rerun.allow_deletes = *rows;
    }
    rerun.params = object_member(body, "params");
    rerun.idempotency_key = idempotency_key(request, body);
    const std::string plan = text_member(body, "plan");
    if (!plan.empty() && plan != "newest" && plan != "pinned") throw Problem(422, "'plan' is '" + plan + "'", "it is newest or pinned");
    rerun.pinned = plan == "pinned";
    if (from == "failed") {
        rerun.from = RerunRequest::From::Failed;
    } else if (from == "task" || (from.empty() && !rerun.task.empty())) {
        rerun.from = RerunRequest::From::Task;
    } else if (!from.empty() && from != "start") {
        throw Problem(422, "'from' is '" + from + "'", "it is start, failed or task");
    }
    if ((rerun.from == RerunRequest::From::Task) != !rerun.task.empty())
        throw Problem(422, rerun.task.empty() ? "'task' is missing" : "'task' is given, but 'from' is " + from,
                      "send {\"from\": \"task\", \"task\": NAME}");
    return rerun;
}

} // namespace

awaitable<Response> cancel_run(Api& api, const Request& request) {
    co_return json_response(co_await api.service.cancel(run_without_body(request), request.caller.name), 202);
}

awaitable<Response> pause_run(Api& api, const Request& request) {
    co_return json_response(co_await api.service.pause(run_without_body(request), request.caller.name), 202);
}

awaitable<Response> resume_run(Api& api, const Request& request) {
    co_return json_response(co_await api.service.resume(run_without_body(request), request.caller.name), 202);
}

awaitable<Response> rerun_run(Api& api, const Request& request) {
    auto rerun = rerun_request(request);
    const Json run = co_await api.service.rerun(std::move(rerun));
    Response response = json_response(run, run.value("outcome", "") == "skipped" ? 200 : 202);
    if (const auto id = run.find("id"); id != run.end()) response.headers.emplace_back("Location", "/api/v1/runs/" + id->dump());
    co_return response;
}

awaitable<Response> approve_task(Api& api, const Request& request) {
    const Json body = request.json_object();
    only_members(body, {"decision", "comment"});
    const std::string decision = text_member(body, "decision");
    const std::string comment = text_member(body, "comment");
    const std::int64_t id = request.id_param("id");
    if (decision == "reject")
        co_return json_response(co_await api.service.reject(id, request.param("task"), comment, request.caller.name), 202);
    if (!body.contains("decision")) throw Problem(422, "'decision' is missing", "it is approve or reject");
    if (decision != "approve") throw Problem(422, "'decision' is '" + decision + "'", "it is approve or reject");
    co_return json_response(co_await api.service.approve(id, request.param("task"), comment, request.caller.name), 202);
}

} // namespace millrace::handlers
