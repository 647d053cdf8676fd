#include "daemon/cli/taken_address.hpp"

#include "daemon/cli/api_client.hpp"
#include "daemon/cli/asked_installation.hpp"
#include "daemon/cli/format.hpp"
#include "daemon/listeners.hpp"
#include "flows/error.hpp"
#include "web/server.hpp"

#include <fmt/format.h>

#include <chrono>

namespace millrace {
namespace {

/// What a daemon says of its settings, if it is one that lets us ask; else an empty object.
Json settings_at(ApiAddress address) {
    address.patience = std::chrono::seconds(1);
    try {
        return ApiClient(std::move(address)).get("/api/v1/doctor").value("settings", Json::object());
    } catch (const std::exception&) {
        return Json::object(); // somebody else
    }
}

Error is_up_already(const Json& settings, const Configuration& configuration, const std::string& listeners) {
    const auto pid = text_of(settings, "pid"), url = text_of(settings, "url");
    const auto process = pid.empty() ? listeners : "process " + pid;
    return {ErrorClass::Permanent,
            fmt::format("a daemon is up already: {}{}{}", process.empty() ? "" : process + ", ", url.empty() ? "" : url + ", ",
                        installation_text(configuration.state.string(), text_of(settings, "file"))),
            "use it; or end it first, with Ctrl-C where it runs (or: systemctl stop millrace)"};
}

void check_is_down(const Configuration& configuration) {
    const auto settings = settings_at({configuration.socket().string(), "", ""});
    const auto listeners = listener_of(configuration.socket());
    if (!settings.empty() || !listeners.empty()) throw is_up_already(settings, configuration, listeners);
}

/// Whoever listens at the endpoint: "the Millrace daemon of ..", "process 4711 (nginx)".
std::string holder_text(const Json& settings, const std::string& listener) {
    const auto state = text_of(settings, "state"), file = text_of(settings, "file");
    if (!state.empty()) return fmt::format("the Millrace daemon of {}, process {},", file.empty() ? state : file, text_of(settings, "pid"));
    return listener.empty() ? "another program" : listener;
}

void check_is_free(const std::string& listen) {
    const auto endpoint = endpoint_of(listen);
    if (!is_taken(endpoint)) return;
    const auto settings = settings_at({"", "http://" + (listen.starts_with(':') ? "127.0.0.1" + listen : listen), ""});
    const auto listener = listener_of(endpoint);
    const bool is_strange = text_of(settings, "state").empty() && !listener.empty();
    const auto free = free_port_beside(endpoint.port(), [&](unsigned short port) { return is_taken({endpoint.address(), port}); });
    throw Error(ErrorClass::Permanent, fmt::format("{} already listens on {}", holder_text(settings, listener), listen),
                fmt::format("{}take another address: --listen {}:{}, or `listen:` in millrace.yaml",
                            is_strange ? "end that one if nobody needs it; or " : "", listen.substr(0, listen.rfind(':')),
                            free ? std::to_string(*free) : "PORT"));
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

void check_can_start(const Configuration& configuration) {
    check_is_down(configuration);
    WebConfig addresses;
    addresses.listen = configuration.listen;
    addresses.socket = configuration.socket().string();
    check_addresses(addresses, NoKeys());
    check_is_free(configuration.listen);
}

} // namespace millrace
