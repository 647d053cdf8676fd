#include "objects.hpp"

#include "../mix.hpp"

namespace millrace::sandbox {

namespace {

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json money(std::int64_t amount, const Company& company) { return {{"amount", amount}, {"currency", company.currency}}; }

Json membership(const std::string& user, std::int64_t rate, const std::string& target, const char* type, const char* status,
                const Company& company) {
    return {{"userId", user},         {"hourlyRate", rate ? money(rate, company) : Json(nullptr)},
            {"costRate", nullptr},    {"targetId", target},
            {"membershipType", type}, {"membershipStatus", status}};
}

Json settings_json(const Person& person) {
    const auto flag = [&](int bit) { return (person.traits >> bit & 1) != 0; };
    return {{"weekStart", flag(3) ? "MONDAY" : "SUNDAY"},
            {"timeZone", person.time_zone},
            {"timeFormat", flag(4) ? "HOUR24" : "HOUR12"},
            {"dateFormat", flag(5) ? "DD.MM.YYYY" : "MM/DD/YYYY"},
            {"sendNewsletter", flag(6)},
            {"weeklyUpdates", flag(7)},
            {"longRunning", flag(8)},
            {"scheduledReports", true},
            {"approval", flag(9)},
            {"pto", flag(10)},
            {"alerts", true},
            {"reminders", flag(11)},
            {"timeTrackingManual", flag(12)},
            {"summaryReportSettings", {{"group", "Project"}, {"subgroup", "Time Entry"}}},
            {"isCompactViewOn", flag(13)},
            {"dashboardSelection", flag(14) ? "ME" : "TEAM"},
            {"dashboardViewType", "PROJECT"},
            {"dashboardPinToTop", false},
            {"projectListCollapse", 50},
            {"collapseAllProjectLists", false},
            {"groupSimilarEntriesDisabled", flag(15)},
            {"myStartOfDay", flag(16) ? "09:00" : "08:30"},
            {"projectPickerTaskFilter", flag(17)},
            {"lang", flag(18) ? "EN" : "DE"},
            {"multiFactorEnabled", flag(19)},
            {"theme", flag(20) ? "DEFAULT" : "DARK"},
            {"scheduling", true},
            {"onboarding", flag(21)},
            {"showOnlyWorkingDays", flag(22)},
            {"invoiceReminders", false}};
}

} // namespace

Json client_json(const Client& client, const Workspace& workspace) {
    return {{"id", client.id},
            {"name", client.name},
            {"email", text_or_null(client.email)},
            {"ccEmails", nullptr},
            {"workspaceId", workspace.id},
            {"archived", client.archived},
            {"address", text_or_null(client.address)},
            {"note", text_or_null(client.note)},
            {"currencyId", "33a687e29ae1f428e7ebe505"},
            {"currencyCode", workspace.company.currency}};
}

Json task_json(const ProjectTask& task, const Project& project, const Company& company) {
    return {{"id", task.id},
            {"name", task.name},
            {"projectId", project.id},
            {"assigneeIds", Json::array()},
            {"assigneeId", nullptr},
            {"userGroupIds", Json::array()},
            {"estimate", "PT0S"},
            {"status", task.done ? "DONE" : "ACTIVE"},
            {"budgetEstimate", 0},
            {"duration", "PT0S"},
            {"billable", project.billable},
            {"hourlyRate", project.billable ? money(project.rate, company) : Json(nullptr)},
            {"costRate", nullptr}};
}

Json project_json(Workspace& workspace, int at, bool hydrated) {
    const Company& company = workspace.company;
    const Project& project = company.projects[static_cast<std::size_t>(at)];
    const Client* client = project.client < 0 ? nullptr : &company.clients[static_cast<std::size_t>(project.client)];
    Json members = Json::array();
    for (int member : project.members) {
        const Person& person = company.people[static_cast<std::size_t>(member)];
        members.push_back(membership(person.id, person.rate, project.id, "PROJECT", "ACTIVE", company));
    }
    const std::string estimate = project.estimated_hours ? iso_duration(project.estimated_hours * 3600) : "PT0S";
    const char* kind = project.estimated_hours ? "MANUAL" : "AUTO";
    Json json;
    json["id"] = project.id;
    json["name"] = project.name;
    json["hourlyRate"] = money(project.rate, company);
    // Without a client both forms are met in the wild.
    json["clientId"] = client ? Json(client->id) : at % 2 ? Json("") : Json(nullptr);
    if (hydrated) {
        json["client"] = nullptr;
        if (client) {
            json["client"] = {{"id", client->id},
                              {"name", client->name},
                              {"email", text_or_null(client->email)},
                              {"workspaceId", workspace.id},
                              {"archived", client->archived},
                              {"address", client->address},
                              {"note", client->note}};
        }
    }
    json["workspaceId"] = workspace.id;
    json["billable"] = project.billable;
    json["memberships"] = std::move(members);
    json["color"] = project.color;
    json["estimate"] = {{"estimate", estimate}, {"type", kind}};
    json["archived"] = project.archived;
    if (hydrated) {
        json["tasks"] = Json::array();
        for (const ProjectTask& task : project.tasks) json["tasks"].push_back(task_json(task, project, company));
    }
    json["duration"] = iso_duration(workspace.tracked()[static_cast<std::size_t>(at)]);
    if (!hydrated) json["clientName"] = client ? client->name : "";
    json["note"] = project.note;
    json["costRate"] = project.budget ? money(project.rate / 2, company) : Json(nullptr);
    json["timeEstimate"] = {{"estimate", estimate},
                            {"type", kind},
                            {"resetOption", project.estimated_hours % 120 == 40 ? Json("MONTHLY") : Json(nullptr)},
                            {"active", project.estimated_hours != 0},
                            {"includeNonBillable", true}};
    json["budgetEstimate"] = nullptr;
    if (project.budget)
        json["budgetEstimate"] = {
            {"estimate", project.budget}, {"type", "MANUAL"}, {"resetOption", nullptr}, {"active", true}, {"includeExpenses", false}};
    if (hydrated) {
        json["customFields"] = Json::array();
        json["currency"] = {{"id", "33a687e29ae1f428e7ebe505"}, {"code", company.currency}};
        json["favorite"] = false;
    }
    json["template"] = false;
    json["public"] = project.is_public;
    return json;
}

Json tag_json(const Tag& tag, const Workspace& workspace) {
    return {{"id", tag.id}, {"name", tag.name}, {"workspaceId", workspace.id}, {"archived", tag.archived}};
}

Json person_json(int at, const Workspace& workspace, Memberships memberships) {
    const Company& company = workspace.company;
    const Person& person = company.people[static_cast<std::size_t>(at)];
    Json list = Json::array();
    if (memberships == Memberships::All || memberships == Memberships::Workspace) {
        list.push_back(membership(person.id, person.rate, workspace.id, "WORKSPACE", person.pending ? "PENDING" : "ACTIVE", company));
    }
    if (memberships == Memberships::All || memberships == Memberships::Project) {
        for (const Project& project : company.projects) {
            for (int member : project.members) {
                if (member == at) list.push_back(membership(person.id, person.rate, project.id, "PROJECT", "ACTIVE", company));
            }
        }
    }
    return {{"id", person.id},
            {"email", person.email},
            {"name", text_or_null(person.name)},
            {"memberships", std::move(list)},
            {"profilePicture", "https://img.clockify.me/no-user-image.png"},
            {"activeWorkspace", workspace.id},
            {"defaultWorkspace", workspace.id},
            {"settings", person.pending ? Json(nullptr) : settings_json(person)},
            {"status", person.pending ? "PENDING_EMAIL_VERIFICATION" : "ACTIVE"},
            {"customFields", Json::array()}};
}

Json time_entry_json(const Entry& entry, const Workspace& workspace, bool hydrated) {
    const Company& company = workspace.company;
    const Project* project = entry.project < 0 ? nullptr : &company.projects[static_cast<std::size_t>(entry.project)];
    const ProjectTask* task = entry.task < 0 ? nullptr : &project->tasks[static_cast<std::size_t>(entry.task)];
    std::string start, end;
    append_time(start, entry.start);
    append_time(end, entry.start + entry.seconds);
    Json tag_ids = Json::array(), tags = Json::array();
    for (int at = 0; at < entry.tag_count; ++at) {
        const Tag& tag = company.tags[entry.tags[static_cast<std::size_t>(at)]];
        tag_ids.push_back(tag.id);
        tags.push_back(tag_json(tag, workspace));
    }
    Json json = {{"id", workspace.timesheet.id_of(entry)},
                 {"description", workspace.timesheet.description(entry)},
                 {"tagIds", std::move(tag_ids)},
                 {"userId", company.people[static_cast<std::size_t>(entry.person)].id},
                 {"billable", entry.billable},
                 {"taskId", task ? Json(task->id) : Json(nullptr)},
                 {"projectId", project ? Json(project->id) : Json(nullptr)},
                 {"workspaceId", workspace.id},
                 {"timeInterval", {{"start", start + "Z"}, {"end", end + "Z"}, {"duration", iso_duration(entry.seconds)}}},
                 {"customFieldValues", Json::array()},
                 {"type", "REGULAR"},
                 {"kioskId", nullptr},
                 {"hourlyRate", project ? money(project->rate, company) : Json(nullptr)},
                 {"costRate", money(0, company)},
                 {"isLocked", entry.start < workspace.timesheet.end() - 35 * seconds_per_day}};
    if (!hydrated) return json;
    json["tags"] = std::move(tags);
    json["user"] = {{"id", company.people[static_cast<std::size_t>(entry.person)].id},
                    {"name", company.people[static_cast<std::size_t>(entry.person)].name},
                    {"status", "ACTIVE"}};
    json["task"] = task ? Json{{"id", task->id}, {"name", task->name}} : Json(nullptr);
    json["project"] = project ? Json{{"id", project->id}, {"name", project->name}, {"color", project->color}} : Json(nullptr);
    json["kiosk"] = nullptr;
    return json;
}

Json workspace_json(const Workspace& workspace) {
    const Company& company = workspace.company;
    return {{"id", workspace.id},
            {"name", workspace.name},
            {"hourlyRate", money(company.default_rate, company)},
            {"costRate", nullptr},
            {"memberships", Json::array({membership(company.people.front().id, 0, workspace.id, "WORKSPACE", "ACTIVE", company)})},
            {"workspaceSettings",
             {{"timeRoundingInReports", false},
              {"onlyAdminsSeeBillableRates", true},
              {"onlyAdminsCreateProject", true},
              {"defaultBillableProjects", true},
              {"lockTimeEntries", nullptr},
              {"lockTimeZone", nullptr},
              {"projectGroupingLabel", "client"},
              {"trackTimeDownToSecond", false},
              {"durationFormat", "FULL"},
              {"workingDays", Json::array({"MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"})}}},
            {"imageUrl", ""},
            {"featureSubscriptionType", "BUNDLE_YEAR_2024"},
            {"features", Json::array({"TIME_TRACKING", "REPORTS"})},
            {"currencies", Json::array({{{"id", "33a687e29ae1f428e7ebe505"}, {"code", company.currency}, {"isDefault", true}}})},
            {"subdomain", {{"name", nullptr}, {"enabled", false}}},
            {"cakeOrganizationId", object_id(1'600'000'000, workspace.seed)}};
}

} // namespace millrace::sandbox
