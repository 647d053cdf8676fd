/// What the handlers work with, and every handler by name. A handler answers one route of route_table.cpp; it is a
/// coroutine on the loop's thread, and throws Problem, Refusal or Error for everything that is not the answer.
#pragma once

#include "web/event_streams.hpp"
#include "web/http.hpp"

#include "scheduler/read_models.hpp"
#include "scheduler/service.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

namespace millrace {

class Dashboard;

/// A flow file that is not deployed, as `POST flows/validate` receives it.
struct SourceFile {
    std::string name; ///< for the diagnostics only
    std::string text;
};

/// Compiles texts with the connections, limits and channels of this daemon. The daemon gives it to the server.
class FlowValidator {
public:
    virtual ~FlowValidator() = default;
    /// `[{file, line, column, severity, message, hint}]`, empty for files without mistakes.
    [[nodiscard]] virtual boost::asio::awaitable<Json> validate(std::vector<SourceFile> files) = 0;
};

struct Api {
    Service& service;
    ReadModels& read_models;
    FlowValidator& validator;
    EventStreams& events;
    const Dashboard& dashboard;
    boost::asio::any_io_executor executor;
};

using Handler = boost::asio::awaitable<Response> (*)(Api& api, const Request& request);

namespace handlers {

using boost::asio::awaitable;

// api/health.cpp
awaitable<Response> healthz(Api&, const Request&);
awaitable<Response> readyz(Api&, const Request&);
awaitable<Response> show_metrics(Api&, const Request&);

// api/flows.cpp
awaitable<Response> list_flows(Api&, const Request&);
awaitable<Response> show_flow(Api&, const Request&);
awaitable<Response> show_plan(Api&, const Request&);
awaitable<Response> validate_flows(Api&, const Request&);
awaitable<Response> trigger_run(Api&, const Request&);
awaitable<Response> start_backfill(Api&, const Request&);
awaitable<Response> deploy_flows(Api&, const Request&);

// api/runs.cpp
awaitable<Response> list_runs(Api&, const Request&);
awaitable<Response> show_run(Api&, const Request&);
awaitable<Response> list_tasks(Api&, const Request&);
awaitable<Response> show_graph(Api&, const Request&);
awaitable<Response> list_logs(Api&, const Request&);
awaitable<Response> list_run_events(Api&, const Request&);
awaitable<Response> show_dataset(Api&, const Request&);
awaitable<Response> show_rejected(Api&, const Request&);

// api/run_actions.cpp
awaitable<Response> cancel_run(Api&, const Request&);
awaitable<Response> pause_run(Api&, const Request&);
awaitable<Response> resume_run(Api&, const Request&);
awaitable<Response> rerun_run(Api&, const Request&);
awaitable<Response> approve_task(Api&, const Request&);

// api/schedules.cpp
awaitable<Response> list_schedules(Api&, const Request&);
awaitable<Response> change_schedules(Api&, const Request&);

// api/operations.cpp
awaitable<Response> list_limits(Api&, const Request&);
awaitable<Response> list_nodes(Api&, const Request&);
awaitable<Response> show_doctor(Api&, const Request&);
awaitable<Response> follow_events(Api&, const Request&);
awaitable<Response> show_openapi(Api&, const Request&);

// api/pages.cpp
awaitable<Response> show_dashboard(Api&, const Request&);
awaitable<Response> show_asset(Api&, const Request&);

} // namespace handlers

} // namespace millrace
