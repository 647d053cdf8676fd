#include "web/problem.hpp"
#include "web/route_table.hpp"

#include <algorithm>

namespace millrace {

namespace {

/// "/runs/7/" and "/runs/7" -> {"runs", "7"}
std::vector<std::string_view> parts_of(std::string_view path) {
    std::vector<std::string_view> parts;
    for (std::size_t at = 1; at < path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        parts.push_back(path.substr(at, end - at));
        at = end + 1;
    }
    return parts;
}

bool is_param(std::string_view part) { return part.starts_with('{'); }

bool matches(std::span<const std::string_view> pattern, std::span<const std::string_view> path) {
    return std::equal(pattern.begin(), pattern.end(), path.begin(), path.end(), [](std::string_view expected, std::string_view part) {
        return is_param(expected) ? !part.empty() : expected == part;
    });
}

std::string_view name_of(Method method) {
    switch (method) {
    case Method::Get: return "GET";
    case Method::Head: return "HEAD";
    case Method::Post: return "POST";
    case Method::Patch: return "PATCH";
    case Method::Other: break;
    }
    return "?";
}

void take_params(Request& request, std::span<const std::string_view> pattern, std::span<const std::string_view> path) {
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (!is_param(pattern[i])) continue;
        auto value = percent_decoded(path[i]);
        if (!value)
            throw Problem(400, "in the path, '" + std::string(path[i]) +
                                   "' has an escape that is broken, or stands for a NUL or for what is no UTF-8");
        request.params.emplace_back(pattern[i].substr(1, pattern[i].size() - 2), std::move(*value));
    }
}

void check_query(const Request& request, const Route& route) {
    for (const auto& [name, value] : request.query) {
        const bool known = std::any_of(route.query.begin(), route.query.end(), [&](const QueryMember& m) { return m.name == name; });
        if (known) continue;
        std::string all;
        for (const QueryMember& member : route.query) all += (all.empty() ? "" : ", ") + std::string(member.name);
        throw Problem(422, "'" + name + "' is no query member of " + std::string(route.pattern),
                      all.empty() ? "it takes none" : "it takes " + all);
    }
}

} // namespace

std::vector<std::string_view> pattern_params(std::string_view pattern) {
    std::vector<std::string_view> names;
    for (const std::string_view part : parts_of(pattern)) {
        if (is_param(part)) names.push_back(part.substr(1, part.size() - 2));
    }
    return names;
}

const Route& find_route(Request& request) {
    const auto path = parts_of(request.path);
    const Method method = request.method == Method::Head ? Method::Get : request.method;
    const Route* found = nullptr;
    std::string allowed;
    for (const Route& route : routes()) {
        const auto pattern = parts_of(route.pattern);
        if (!matches(pattern, path)) continue;
        if (route.method == method) {
            found = &route;
            take_params(request, pattern, path);
            break;
        }
        if (allowed.find(name_of(route.method)) == std::string::npos)
            allowed += (allowed.empty() ? "" : ", ") + std::string(name_of(route.method));
    }
    if (!found && !allowed.empty()) {
        Problem problem(405, "this path does not take the request's method", "it takes " + allowed);
        problem.headers.emplace_back("Allow", allowed);
        throw problem;
    }
    if (!found) throw Problem(404, "there is nothing at " + request.path, "GET /api/v1/openapi.json lists every path");
    if (found->pattern.starts_with("/api/")) check_query(request, *found);
    return *found;
}

} // namespace millrace
