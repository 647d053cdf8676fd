#include "web/api/api.hpp"
#include "web/api/members.hpp"

namespace millrace::handlers {

awaitable<Response> list_schedules(Api& api, const Request&) { co_return json_response(co_await api.read_models.schedules()); }

awaitable<Response> change_schedules(Api& api, const Request& request) {
    const Json body = request.json_object();
    only_members(body, {"paused"});
    if (!body.contains("paused")) throw Problem(422, "'paused' is missing", "send {\"paused\": true} or {\"paused\": false}");
    const bool paused = flag_member(body, "paused");
    (void)co_await api.service.set_schedules_paused(request.param("flow"), paused);
    co_return json_response(co_await api.read_models.flow(request.param("flow")));
}

} // namespace millrace::handlers
