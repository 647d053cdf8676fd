#include <algorithm>

#include <fmt/format.h>

#include "../mix.hpp"
#include "report_query.hpp"

namespace millrace::sandbox {

namespace {

/// Every match of a query that needs a search or another order, remembered for its next page.
const std::vector<Place>& matches_of(Workspace& workspace, const ReportQuery& query) {
    auto& known = workspace.memory().matches;
    for (const auto& [fingerprint, places] : known) {
        if (fingerprint == query.fingerprint) return places;
    }
    std::vector<Place> places;
    workspace.timesheet.each(query.from, query.to, [&](Place place, const Entry& entry) {
        if (query.matches(entry, workspace)) places.push_back(place);
    });
    const auto sort_by = [&](auto value) {
        std::stable_sort(places.begin(), places.end(),
                         [&](Place a, Place b) { return value(workspace.timesheet.at(a)) < value(workspace.timesheet.at(b)); });
    };
    if (query.sort_column == "USER")
        sort_by(
            [&](const Entry& entry) { return std::string_view(workspace.company.people[static_cast<std::size_t>(entry.person)].name); });
    if (query.sort_column == "DURATION") sort_by([](const Entry& entry) { return entry.seconds; });
    if (query.sort_column == "DESCRIPTION") sort_by([&](const Entry& entry) { return workspace.timesheet.description(entry); });
    if (query.order == Order::Descending) std::reverse(places.begin(), places.end());
    if (known.size() >= 8) known.erase(known.begin());
    return known.emplace_back(query.fingerprint, std::move(places)).second;
}

class EntryWriter {
public:
    EntryWriter(Workspace& workspace, const ReportQuery& query) : workspace_(workspace), query_(query), pieces_(workspace.pieces()) {}

    void append(std::string& out, const Entry& entry) const {
        const auto person = static_cast<std::size_t>(entry.person);
        out += R"({"_id":")";
        workspace_.timesheet.append_id(out, entry);
        out += R"(","description":")";
        workspace_.timesheet.append_description(out, entry);
        out += pieces_.person[person];
        append_local(out, entry.start);
        out += R"(","end":")";
        append_local(out, entry.start + entry.seconds);
        out += R"(","duration":)";
        append_number(out, entry.seconds);
        out += entry.billable ? R"(},"billable":true)" : R"(},"billable":false)";
        append_work(out, entry);
        append_tags(out, entry);
        const bool locked = entry.start < workspace_.timesheet.end() - 35 * seconds_per_day;
        out += locked ? R"(,"approvalRequestId":null,"type":"REGULAR","isLocked":true,"customFields":[],"amount":)"
                      : R"(,"approvalRequestId":null,"type":"REGULAR","isLocked":false,"customFields":[],"amount":)";
        if (query_.show_amounts)
            append_amount(out, entry.earned(workspace_.company));
        else
            out += '0';
        append_names(out, entry);
        out += pieces_.person_end[person];
    }

private:
    static void append_number(std::string& out, std::int64_t value) {
        const fmt::format_int text(value);
        out.append(text.data(), text.size());
    }

    void append_local(std::string& out, Instant instant) const {
        const int offset = query_.zone.offset_at(instant);
        append_time(out, instant + offset);
        append_offset(out, offset);
    }

    [[nodiscard]] const ProjectTask* task_of(const Entry& entry) const {
        if (entry.task < 0) return nullptr;
        return &workspace_.company.projects[static_cast<std::size_t>(entry.project)].tasks[static_cast<std::size_t>(entry.task)];
    }

    void append_work(std::string& out, const Entry& entry) const {
        if (entry.project < 0) {
            out += R"(,"projectId":null,"taskId":null)";
            return;
        }
        out += pieces_.project[static_cast<std::size_t>(entry.project)];
        if (const ProjectTask* task = task_of(entry))
            (out += '"') += task->id, out += '"';
        else
            out += "null";
    }

    void append_tags(std::string& out, const Entry& entry) const {
        const auto list = [&](const std::vector<std::string>& piece) {
            for (int at = 0; at < entry.tag_count; ++at) {
                if (at) out += ',';
                out += piece[entry.tags[static_cast<std::size_t>(at)]];
            }
        };
        out += R"(,"tagIds":[)";
        list(pieces_.tag_id);
        out += R"(],"tags":[)";
        list(pieces_.tag);
        out += ']';
    }

    void append_names(std::string& out, const Entry& entry) const {
        if (entry.project < 0) {
            out += R"(,"rate":0,"projectName":null,"projectColor":null,"clientName":null,"clientId":null,"taskName":null)";
            return;
        }
        out += pieces_.project_end[static_cast<std::size_t>(entry.project)];
        if (const ProjectTask* task = task_of(entry))
            (out += '"') += task->name, out += '"';
        else
            out += "null";
    }

    Workspace& workspace_;
    const ReportQuery& query_;
    const Workspace::Pieces& pieces_;
};

} // namespace

std::string detailed_report(Workspace& workspace, const ReportQuery& query) {
    const std::uint64_t skip = (query.page - 1) * query.page_size;
    std::vector<Place> page;
    if (query.is_plain()) {
        page = workspace.timesheet.page(query.from, query.to, query.order, skip, query.page_size);
    } else {
        const std::vector<Place>& all = matches_of(workspace, query);
        for (std::uint64_t at = skip; at < all.size() && page.size() < query.page_size; ++at) page.push_back(all[at]);
    }
    std::string out;
    out.reserve(600 + page.size() * 900);
    out += R"({"totals":)";
    if (query.with_totals)
        append_totals(out, totals_of(workspace, query), query, workspace.company);
    else
        out += "[]";
    out += R"(,"timeentries":[)";
    const EntryWriter writer(workspace, query);
    bool first = true;
    for (const Place& place : page) {
        if (!first) out += ',';
        first = false;
        writer.append(out, workspace.timesheet.at(place));
    }
    out += "]}";
    return out;
}

} // namespace millrace::sandbox
