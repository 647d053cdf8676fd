#include "web/problem.hpp"
#include "web/route_table.hpp"
#include "web/session.hpp"

#include <boost/system/system_error.hpp>

#include <algorithm>

namespace millrace {

namespace {

void split_target(Request& request) {
    const std::size_t question = request.target.find('?');
    request.path = request.target.substr(0, question);
    if (!request.path.starts_with('/')) throw Problem(400, "the request's target is no path");
    if (question == std::string::npos) return;
    auto query = parse_query(std::string_view(request.target).substr(question + 1));
    if (!query)
        throw Problem(400, "the query has an escape that is broken, or stands for a NUL or for what is no UTF-8",
                      "write a percent sign as %25");
    request.query = std::move(*query);
}

/// RFC 9112, 3.2: two of them may mean one thing to a proxy and another to us.
void check_one_host(const Request& request) {
    const auto hosts = std::count_if(request.headers.begin(), request.headers.end(), [](const auto& h) { return h.first == "host"; });
    if (hosts > 1) throw Problem(400, "the request has more than one Host");
}

/// The guards, in this order; each throws Problem.
const Route& admit(const SessionContext& context, Request& request, const Peer& peer) {
    split_target(request);
    check_one_host(request);
    const bool browsers_reach_us = peer.kind == Peer::Kind::Tcp && context.keys.is_empty();
    if (browsers_reach_us) check_browser(request, context.rules);
    const Route& route = find_route(request);
    request.caller = identify(request, peer, context.keys);
    require_access(request, peer, route.access);
    check_content_type(request, browsers_reach_us);
    return route;
}

} // namespace

boost::asio::awaitable<Response> answer(SessionContext& context, Request& request, const Peer& peer) {
    std::exception_ptr thrown;
    try {
        const Route& route = admit(context, request, peer);
        co_return co_await route.handler(context.api, request);
    } catch (const boost::system::system_error& e) {
        if (e.code() == boost::asio::error::operation_aborted) throw;
        thrown = std::current_exception();
    } catch (...) {
        thrown = std::current_exception();
    }
    co_return problem_response(thrown, request.path);
}

} // namespace millrace
