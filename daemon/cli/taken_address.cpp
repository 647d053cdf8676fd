#include "daemon/cli/taken_address.hpp"

#include "daemon/cli/api_client.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/listeners.hpp"
#include "flows/error.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>

#include <chrono>

namespace millrace {
namespace ip = boost::asio::ip;
namespace {

/// The doctor's facts, if it is a daemon that lets us ask.
Json facts_of(const std::string& listen) {
    try {
        return ApiClient({"", "http://" + listen, "", std::chrono::seconds(1)}).get("/api/v1/doctor");
    } catch (const std::exception&) {
        return {}; // somebody else
    }
}

} // namespace

std::optional<unsigned short> free_port_beside(unsigned short taken, const std::function<bool(unsigned short)>& is_taken) {
    constexpr int first = 1024, last = 65535; // those below are root's
    for (int port = taken + 1; port <= last; ++port)
        if (!is_taken(static_cast<unsigned short>(port))) return static_cast<unsigned short>(port);
    for (int port = taken - 1; port >= first; --port)
        if (!is_taken(static_cast<unsigned short>(port))) return static_cast<unsigned short>(port);
    return std::nullopt;
}

void check_is_free(const Configuration& configuration) {
    const auto& listen = configuration.listen;
    const auto colon = listen.rfind(':');
    if (colon == std::string::npos) return;
    const auto host = listen.substr(0, colon);
    boost::system::error_code failure;
    boost::asio::io_context io;
    const auto found = ip::tcp::resolver(io).resolve(host, listen.substr(colon + 1), ip::tcp::resolver::passive, failure);
    if (failure || found.empty()) return;
    const auto endpoint = found.begin()->endpoint();
    if (!is_taken(endpoint)) return;

    const auto facts = facts_of(listen);
    const auto settings = facts.is_object() ? facts.value("settings", Json()) : Json();
    const auto state = text_of(settings, "state"), file = text_of(settings, "file");
    if (state == configuration.state.string())
        throw Error(ErrorClass::Permanent, fmt::format("the daemon of {} is up already: http://{}", state, listen),
                    "use it; or end it first, with Ctrl-C where it runs");
    const auto free = free_port_beside(endpoint.port(), [&](unsigned short port) { return is_taken({endpoint.address(), port}); });
    const auto holder = listener_of(endpoint);
    const auto who = !state.empty()   ? fmt::format("the Millrace daemon of {}", file.empty() ? state : file)
                     : holder.empty() ? "another program"
                                      : holder;
    throw Error(ErrorClass::Permanent, fmt::format("{} already listens on {}", who, listen),
                fmt::format("{}take another address: --listen {}:{}, or `listen:` in millrace.yaml",
                            state.empty() && !holder.empty() ? "end that one if nobody needs it; or " : "", host,
                            free ? std::to_string(*free) : "PORT"));
}

} // namespace millrace
