#include "daemon/cli/taken_address.hpp"

#include "daemon/cli/api_client.hpp"
#include "daemon/cli/format.hpp"
#include "flows/error.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>

#include <future>
#include <thread>

namespace millrace {
namespace ip = boost::asio::ip;
namespace {

bool is_taken(boost::asio::io_context& io, const ip::tcp::endpoint& endpoint) {
    boost::system::error_code failure;
    ip::tcp::acceptor acceptor(io);
    acceptor.open(endpoint.protocol(), failure);
    acceptor.set_option(ip::tcp::acceptor::reuse_address(true), failure);
    if (failure) return false;
    acceptor.bind(endpoint, failure);
    return failure == boost::asio::error::address_in_use;
}

/// The doctor's facts, if it is a daemon that lets us ask. On a thread that may be left behind: whoever listens there need
/// not answer at all.
Json facts_of(const std::string& listen) {
    auto promise = std::make_shared<std::promise<Json>>();
    auto answer = promise->get_future();
    std::thread([promise, listen] {
        Json facts;
        try {
            facts = ApiClient({"", "http://" + listen, ""}).get("/api/v1/doctor");
        } catch (const std::exception&) {
            // somebody else
        }
        promise->set_value(std::move(facts));
    }).detach();
    return answer.wait_for(std::chrono::seconds(2)) == std::future_status::ready ? answer.get() : Json();
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
    auto endpoint = found.begin()->endpoint();
    if (!is_taken(io, endpoint)) return;

    const auto facts = facts_of(listen);
    const auto settings = facts.is_object() ? facts.value("settings", Json()) : Json();
    const auto state = text_of(settings, "state"), file = text_of(settings, "file");
    if (state == configuration.state.string())
        throw Error(ErrorClass::Permanent, fmt::format("the daemon of {} is up already: http://{}", state, listen),
                    "use it; or end it first, with Ctrl-C where it runs");
    const auto free = free_port_beside(endpoint.port(), [&](unsigned short port) {
        endpoint.port(port);
        return is_taken(io, endpoint);
    });
    const auto who = state.empty() ? "another program" : fmt::format("the Millrace daemon of {}", file.empty() ? state : file);
    throw Error(
        ErrorClass::Permanent, fmt::format("{} already listens on {}", who, listen),
        fmt::format("take another address: --listen {}:{}, or `listen:` in millrace.yaml", host, free ? std::to_string(*free) : "PORT"));
}

} // namespace millrace
