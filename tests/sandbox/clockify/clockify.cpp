#include "clockify.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "../mix.hpp"
#include "api_error.hpp"
#include "lists.hpp"
#include "report_query.hpp"

namespace millrace::sandbox {

namespace {

constexpr std::array<const char*, 4> workspace_names{"Hafenblick Digital GmbH", "Zweigstelle Wien", "Agência São Paulo", "Studio Dublin"};

std::vector<std::string> segments(const std::string& path) {
    std::vector<std::string> parts;
    std::size_t from = 0;
    while (from < path.size()) {
        const std::size_t slash = path.find('/', from);
        const std::size_t until = slash == std::string::npos ? path.size() : slash;
        if (until > from) parts.push_back(path.substr(from, until - from));
        from = until + 1;
    }
    return parts;
}

Response failure(const ApiError& error) {
    std::string body = "{\"message\":\"";
    append_escaped(body, error.message);
    Response response;
    response.status = error.status;
    response.body = fmt::format("{}\",\"code\":{}}}", body, error.code);
    return response;
}

/// So that people and projects stay believable when there are many entries.
ClockifySettings complete(ClockifySettings settings) {
    const auto per_person = std::max<std::uint64_t>(1, usual_entries(1000, settings.days, settings.today) / 1000);
    if (settings.people == 0) settings.people = static_cast<int>(std::clamp<std::uint64_t>(settings.entries / per_person, 50, 100'000));
    if (settings.projects == 0) settings.projects = std::max(200, settings.people * 2 / 5);
    if (settings.entries == 0) settings.entries = usual_entries(settings.people, settings.days, settings.today);
    return settings;
}

} // namespace

Clockify::Clockify(const ClockifySettings& settings) : settings_(complete(settings)) {
    for (int at = 0; at < settings_.workspaces; ++at) {
        TimesheetSettings sheet{mix(settings_.seed, 0x75, static_cast<std::uint64_t>(at)), settings_.entries, settings_.days,
                                settings_.today, settings_.zone};
        CompanySize size{settings_.people, settings_.projects};
        if (at > 0) {
            size = {12 + at, 30 + at};
            sheet.entries = std::min(settings_.entries, usual_entries(size.people, settings_.days, settings_.today));
        }
        const std::string name = at < static_cast<int>(workspace_names.size()) ? workspace_names[static_cast<std::size_t>(at)]
                                                                               : fmt::format("Workspace {}", at + 1);
        const std::string key = at == 0 ? settings_.api_key : fmt::format("{}-{}", settings_.api_key, at + 1);
        workspaces_.push_back(std::make_unique<Workspace>(fmt::format("64a687e29ae1f428e7ebe3{:02x}", at + 1), name, key,
                                                          mix(settings_.seed, static_cast<std::uint64_t>(at)), size, sheet));
    }
}

bool Clockify::owns(const std::string& path) {
    return path.starts_with("/api/v1") || path.starts_with("/v1/") || path.starts_with("/report/v1/");
}

Workspace* Clockify::workspace(const std::string& id) {
    for (auto& workspace : workspaces_) {
        if (id.empty() || workspace->id == id) return workspace.get();
    }
    return nullptr;
}

Workspace& Clockify::authenticate(const Request& request) {
    const std::string key = request.header("x-api-key"), token = request.header("x-addon-token");
    if (key.empty() == token.empty()) throw ApiError{401, 1000, "Multiple or none auth tokens present"};
    if (!token.empty()) throw ApiError{401, 4017, "Token is not valid"};
    for (auto& workspace : workspaces_) {
        if (workspace->key == key) return *workspace;
    }
    throw ApiError{401, 4003, "Api key does not exist"};
}

Response Clockify::answer(const Request& request) {
    try {
        return route(request);
    } catch (const ApiError& error) {
        return failure(error);
    }
}

Response Clockify::route(const Request& request) {
    Workspace& workspace = authenticate(request);
    std::vector<std::string> path = segments(request.path);
    const bool is_report_host = path.front() != "api";
    path.erase(path.begin(), path.begin() + (path.front() == "v1" ? 1 : 2));
    if (path.size() >= 2 && path[0] == "workspaces" && path[1] != workspace.id) throw invalid("Workspace doesn't belong to user");
    if (!is_report_host) return core(request, workspace, path);
    if (path.size() == 4 && path[0] == "workspaces" && path[2] == "reports") return report(request, workspace, path[3]);
    throw ApiError{404, 3000, fmt::format("No static resource {}.", request.path.substr(1))};
}

Response Clockify::core(const Request& request, Workspace& workspace, const std::vector<std::string>& path) {
    const bool inside = path.size() >= 3 && path[0] == "workspaces";
    const auto is = [&](std::size_t size, const char* name) { return inside && path.size() == size && path[2] == name; };
    const auto get = [&] {
        if (request.method != "GET") throw ApiError{405, 3000, fmt::format("Request method '{}' is not supported", request.method)};
    };
    if (path.size() == 1 && path[0] == "user") return get(), current_user(request, workspace);
    if (path.size() == 1 && path[0] == "workspaces") return get(), list_workspaces(workspace);
    if (path.size() == 2 && path[0] == "workspaces") return get(), one_workspace(workspace);
    if (is(3, "clients")) return get(), list_clients(request, workspace);
    if (is(4, "clients")) return get(), one_client(workspace, path[3]);
    if (is(3, "projects")) return get(), list_projects(request, workspace);
    if (is(4, "projects")) return get(), one_project(request, workspace, path[3]);
    if (is(5, "projects") && path[4] == "tasks") return get(), list_tasks(request, workspace, path[3]);
    if (is(3, "users")) return get(), list_users(request, workspace);
    if (is(3, "tags")) return get(), list_tags(request, workspace);
    if (is(5, "user") && path[4] == "time-entries") return get(), list_time_entries(request, workspace, path[3]);
    throw ApiError{404, 3000, fmt::format("No static resource {}.", request.path.substr(request.path.starts_with("/api/") ? 5 : 1))};
}

Response Clockify::report(const Request& request, Workspace& workspace, const std::string& kind) {
    if (kind != "summary" && kind != "detailed") throw ApiError{404, 3000, fmt::format("No static resource {}.", request.path.substr(1))};
    if (request.method != "POST") throw ApiError{405, 3000, fmt::format("Request method '{}' is not supported", request.method)};
    const ReportQuery query(request.body, workspace);
    if (settings_.free_plan && query.to - query.from > 31 * seconds_per_day)
        throw invalid("Date range on the free plan can't be longer than 31 days");
    Response response;
    if (kind == "detailed") {
        if (!query.is_detailed) throw invalid("detailedFilter can't be null");
        response.body = kept_report(workspace, query);
    } else {
        if (query.groups.empty() || query.groups.size() > 3) throw invalid("summaryFilter.groups size must be between 1 and 3");
        response.body = summary_report(workspace, query, settings_.untagged_groups);
    }
    return response;
}

std::string Clockify::kept_report(Workspace& workspace, const ReportQuery& query) {
    if (settings_.cache_bytes == 0) return detailed_report(workspace, query);
    Workspace::Memory& memory = workspace.memory();
    const std::string key = query.answer_key();
    if (const auto known = memory.pages.find(key); known != memory.pages.end()) return known->second;
    std::string report = detailed_report(workspace, query);
    if (memory.page_bytes + report.size() <= settings_.cache_bytes) {
        memory.page_bytes += report.size();
        memory.pages.emplace(key, report);
    }
    return report;
}

} // namespace millrace::sandbox
