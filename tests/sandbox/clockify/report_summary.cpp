#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "../mix.hpp"
#include "report_query.hpp"

namespace millrace::sandbox {

namespace {

struct Group {
    std::int64_t seconds = 0, earned = 0;
    std::map<std::int64_t, Group> children;
};

std::string lower_case(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto c = static_cast<unsigned char>(text[at]);
        const auto before = at ? static_cast<unsigned char>(text[at - 1]) : 0;
        const bool latin_capital = before == 0xc3 && c >= 0x80 && c <= 0x9e && c != 0x97;
        const bool even_capital = (before == 0xc4 || before == 0xc5) && c % 2 == 0 && c < 0x88;
        if (c >= 'A' && c <= 'Z')
            out += static_cast<char>(c + 32);
        else if (latin_capital)
            out += static_cast<char>(c + 0x20);
        else if (before == 0xc5 && c == 0x81)
            out += static_cast<char>(0x82); // Ł
        else if (before == 0xc4 && even_capital)
            out += static_cast<char>(c + 1);
        else
            out += text[at];
    }
    return out;
}

void append_text(std::string& out, std::string_view key, std::string_view text) {
    fmt::format_to(std::back_inserter(out), "\"{}\":\"", key);
    append_escaped(out, text);
    out += '"';
}

class Summary {
public:
    Summary(Workspace& workspace, const ReportQuery& query, bool untagged_groups)
        : workspace_(workspace), company_(workspace.company), query_(query), untagged_groups_(untagged_groups) {
        workspace.timesheet.each(query.from, query.to, [&](Place, const Entry& entry) {
            if (query.matches(entry, workspace)) add(root_, 0, entry);
        });
    }

    [[nodiscard]] std::string text() {
        std::string out = R"({"totals":)";
        append_totals(out, totals_of(workspace_, query_), query_, company_);
        out += R"(,"groupOne":)";
        append_children(out, root_, 0);
        out += '}';
        return out;
    }

private:
    void add(Group& parent, std::size_t level, const Entry& entry) {
        if (level == query_.groups.size()) return;
        const auto into = [&](std::int64_t key) {
            Group& group = parent.children[key];
            group.seconds += entry.seconds;
            group.earned += entry.earned(company_);
            add(group, level + 1, entry);
        };
        if (query_.groups[level] != Dimension::Tag) return into(key_of(query_.groups[level], entry));
        if (entry.tag_count == 0 && untagged_groups_) into(-1);
        for (int at = 0; at < entry.tag_count; ++at) into(entry.tags[static_cast<std::size_t>(at)]);
    }

    std::int64_t key_of(Dimension dimension, const Entry& entry) {
        switch (dimension) {
        case Dimension::User: return entry.person;
        case Dimension::Project: return entry.project;
        case Dimension::Client: return entry.project < 0 ? -1 : company_.projects[static_cast<std::size_t>(entry.project)].client;
        case Dimension::Task: return entry.task < 0 ? -1 : std::int64_t{entry.project} * 64 + entry.task;
        case Dimension::Date: return query_.zone.day_of(entry.start);
        case Dimension::Week: {
            const Day day = query_.zone.day_of(entry.start);
            return day - weekday(day);
        }
        case Dimension::Month: {
            const CivilDay day = civil(query_.zone.day_of(entry.start));
            return day_of({day.year, day.month, 1});
        }
        case Dimension::TimeEntry: {
            const auto [at, fresh] =
                description_ids_.emplace(workspace_.timesheet.description(entry), static_cast<std::int64_t>(descriptions_.size()));
            if (fresh) descriptions_.push_back(at->first);
            return at->second;
        }
        case Dimension::Tag: break;
        }
        return -1;
    }

    struct Label {
        std::string id, name;
    };

