#include "lists.hpp"

#include <algorithm>
#include <charconv>
#include <functional>

#include <fmt/format.h>

#include "api_error.hpp"
#include "objects.hpp"

namespace millrace::sandbox {

namespace {

constexpr std::uint64_t default_page_size = 50, largest_page_size = 5000;

std::optional<bool> boolean(const Request& request, const std::string& name) {
    const auto value = request.parameter(name);
    if (!value || value->empty()) return std::nullopt;
    if (*value == "true") return true;
    if (*value == "false") return false;
    throw ApiError{400, 3000,
                   fmt::format("Method parameter '{}': Failed to convert value of type 'java.lang.String' to required "
                               "type 'java.lang.Boolean'; "
                               "Invalid boolean value [{}]",
                               name, *value)};
}

std::uint64_t number(const Request& request, const std::string& name, std::uint64_t otherwise, std::uint64_t most) {
    const auto value = request.parameter(name);
    if (!value || value->empty()) return otherwise;
    std::int64_t parsed = 0;
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), parsed);
    if (error != std::errc{} || end != value->data() + value->size()) {
        throw ApiError{400, 3000,
                       fmt::format("Method parameter '{}': Failed to convert value of type 'java.lang.String' to "
                                   "required type 'java.lang.Integer'; "
                                   "For input string: \"{}\"",
                                   name, *value)};
    }
    if (parsed < 1 || static_cast<std::uint64_t>(parsed) > most) throw invalid(fmt::format("{} must be between 1 and {}", name, most));
    return static_cast<std::uint64_t>(parsed);
}

bool contains(const std::string& text, const std::string& part) {
    const auto same = [](char a, char b) {
        return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
    };
    return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

bool name_matches(const Request& request, const std::string& name) {
    const auto wanted = request.parameter("name");
    if (!wanted || wanted->empty()) return true;
    return boolean(request, "strict-name-search").value_or(false) ? name == *wanted : contains(name, *wanted);
}

bool before(const std::string& a, const std::string& b) {
    const auto less = [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) < std::tolower(static_cast<unsigned char>(y));
    };
    if (std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), less)) return true;
    if (std::lexicographical_compare(b.begin(), b.end(), a.begin(), a.end(), less)) return false;
    return a < b;
}

/// What a list holds: those of `count` that `wanted` admits, by `sort_key`, the page of them that the request names.
struct Listing {
    std::size_t count;
    std::function<bool(std::size_t)> wanted;
    std::function<std::string(std::size_t)> sort_key;
    std::function<Json(std::size_t)> json;
};

Response paged(const Request& request, const std::vector<std::size_t>& found, const std::function<Json(std::size_t)>& json) {
    const std::uint64_t page = number(request, "page", 1, 1'000'000'000),
                        size = number(request, "page-size", default_page_size, largest_page_size);
    Json list = Json::array();
    for (std::uint64_t at = (page - 1) * size; at < std::min<std::uint64_t>(page * size, found.size()); ++at)
        list.push_back(json(found[at]));
    Response response;
    response.body = list.dump();
    response.headers.emplace_back("Last-Page", page * size >= found.size() ? "true" : "false");
    return response;
}

Response answer(const Request& request, const Listing& listing) {
    std::vector<std::size_t> found;
    for (std::size_t at = 0; at < listing.count; ++at) {
        if (listing.wanted(at)) found.push_back(at);
    }
    std::stable_sort(found.begin(), found.end(),
                     [&](std::size_t a, std::size_t b) { return before(listing.sort_key(a), listing.sort_key(b)); });
    if (request.parameter("sort-order") == "DESCENDING") std::reverse(found.begin(), found.end());
    return paged(request, found, listing.json);
}

std::string sort_column(const Request& request, const std::string& otherwise, std::initializer_list<const char*> accepted) {
    const std::string column = request.parameter("sort-column").value_or(otherwise);
    if (std::any_of(accepted.begin(), accepted.end(), [&](const char* one) { return column == one; })) return column;
    throw ApiError{400, 3000,
                   fmt::format("Method parameter 'sort-column': Failed to convert value of type 'java.lang.String' to required type; "
                               "No enum constant for value [{}]",
                               column)};
}

Memberships memberships_of(const Request& request) {
    const std::string value = request.parameter("memberships").value_or("NONE");
    if (value == "NONE" || value.empty()) return Memberships::None;
    if (value == "ALL") return Memberships::All;
    if (value == "WORKSPACE") return Memberships::Workspace;
    if (value == "PROJECT") return Memberships::Project;
    if (value == "USERGROUP") return Memberships::UserGroup;
    throw ApiError{400, 3000,
                   fmt::format("Method parameter 'memberships': Failed to convert value of type 'java.lang.String' to required type; "
                               "No enum constant for value [{}]",
                               value)};
}

const Project& known_project(const Workspace& workspace, const std::string& id) {
    const int at = workspace.company.project_of(id);
    if (at < 0) throw invalid("Project doesn't belong to Workspace");
    return workspace.company.projects[static_cast<std::size_t>(at)];
}

Response of(const Json& json) {
    Response response;
    response.body = json.dump();
    return response;
}

} // namespace

