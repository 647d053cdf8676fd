#include "company.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "../mix.hpp"
#include "names.hpp"

namespace millrace::sandbox {

namespace {

constexpr std::uint64_t person_salt = 0x70, client_salt = 0x63, project_salt = 0x6a, task_salt = 0x74, tag_salt = 0x67;

std::string_view pick(std::span<const std::string_view> table, std::uint64_t hash) { return table[hash % table.size()]; }

/// The local part of an e-mail address: ASCII letters of the name, dots between its words.
std::string mailbox(std::string_view name) {
    std::string out;
    for (char c : name) {
        if (c >= 'A' && c <= 'Z') out += static_cast<char>(c - 'A' + 'a');
        if (c >= 'a' && c <= 'z') out += c;
        if (c == ' ' && !out.empty() && out.back() != '.') out += '.';
    }
    return out;
}

Instant day_within(Instant from, std::uint64_t hash, std::int64_t days) {
    return from + static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(days)) * seconds_per_day +
           static_cast<std::int64_t>(hash >> 40) % 36000;
}

} // namespace

Company::Company(std::uint64_t seed, CompanySize size, Day today) {
    const Instant founded = (today - 6 * 365) * seconds_per_day;
    make_people(seed, std::max(size.people, 1), founded);
    make_clients(seed, std::clamp(size.projects / 5, 2, 100'000), founded);
    make_projects(seed, std::max(size.projects, 6), founded);
    make_tags(seed, founded);
}

int Company::find(const Index& index, std::string_view id) {
    const auto at = index.find(std::string(id));
    return at == index.end() ? -1 : at->second;
}

void Company::make_people(std::uint64_t seed, int count, Instant founded) {
    const int invited = std::max(1, count / 25);
    booking = std::max(1, count - invited);
    const auto combinations = names::first_names.size() * names::last_names.size();
    // A walk over all combinations of names with a step that is coprime to their number: no name comes twice before all
    // came once.
    const std::uint64_t start = mix(seed, person_salt) % combinations;
    for (int at = 0; at < booking + invited; ++at) {
        const std::uint64_t hash = mix(seed, person_salt, static_cast<std::uint64_t>(at));
        const std::uint64_t combination = (start + static_cast<std::uint64_t>(at) * 1567) % combinations;
        Person person;
        person.name = fmt::format("{} {}", names::first_names[combination % names::first_names.size()],
                                  names::last_names[combination / names::first_names.size()]);
        const auto round = static_cast<std::uint64_t>(at) / combinations;
        person.email = fmt::format("{}{}@example.com", mailbox(person.name), round ? fmt::format("{}", round + 1) : "");
        person.id = object_id(day_within(founded, hash, 5 * 365), mix(seed, person_salt, static_cast<std::uint64_t>(at) + 1'000'000'007));
        person.time_zone = pick(names::time_zones, hash >> 8);
        person.traits = hash;
        person.pending = at >= booking;
        if (person.pending) person.name.clear();
        if (hash % 3 == 0) person.rate = 6000 + static_cast<std::int64_t>(hash >> 20) % 40 * 250;
        person_ids_.emplace(person.id, at);
        people.push_back(std::move(person));
    }
}

void Company::make_clients(std::uint64_t seed, int count, Instant founded) {
    for (int at = 0; at < count; ++at) {
        const std::uint64_t hash = mix(seed, client_salt, static_cast<std::uint64_t>(at));
        const auto stem = static_cast<std::size_t>(at) % names::client_stems.size();
        const auto round = static_cast<std::size_t>(at) / names::client_stems.size();
        Client client;
        client.name =
            fmt::format("{} {}{}", names::client_stems[stem], pick(names::client_kinds, hash), round ? fmt::format(" {}", round + 1) : "");
        client.id = object_id(day_within(founded, hash, 5 * 365), mix(seed, client_salt, static_cast<std::uint64_t>(at) + 1'000'000'007));
        client.archived = hash % 8 == 0;
        if (hash >> 8 & 1)
            client.address =
                fmt::format("{} {}\n{}", pick(names::streets, hash >> 12), (hash >> 20) % 120 + 1, pick(names::cities, hash >> 28));
        if ((hash >> 9) % 3 == 0) client.note = pick(names::client_notes, hash >> 32);
        if ((hash >> 10) % 3 == 0) client.email = fmt::format("billing@{}.example", mailbox(names::client_stems[stem]));
        client_ids_.emplace(client.id, at);
        clients.push_back(std::move(client));
    }
}

void Company::make_projects(std::uint64_t seed, int count, Instant founded) {
    internal_projects = static_cast<int>(names::internal_projects.size());
    for (int at = 0; at < count; ++at) {
        const std::uint64_t hash = mix(seed, project_salt, static_cast<std::uint64_t>(at));
        const bool internal = at < internal_projects;
        Project project;
        const Instant created = day_within(founded, hash, 5 * 365 + 300);
        project.id = object_id(created, mix(seed, project_salt, static_cast<std::uint64_t>(at) + 1'000'000'007));
        project.color = pick(names::colors, hash >> 7);
        project.note = pick(names::project_notes, hash >> 11);
        if (internal) {
            project.name = names::internal_projects[static_cast<std::size_t>(at)];
            project.billable = false;
        } else {
            if ((hash >> 16) % 25 != 0) project.client = static_cast<int>((hash >> 24) % clients.size());
            const auto theme = (static_cast<std::size_t>(at) + hash % 5) % names::project_themes.size();
            project.name = fmt::format("{} {}", names::project_themes[theme], civil(floor_day(created)).year);
            const auto round = static_cast<std::size_t>(at) / names::project_themes.size();
            if (round) project.name += fmt::format(" #{}", round + 1);
            project.billable = (hash >> 40) % 12 != 0;
            project.archived = (hash >> 44) % 6 == 0;
            project.is_public = (hash >> 48) % 3 != 0;
            project.rate = 7000 + static_cast<std::int64_t>((hash >> 30) % 36) * 250;
            if ((hash >> 52) % 3 == 0) project.estimated_hours = 40 * (1 + static_cast<std::int64_t>((hash >> 33) % 20));
            if ((hash >> 52) % 7 == 1) project.budget = 500'000 * (1 + static_cast<std::int64_t>((hash >> 35) % 40));
        }
        const auto tasks = (hash >> 56) % 6;
        for (std::uint64_t task = 0; task < tasks; ++task) {
            const std::uint64_t salt = mix(seed, task_salt, static_cast<std::uint64_t>(at) * 16 + task);
            project.tasks.push_back(
                {object_id(created, salt), std::string(names::tasks[(hash + task) % names::tasks.size()]), salt % 9 == 0});
        }
        const auto members = (hash >> 58) % 5;
        for (std::uint64_t member = 0; member < members; ++member) {
            const int person = static_cast<int>(mix(hash, member) % static_cast<std::uint64_t>(booking));
            if (std::find(project.members.begin(), project.members.end(), person) == project.members.end())
                project.members.push_back(person);
        }
        project_ids_.emplace(project.id, at);
        projects.push_back(std::move(project));
    }
}

void Company::make_tags(std::uint64_t seed, Instant founded) {
    for (std::size_t at = 0; at < names::tags.size(); ++at) {
        const std::uint64_t hash = mix(seed, tag_salt, at);
        tags.push_back({object_id(day_within(founded, hash, 5 * 365), hash), std::string(names::tags[at]), at + 2 >= names::tags.size()});
        tag_ids_.emplace(tags.back().id, static_cast<int>(at));
    }
}

} // namespace millrace::sandbox