    [[nodiscard]] Label label(Dimension dimension, std::int64_t key) const {
        const auto at = static_cast<std::size_t>(key);
        switch (dimension) {
        case Dimension::User: return {company_.people[at].id, company_.people[at].name};
        case Dimension::Project:
            return key < 0 ? Label{"", "(Without project)"} : Label{company_.projects[at].id, company_.projects[at].name};
        case Dimension::Client: return key < 0 ? Label{"", "(Without client)"} : Label{company_.clients[at].id, company_.clients[at].name};
        case Dimension::Tag: return key < 0 ? Label{"", "(Without tag)"} : Label{company_.tags[at].id, company_.tags[at].name};
        case Dimension::Task: {
            if (key < 0) return {"", "(Without task)"};
            const ProjectTask& task = company_.projects[at / 64].tasks[at % 64];
            return {task.id, task.name};
        }
        case Dimension::Date:
        case Dimension::Week: return {date_text(static_cast<Day>(key)), date_text(static_cast<Day>(key))};
        case Dimension::Month: return {date_text(static_cast<Day>(key)).substr(0, 7), date_text(static_cast<Day>(key)).substr(0, 7)};
        case Dimension::TimeEntry: return {descriptions_[at], descriptions_[at].empty() ? "(Without description)" : descriptions_[at]};
        }
        return {};
    }

    void append_children(std::string& out, const Group& parent, std::size_t level) {
        struct Item {
            Label label;
            std::int64_t key;
            const Group* group;
        };
        std::vector<Item> items;
        for (const auto& [key, group] : parent.children) items.push_back({label(query_.groups[level], key), key, &group});
        if (query_.sort_column == "DURATION")
            std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.group->seconds > b.group->seconds; });
        else
            std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.label.name < b.label.name; });
        out += '[';
        for (const Item& item : items) {
            if (&item != &items.front()) out += ',';
            path_.push_back(item.label.id);
            append_group(out, item.label, item.key, *item.group, level);
            path_.pop_back();
        }
        out += ']';
    }

    void append_group(std::string& out, const Label& label, std::int64_t key, const Group& group, std::size_t level) {
        out += '{';
        if (query_.groups[level] == Dimension::TimeEntry)
            append_path(out);
        else
            append_text(out, "_id", label.id);
        out += ',';
        append_text(out, "name", label.name);
        append_kind(out, query_.groups[level], key, label);
        fmt::format_to(std::back_inserter(out), R"(,"duration":{},)", group.seconds);
        if (query_.show_amounts) {
            out += R"("amount":)";
            append_amount(out, group.earned);
            out += ',';
        }
        append_amounts(out, group.earned, query_.show_amounts);
        if (!group.children.empty()) {
            out += R"(,"children":)";
            append_children(out, group, level + 1);
        }
        out += '}';
    }

    /// The id of a TIMEENTRY group is an object of the ids of all groups above it.
    void append_path(std::string& out) const {
        static constexpr std::string_view names[] = {"CLIENT", "PROJECT", "USER", "TASK", "TAG", "DATE", "WEEK", "MONTH", "TIMEENTRY"};
        out += R"("_id":{)";
        for (std::size_t at = 0; at < path_.size(); ++at) {
            if (at) out += ',';
            append_text(out, names[static_cast<std::size_t>(query_.groups[at])], path_[at]);
        }
        out += '}';
    }

    void append_kind(std::string& out, Dimension dimension, std::int64_t key, const Label& label) const {
        if (dimension == Dimension::Date || dimension == Dimension::TimeEntry) return;
        out += ',';
        append_text(out, "nameLowerCase", lower_case(label.name));
        if (dimension == Dimension::User) out += R"(,"hasMembership":true,"sortingField":"1-name")";
        if (dimension != Dimension::Project) return;
        const Project* project = key < 0 ? nullptr : &company_.projects[static_cast<std::size_t>(key)];
        const Client* client = !project || project->client < 0 ? nullptr : &company_.clients[static_cast<std::size_t>(project->client)];
        out += ',';
        append_text(out, "color", project ? project->color : "");
        out += ',';
        append_text(out, "clientName", client ? client->name : "");
        out += ',';
        append_text(out, "clientId", client ? client->id : "");
    }

    Workspace& workspace_;
    const Company& company_;
    const ReportQuery& query_;
    bool untagged_groups_;
    Group root_;
    std::map<std::string, std::int64_t> description_ids_;
    std::vector<std::string> descriptions_;
    std::vector<std::string> path_;
};

} // namespace

std::string summary_report(Workspace& workspace, const ReportQuery& query, bool untagged_groups) {
    return Summary(workspace, query, untagged_groups).text();
}

} // namespace millrace::sandbox
