#include "web/api/api.hpp"
#include "web/problem.hpp"

#include "flows/state.hpp"

namespace millrace::handlers {

namespace {

std::vector<std::string> states_of(const Request& request) {
    auto states = request.query_list("state");
    if (states.empty() && request.query_value("state")) throw Problem(422, "'state' is empty", "give one, or leave it out");
    for (const std::string& state : states) {
        try {
            (void)state_from(state);
        } catch (const std::invalid_argument&) {
            throw Problem(
                422, "'" + state + "' is no state",
                "states are scheduled, pending, running, retrying, paused, cancelling, completed, failed, crashed, cancelled, skipped");
        }
    }
    return states;
}

int limit_of(const Request& request, int fallback, int most) { return static_cast<int>(request.query_integer("limit", fallback, 1, most)); }

/// Of a list, with the page that is asked for; without `limit` that of the filter.
template <class Filter>
Filter filter_of_page(const Request& request, int most) {
    Filter filter;
    filter.limit = limit_of(request, filter.limit, most);
    filter.after = request.query_value("after").value_or("");
    return filter;
}

} // namespace

awaitable<Response> list_runs(Api& api, const Request& request) {
    auto filter = filter_of_page<RunFilter>(request, 500);
    filter.flow = request.query_value("flow").value_or("");
    if (filter.flow.empty() && request.query_value("flow")) throw Problem(422, "'flow' is empty", "give one, or leave it out");
    filter.states = states_of(request);
    if (request.query_value("parent")) filter.parent = request.query_integer("parent", 0, 1, INT64_MAX);
    co_return json_response(co_await api.read_models.runs(std::move(filter)));
}

awaitable<Response> show_run(Api& api, const Request& request) {
    co_return json_response(co_await api.read_models.run(request.id_param("id")));
}

awaitable<Response> list_tasks(Api& api, const Request& request) {
    auto filter = filter_of_page<TaskFilter>(request, 10000);
    filter.task = request.query_value("task").value_or("");
    filter.states = states_of(request);
    if (const auto items = request.query_value("items")) {
        if (*items != "none") throw Problem(422, "'items' is '" + *items + "'", "write items=none, or leave it out");
        filter.without_items = true;
    }
    co_return json_response(co_await api.read_models.tasks(request.id_param("id"), std::move(filter)));
}

awaitable<Response> show_graph(Api& api, const Request& request) {
    co_return json_response(co_await api.read_models.graph(request.id_param("id")));
}

/// Empty: all. Throws Problem.
static std::string log_level(const std::string& asked) {
    const std::string level = asked == "warn" ? "warning" : asked;
    for (const char* known : {"", "debug", "info", "warning", "error"})
        if (level == known) return level;
    throw Problem(422, "'" + asked + "' is no level of a log", "debug, info, warning or error");
}

awaitable<Response> list_logs(Api& api, const Request& request) {
    auto filter = filter_of_page<LogFilter>(request, 10000);
    filter.task = request.query_value("task").value_or("");
    filter.attempt = static_cast<int>(request.query_integer("attempt", 0, 0, INT32_MAX));
    filter.search = request.query_value("search").value_or("");
    filter.level = log_level(request.query_value("level").value_or(""));
    co_return json_response(co_await api.read_models.logs(request.id_param("id"), std::move(filter)));
}

awaitable<Response> list_run_events(Api& api, const Request& request) {
    auto filter = filter_of_page<RunEventFilter>(request, 10000);
    if (const auto only = request.query_value("only")) {
        if (*only != "warnings") throw Problem(422, "'only' is '" + *only + "'", "write only=warnings, or leave it out");
        filter.only_warnings = true;
    }
    co_return json_response(co_await api.read_models.events(request.id_param("id"), std::move(filter)));
}

awaitable<Response> show_dataset(Api& api, const Request& request) {
    const int limit = limit_of(request, 20, 1000);
    co_return json_response(co_await api.read_models.dataset(request.id_param("id"), request.param("task"), limit));
}

awaitable<Response> show_rejected(Api& api, const Request& request) {
    const int limit = limit_of(request, 20, 10000);
    co_return json_response(co_await api.read_models.rejected_rows(request.id_param("id"), request.param("task"), limit));
}

} // namespace millrace::handlers
