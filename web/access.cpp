#include "web/access.hpp"

#include "flows/letters.hpp"
#include "web/problem.hpp"

#include <algorithm>
#include <array>

#include <pwd.h>
#include <unistd.h>

namespace millrace {

namespace {

constexpr std::string_view bearer = "bearer ";
constexpr std::string_view json_hint = "add the header 'Content-Type: application/json'";

/// "localhost:8686" -> "localhost", "[::1]:8686" -> "[::1]".
std::string host_name(std::string_view host) {
    if (host.starts_with('[')) return lower_case(host.substr(0, host.find(']') + 1));
    return lower_case(host.substr(0, host.find(':')));
}

/// "localhost:8687" -> "8687".
std::string port_in(std::string_view host) {
    const auto port = host.substr(std::min(host.rfind(':'), host.size() - 1) + 1);
    const bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos;
    return digits ? std::string(port) : "PORT";
}

bool is_allowed_host(const std::string& name, const AccessRules& rules) {
    if (name == "localhost" || name == "127.0.0.1" || name == "[::1]") return true;
    return std::find(rules.hosts.begin(), rules.hosts.end(), name) != rules.hosts.end();
}

/// "ann"; "uid 1000" where this machine has no such user.
std::string user_name(std::uint32_t uid) {
    std::array<char, 4096> text{};
    passwd entry{};
    passwd* found = nullptr;
    const bool known = ::getpwuid_r(uid, &entry, text.data(), text.size(), &found) == 0 && found != nullptr;
    return known ? entry.pw_name : "uid " + std::to_string(uid);
}

bool is_json(std::string_view content_type) {
    std::string type = lower_case(content_type.substr(0, content_type.find(';')));
    while (!type.empty() && type.back() == ' ') type.pop_back();
    return type == "application/json" || type == "application/merge-patch+json";
}

} // namespace

Caller identify(const Request& request, const Peer& peer, const KeyRing& keys) {
    const std::string_view authorization = request.header("authorization");
    if (!authorization.empty() && !keys.is_empty()) {
        if (authorization.size() <= bearer.size() || lower_case(authorization.substr(0, bearer.size())) != bearer)
            throw Problem(401, "the Authorization header is no 'Bearer KEY'", "send 'Authorization: Bearer KEY'");
        auto caller = keys.find(authorization.substr(bearer.size()));
        if (!caller) throw Problem(401, "the key is unknown or revoked", "ask whoever runs this daemon for another");
        return *caller;
    }
    Caller caller;
    if (peer.kind == Peer::Kind::Unix) {
        caller.name = user_name(peer.uid);
        if (peer.uid == 0 || peer.uid == ::geteuid()) caller.access = Access::Admin;
    } else if (keys.is_empty()) {
        caller.name = "local";
        caller.access = Access::Admin;
        caller.is_proven = false;
    } else {
        caller.name = "anonymous";
    }
    return caller;
}

void require_access(const Request& request, const Peer& peer, Access needed) {
    if (request.caller.access >= needed) return;
    const std::string scope(to_string(needed));
    if (request.caller.access != Access::Public)
        throw Problem(403,
                      request.caller.name + " has the scope " + std::string(to_string(request.caller.access)) + ", this needs " + scope,
                      "use a key of scope " + scope);
    if (peer.kind == Peer::Kind::Unix)
        throw Problem(403, request.caller.name + " is neither root nor the daemon's own user, uid " + std::to_string(::geteuid()),
                      "use sudo, run as that user, or set MILLRACE_KEY to a key of scope " + scope);
    throw Problem(401, "this needs a key of scope " + scope, "send 'Authorization: Bearer KEY' (MILLRACE_KEY for the command line)");
}

void check_browser(const Request& request, const AccessRules& rules) {
    const std::string_view host = request.header("host");
    const std::string name = host_name(host);
    if (!is_allowed_host(name, rules))
        throw Problem(421, "the Host '" + name + "' is not one of this daemon's names",
                      "use localhost or 127.0.0.1; from another machine, an SSH tunnel: ssh -L " + port_in(host) +
                          ":127.0.0.1:" + port_in(host) + " HOST");
    const std::string origin = lower_case(request.header("origin"));
    if (!origin.empty() && origin != "http://" + lower_case(host))
        throw Problem(403, "a page of another origin (" + origin + ") may not use this daemon", "open the dashboard of this daemon");
    if (lower_case(request.header("sec-fetch-site")) == "cross-site" && request.method != Method::Get && request.method != Method::Head)
        throw Problem(403, "a page of another site may not use this daemon", "open the dashboard of this daemon");
}

void check_content_type(const Request& request, bool browsers_reach_us) {
    if (is_json(request.header("content-type"))) return;
    const bool changes = request.method != Method::Get && request.method != Method::Head;
    if (browsers_reach_us && changes)
        throw Problem(415, "a request that changes something must be application/json, which a page of another site cannot send",
                      std::string(json_hint));
    if (!request.body.empty()) throw Problem(415, "the body must be application/json", std::string(json_hint));
}

} // namespace millrace