Response list_clients(const Request& request, const Workspace& workspace) {
    const auto& clients = workspace.company.clients;
    const auto archived = boolean(request, "archived");
    sort_column(request, "NAME", {"NAME"});
    return answer(
        request,
        {clients.size(),
         [&](std::size_t at) { return (!archived || clients[at].archived == *archived) && name_matches(request, clients[at].name); },
         [&](std::size_t at) { return clients[at].name; }, [&](std::size_t at) { return client_json(clients[at], workspace); }});
}

Response list_projects(const Request& request, Workspace& workspace) {
    const auto& projects = workspace.company.projects;
    const auto archived = boolean(request, "archived"), billable = boolean(request, "billable");
    const bool hydrated = boolean(request, "hydrated").value_or(false);
    const std::string column = sort_column(request, "NAME", {"ID", "NAME", "CLIENT_NAME", "DURATION", "BUDGET", "PROGRESS"});
    const auto client = request.parameter("clients");
    const auto wanted = [&](std::size_t at) {
        const Project& project = projects[at];
        if (client && !client->empty() &&
            (project.client < 0 ||
             client->find(workspace.company.clients[static_cast<std::size_t>(project.client)].id) == std::string::npos))
            return false;
        return (!archived || project.archived == *archived) && (!billable || project.billable == *billable) &&
               name_matches(request, project.name);
    };
    const auto key = [&](std::size_t at) -> std::string {
        const Project& project = projects[at];
        if (column == "ID") return project.id;
        if (column == "CLIENT_NAME")
            return project.client < 0 ? "" : workspace.company.clients[static_cast<std::size_t>(project.client)].name;
        if (column == "DURATION") return fmt::format("{:015}", workspace.tracked()[at]);
        return project.name;
    };
    return answer(request,
                  {projects.size(), wanted, key, [&](std::size_t at) { return project_json(workspace, static_cast<int>(at), hydrated); }});
}

Response list_users(const Request& request, const Workspace& workspace) {
    const auto& people = workspace.company.people;
    const Memberships memberships = memberships_of(request);
    const std::string status = request.parameter("status").value_or("ALL");
    const auto email = request.parameter("email");
    const std::string column = sort_column(request, "EMAIL", {"ID", "EMAIL", "NAME", "NAME_LOWERCASE", "ACCESS", "HOURLYRATE", "COSTRATE"});
    const auto wanted = [&](std::size_t at) {
        if (status != "ALL" && !status.empty() && status != (people[at].pending ? "PENDING" : "ACTIVE")) return false;
        return (!email || contains(people[at].email, *email)) && name_matches(request, people[at].name);
    };
    const auto key = [&](std::size_t at) {
        return column == "ID" ? people[at].id : column.starts_with("NAME") ? people[at].name : people[at].email;
    };
    return answer(request,
                  {people.size(), wanted, key, [&](std::size_t at) { return person_json(static_cast<int>(at), workspace, memberships); }});
}

