#include "web/api/api.hpp"
#include "web/dashboard_files.hpp"
#include "web/problem.hpp"

namespace millrace::handlers {

awaitable<Response> show_dashboard(Api& api, const Request& request) { co_return api.dashboard.page(request.header("if-none-match")); }

awaitable<Response> show_asset(Api& api, const Request& request) {
    auto file = api.dashboard.asset(request.param("file"));
    if (!file) throw Problem(404, "the dashboard has no file " + request.param("file"), "reload the page");
    co_return std::move(*file);
}

} // namespace millrace::handlers
