#include "web/api/api.hpp"
#include "web/openapi.hpp"
#include "web/problem.hpp"

#include <algorithm>
#include <array>

namespace millrace::handlers {

awaitable<Response> list_limits(Api& api, const Request&) { co_return json_response(co_await api.read_models.limits()); }

awaitable<Response> list_nodes(Api& api, const Request&) { co_return json_response(co_await api.read_models.nodes()); }

awaitable<Response> show_doctor(Api& api, const Request&) { co_return json_response(co_await api.read_models.doctor()); }

awaitable<Response> follow_events(Api& api, const Request& request) {
    constexpr std::array<std::string_view, 4> types{"run", "task_run", "progress", "flow"};
    EventFilter filter;
    filter.types = request.query_list("types");
    for (const std::string& type : filter.types) {
        if (std::find(types.begin(), types.end(), type) == types.end())
            throw Problem(422, "'" + type + "' is no type of event", "types are run, task_run, progress, flow");
    }
    filter.run_id = request.query_integer("run", 0, 1, INT64_MAX);
    Response response;
    response.content_type = "text/event-stream";
    response.feed = api.events.open(api.executor, std::move(filter));
    co_return response;
}

awaitable<Response> show_openapi(Api&, const Request&) { co_return json_response(openapi_document()); }

} // namespace millrace::handlers