Response list_tags(const Request& request, const Workspace& workspace) {
    const auto& tags = workspace.company.tags;
    const auto archived = boolean(request, "archived");
    const std::string column = sort_column(request, "NAME", {"ID", "NAME"});
    return answer(request,
                  {tags.size(),
                   [&](std::size_t at) { return (!archived || tags[at].archived == *archived) && name_matches(request, tags[at].name); },
                   [&](std::size_t at) { return column == "ID" ? tags[at].id : tags[at].name; },
                   [&](std::size_t at) { return tag_json(tags[at], workspace); }});
}

Response list_tasks(const Request& request, const Workspace& workspace, const std::string& project_id) {
    const Project& project = known_project(workspace, project_id);
    const auto active = boolean(request, "is-active");
    return answer(request, {project.tasks.size(),
                            [&](std::size_t at) {
                                return (!active || project.tasks[at].done != *active) && name_matches(request, project.tasks[at].name);
                            },
                            [&](std::size_t at) { return project.tasks[at].name; },
                            [&](std::size_t at) { return task_json(project.tasks[at], project, workspace.company); }});
}

Response list_time_entries(const Request& request, const Workspace& workspace, const std::string& user) {
    const int person = workspace.company.person_of(user);
    if (person < 0) throw invalid("User doesn't belong to Workspace");
    const Timesheet& sheet = workspace.timesheet;
    // start and end are read as wall-clock times of the account's zone, whatever their Z says.
    const auto bound = [&](const char* name, Instant otherwise) {
        const auto value = request.parameter(name);
        if (!value || value->empty()) return otherwise;
        const auto time = parse_time(*value);
        if (!time) throw ApiError{400, 3000, fmt::format("Method parameter '{}': Failed to convert value [{}]", name, *value)};
        return sheet.zone().to_instant(*time);
    };
    std::optional<int> project;
    if (const auto wanted = request.parameter("project"); wanted && !wanted->empty()) {
        known_project(workspace, *wanted);
        project = workspace.company.project_of(*wanted);
    }
    const auto description = request.parameter("description");
    const bool hydrated = boolean(request, "hydrated").value_or(false);
    const std::vector<Place> places = sheet.of_person(person, bound("start", sheet.begin()), bound("end", sheet.end()), Order::Descending);
    std::vector<std::size_t> found;
    for (std::size_t at = 0; at < places.size(); ++at) {
        const Entry entry = sheet.at(places[at]);
        if (project && entry.project != *project) continue;
        if (description && !description->empty() && !contains(sheet.description(entry), *description)) continue;
        found.push_back(at);
    }
    return paged(request, found, [&](std::size_t at) { return time_entry_json(sheet.at(places[at]), workspace, hydrated); });
}

Response current_user(const Request& request, const Workspace& workspace) {
    const bool memberships = boolean(request, "include-memberships").value_or(false);
    return of(person_json(0, workspace, memberships ? Memberships::All : Memberships::None));
}

Response list_workspaces(const Workspace& workspace) { return of(Json::array({workspace_json(workspace)})); }
Response one_workspace(const Workspace& workspace) { return of(workspace_json(workspace)); }

Response one_project(const Request& request, Workspace& workspace, const std::string& project) {
    known_project(workspace, project);
    return of(project_json(workspace, workspace.company.project_of(project), boolean(request, "hydrated").value_or(false)));
}

Response one_client(const Workspace& workspace, const std::string& client) {
    const int at = workspace.company.client_of(client);
    if (at < 0) throw invalid("Client doesn't belong to Workspace");
    return of(client_json(workspace.company.clients[static_cast<std::size_t>(at)], workspace));
}

} // namespace millrace::sandbox
