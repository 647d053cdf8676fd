#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "clockify/objects.hpp"
#include "sandbox.hpp"

/// The control paths: what the sandbox holds, what it was asked, and how to change both.
namespace millrace::sandbox {

namespace {

Response as_json(const Json& json) {
    Response response;
    response.body = json.dump() + "\n";
    return response;
}

/// A span of days of a zone, by default all that is booked before today in UTC.
struct Span {
    Zone zone;
    Day first, last; ///< last is not part of it
    [[nodiscard]] Instant from() const { return zone.to_instant(first * seconds_per_day); }
    [[nodiscard]] Instant to() const { return zone.to_instant(last * seconds_per_day); }
};

Span span_of(const Request& request, const ClockifySettings& settings) {
    const auto day = [&](const char* name, Day otherwise) {
        const auto text = request.parameter(name);
        if (!text) return otherwise;
        const auto day = parse_date(*text);
        if (!day) throw std::invalid_argument(fmt::format("{}={}: expected a date like 2026-11-20", name, *text));
        return *day;
    };
    return {Zone(request.parameter("zone").value_or("UTC")), day("from", settings.today - settings.days), day("to", settings.today)};
}

/// The key by which summaries are merged: user, project, client and tag by name, day.
struct SummaryKey {
    int person, project, tag;
    Day day;
    auto operator<=>(const SummaryKey&) const = default;
};

using Summary = std::map<SummaryKey, std::pair<std::int64_t, std::int64_t>>; ///< seconds, earned

Summary summary_of(const Workspace& workspace, const Span& span) {
    Summary summary;
    workspace.timesheet.each(span.from(), span.to(), [&](Place, const Entry& entry) {
        const auto book = [&](int tag) {
            auto& [seconds, earned] = summary[{entry.person, entry.project, tag, span.zone.day_of(entry.start)}];
            seconds += entry.seconds;
            earned += entry.earned(workspace.company);
        };
        if (entry.tag_count == 0) book(-1);
        for (int at = 0; at < entry.tag_count; ++at) book(entry.tags[static_cast<std::size_t>(at)]);
    });
    return summary;
}

Json summary_row(const Workspace& workspace, const SummaryKey& key, std::int64_t seconds, std::int64_t earned) {
    const Company& company = workspace.company;
    const Person& person = company.people[static_cast<std::size_t>(key.person)];
    const Project* project = key.project < 0 ? nullptr : &company.projects[static_cast<std::size_t>(key.project)];
    const Client* client = !project || project->client < 0 ? nullptr : &company.clients[static_cast<std::size_t>(project->client)];
    const Tag* tag = key.tag < 0 ? nullptr : &company.tags[static_cast<std::size_t>(key.tag)];
    return {{"user_id", person.id},
            {"user", person.name},
            {"project_id", project ? project->id : ""},
            {"project", project ? project->name : ""},
            {"client_id", client ? client->id : ""},
            {"client", client ? client->name : ""},
            {"tag_id", tag ? tag->id : ""},
            {"tags", tag ? tag->name : ""},
            {"date", date_text(key.day)},
            {"seconds", seconds},
            {"cents", static_cast<double>(earned) / 3600.0}};
}

Json figures_of(const Workspace& workspace, const Span& span) {
    std::int64_t seconds = 0;
    const Summary summary = summary_of(workspace, span);
    for (const auto& [key, sums] : summary) seconds += sums.first;
    return {{"id", workspace.id},
            {"name", workspace.name},
            {"api_key", workspace.key},
            {"clients", workspace.company.clients.size()},
            {"projects", workspace.company.projects.size()},
            {"users", workspace.company.people.size()},
            {"tags", workspace.company.tags.size()},
            {"entries", workspace.timesheet.size()},
            {"summary",
             {{"from", date_text(span.first)},
              {"to", date_text(span.last)},
              {"zone", span.zone.name()},
              {"rows", summary.size()},
              {"seconds", seconds},
              {"entries", workspace.timesheet.count(span.from(), span.to())}}}};
}

Json log_json(const LogLine& line) {
    return {{"number", line.number}, {"at", line.at},           {"method", line.method},       {"path", line.path},
            {"query", line.query},   {"what", line.what},       {"page", line.page},           {"status", line.status},
            {"bytes", line.bytes},   {"ms", line.milliseconds}, {"workspace", line.workspace}, {"faults", line.faults}};
}

double share(const Json& body, const char* name) { return body.contains(name) ? body[name].get<double>() : 0; }

} // namespace

Response Sandbox::control(const Request& request) {
    const std::string what = request.path.substr(std::string_view("/_sandbox/").size());
    const bool post = request.method == "POST";
    if (what == "figures" && !post) return figures(request);
    if (what == "expected" && !post) return expected(request);
    if (what == "log" && !post) return log(request);
    if (what == "change" && post) return change(request);
    if (what == "faults") return set_faults(request);
    if (what == "settings" && post) return settings(request);
    if (what == "reset" && post) return reset();
    throw std::invalid_argument(fmt::format("{} {} is no control path: GET figures, expected, log, faults; POST "
                                            "change, faults, settings, reset; DELETE faults",
                                            request.method, request.path));
}

Workspace& Sandbox::workspace_named(const std::string& id) {
    Workspace* workspace = clockify_->workspace(id);
    if (!workspace) throw std::invalid_argument(fmt::format("workspace {} is unknown", id));
    return *workspace;
}

Response Sandbox::figures(const Request& request) {
    const Span span = span_of(request, clockify_->settings());
    Json json = {{"today", date_text(clockify_->settings().today)},
                 {"zone", clockify_->settings().zone},
                 {"requests", log_.count()},
                 {"workspaces", Json::array()}};
    for (const auto& workspace : clockify_->workspaces()) json["workspaces"].push_back(figures_of(*workspace, span));
    return as_json(json);
}

/// The rows that a complete copy holds: table=clients|projects|users|tags|tasks as the service lists them,
/// table=summary by merge key and day, table=entries.
Response Sandbox::expected(const Request& request) {
    Workspace& workspace = workspace_named(request.parameter("workspace").value_or(""));
    const Company& company = workspace.company;
    const std::string table = request.parameter("table").value_or("summary");
    Json rows = Json::array();
    if (table == "clients") {
        for (const Client& client : company.clients) rows.push_back(client_json(client, workspace));
    } else if (table == "projects") {
        for (std::size_t at = 0; at < company.projects.size(); ++at) rows.push_back(project_json(workspace, static_cast<int>(at), false));
    } else if (table == "users") {
        for (std::size_t at = 0; at < company.people.size(); ++at)
            rows.push_back(person_json(static_cast<int>(at), workspace, Memberships::Workspace));
    } else if (table == "tags") {
        for (const Tag& tag : company.tags) rows.push_back(tag_json(tag, workspace));
    } else if (table == "tasks") {
        for (const Project& project : company.projects) {
            for (const ProjectTask& task : project.tasks) rows.push_back(task_json(task, project, company));
        }
    } else if (table == "summary") {
        for (const auto& [key, sums] : summary_of(workspace, span_of(request, clockify_->settings())))
            rows.push_back(summary_row(workspace, key, sums.first, sums.second));
    } else if (table == "entries") {
        const Span span = span_of(request, clockify_->settings());
        workspace.timesheet.each(span.from(), span.to(),
                                 [&](Place, const Entry& entry) { rows.push_back(time_entry_json(entry, workspace, false)); });
    } else {
        throw std::invalid_argument(fmt::format("table={}: expected clients, projects, users, tags, tasks, summary or entries", table));
    }
    return as_json({{"table", table}, {"workspace", workspace.id}, {"rows", std::move(rows)}});
}

Response Sandbox::log(const Request& request) {
    const std::uint64_t after = std::stoull(request.parameter("after").value_or("0"));
    const std::string part = request.parameter("path").value_or("");
    Json items = Json::array();
    for (const LogLine& line : log_.lines()) {
        if (line.number > after && line.path.find(part) != std::string::npos) items.push_back(log_json(line));
    }
    return as_json({{"count", log_.count()}, {"items", std::move(items)}});
}

Response Sandbox::change(const Request& request) {
    const Json body = request.body.empty() ? Json::object() : Json::parse(request.body);
    Workspace& workspace = workspace_named(body.value("workspace", ""));
    Timesheet& sheet = workspace.timesheet;
    const auto seed = body.value("seed", std::uint64_t{1});
    Json done = Json::object();
    const std::pair<const char*, Change> changes[] = {{"edit", Change::Edit},
                                                      {"retag", Change::Retag},
                                                      {"reassign", Change::Reassign},
                                                      {"delete", Change::Delete},
                                                      {"move", Change::Move}};
    for (const auto& [name, what] : changes) {
        const double fraction = what == Change::Edit && body.contains("fraction") ? share(body, "fraction") : share(body, name);
        if (fraction <= 0) continue;
        const ChangeCounts counts = sheet.change(what, fraction, seed + static_cast<std::uint64_t>(what) * 1'000'003);
        done[name] = counts.edited + counts.retagged + counts.reassigned + counts.deleted + counts.moved;
    }
    const auto count = [&](const char* name) { return body.value(name, std::uint64_t{0}); };
    if (const auto clients = count("rename_clients")) done["rename_clients"] = workspace.rename_clients(clients, seed);
    if (const auto projects = count("rename_projects")) done["rename_projects"] = workspace.rename_projects(projects, seed);
    if (const auto tags = count("rename_tags")) done["rename_tags"] = workspace.rename_tags(tags, seed);
    const auto day = [&](const char* name, Instant otherwise) {
        const auto parsed = parse_date(body.value(name, ""));
        return parsed ? sheet.zone().to_instant(*parsed * seconds_per_day) : otherwise;
    };
    if (const auto entries = count("arrive"))
        sheet.arrive(entries, day("from", sheet.begin()), day("to", sheet.end())), done["arrive"] = entries;
    if (const auto entries = count("vanish"))
        sheet.vanish(entries, day("from", sheet.begin()), day("to", sheet.end())), done["vanish"] = entries;
    return as_json(done);
}

Response Sandbox::set_faults(const Request& request) {
    if (request.method == "DELETE") faults_.clear();
    if (request.method == "POST") {
        std::string spec = request.body;
        if (spec.starts_with('{')) spec = Json::parse(spec).value("spec", "");
        faults_.set(Faults::parse(spec));
        last_full_.clear();
    }
    Json list = Json::array();
    for (const Fault& fault : faults_.all())
        list.push_back({{"kind", fault.kind}, {"path", fault.path}, {"fits", fault.fits}, {"fired", fault.fired}});
    return as_json({{"faults", std::move(list)}});
}

Response Sandbox::settings(const Request& request) {
    const Json body = Json::parse(request.body);
    if (body.contains("rate")) settings_.rate = body["rate"].get<std::uint64_t>();
    if (body.contains("retry_after")) settings_.retry_after = body["retry_after"].get<std::string>();
    if (body.contains("latency_ms")) settings_.latency = std::chrono::milliseconds(body["latency_ms"].get<std::int64_t>());
    return as_json({{"rate", settings_.rate}, {"retry_after", settings_.retry_after}, {"latency_ms", settings_.latency.count()}});
}

/// Back to how it began: entries, names, faults, an empty log.
Response Sandbox::reset() {
    for (auto& workspace : clockify_->workspaces()) workspace->reset();
    faults_.set(settings_.faults);
    last_full_.clear();
    log_.clear();
    return as_json(Json::object());
}

} // namespace millrace::sandbox
