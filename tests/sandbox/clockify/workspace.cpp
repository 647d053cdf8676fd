#include "workspace.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "../mix.hpp"

namespace millrace::sandbox {

Workspace::Workspace(std::string id_, std::string name_, std::string key_, std::uint64_t seed_, CompanySize size_,
                     TimesheetSettings settings)
    : id(std::move(id_)), name(std::move(name_)), key(std::move(key_)), size(size_), seed(seed_), company(seed_, size_, settings.today),
      timesheet(company, std::move(settings)) {}

const std::vector<std::int64_t>& Workspace::tracked() {
    if (tracked_at_ != timesheet.generation()) {
        tracked_.assign(company.projects.size(), 0);
        timesheet.each(timesheet.begin(), timesheet.end(), [&](Place, const Entry& entry) {
            if (entry.project >= 0) tracked_[static_cast<std::size_t>(entry.project)] += entry.seconds;
        });
        tracked_at_ = timesheet.generation();
    }
    return tracked_;
}

namespace {
template <class Named>
std::size_t rename(std::vector<Named>& all, std::size_t count, std::uint64_t seed, std::uint64_t round) {
    count = std::min(count, all.size());
    for (std::size_t at = 0; at < count; ++at) {
        Named& one = all[(mix(seed, 0x4e) + at) % all.size()];
        one.name = fmt::format("{} (renamed {})", one.name.substr(0, one.name.find(" (renamed")), round);
    }
    return count;
}
} // namespace

std::size_t Workspace::rename_clients(std::size_t count, std::uint64_t seed_) {
    forget_names();
    return rename(company.clients, count, seed_, ++renames_);
}

std::size_t Workspace::rename_projects(std::size_t count, std::uint64_t seed_) {
    forget_names();
    return rename(company.projects, count, seed_, ++renames_);
}

std::size_t Workspace::rename_tags(std::size_t count, std::uint64_t seed_) {
    forget_names();
    return rename(company.tags, count, seed_, ++renames_);
}

void Workspace::reset() {
    timesheet.reset();
    const std::size_t all = std::max(company.clients.size(), std::max(company.projects.size(), company.tags.size()));
    const auto original = [&](auto& named) {
        for (std::size_t at = 0; at < std::min(all, named.size()); ++at)
            named[at].name.resize(std::min(named[at].name.size(), named[at].name.find(" (renamed")));
    };
    original(company.clients);
    original(company.projects);
    original(company.tags);
    renames_ = 0;
    forget_names();
}

void Workspace::forget_names() {
    pieces_.reset();
    memory_ = Memory{timesheet.generation(), {}, {}, {}, 0};
}

Workspace::Memory& Workspace::memory() {
    if (memory_.generation != timesheet.generation()) memory_ = Memory{timesheet.generation(), {}, {}, {}, 0};
    return memory_;
}

namespace {
std::string quoted(std::string_view text) {
    std::string out = "\"";
    append_escaped(out, text);
    return out + '"';
}
} // namespace

const Workspace::Pieces& Workspace::pieces() {
    if (pieces_) return *pieces_;
    Pieces made;
    for (const Person& person : company.people) {
        made.person.push_back(fmt::format(R"(","userId":"{}","timeInterval":{{"start":")", person.id));
        made.person_end.push_back(fmt::format(R"(,"userName":{},"userEmail":"{}"}})", quoted(person.name), person.email));
    }
    for (const Project& project : company.projects) {
        const Client* client = project.client < 0 ? nullptr : &company.clients[static_cast<std::size_t>(project.client)];
        made.project.push_back(fmt::format(R"(,"projectId":"{}","taskId":)", project.id));
        made.project_end.push_back(
            fmt::format(R"(,"rate":{},"projectName":{},"projectColor":"{}","clientName":{},"clientId":{},"taskName":)", project.rate,
                        quoted(project.name), project.color, quoted(client ? client->name : ""), client ? quoted(client->id) : "null"));
    }
    for (const Tag& tag : company.tags) {
        made.tag_id.push_back(quoted(tag.id));
        made.tag.push_back(fmt::format(R"({{"_id":"{}","name":{}}})", tag.id, quoted(tag.name)));
    }
    pieces_ = std::move(made);
    return *pieces_;
}

} // namespace millrace::sandbox
