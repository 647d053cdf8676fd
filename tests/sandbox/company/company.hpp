#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../zone.hpp"

namespace millrace::sandbox {

struct Person {
    std::string id;
    std::string name; ///< empty: invited, and has not answered yet
    std::string email;
    std::string time_zone;
    bool pending = false;
    std::int64_t rate = 0; ///< minor units an hour; 0: the workspace's
    std::uint64_t traits = 0;
};

struct Client {
    std::string id, name;
    std::string email, address, note; ///< empty: null on the wire
    bool archived = false;
};

struct ProjectTask {
    std::string id, name;
    bool done = false;
};

struct Project {
    std::string id, name, note, color;
    int client = -1; ///< none
    bool billable = true, archived = false, is_public = true;
    std::int64_t rate = 0; ///< minor units an hour
    std::int64_t estimated_hours = 0, budget = 0;
    std::vector<ProjectTask> tasks;
    std::vector<int> members; ///< indexes of people
};

struct Tag {
    std::string id, name;
    bool archived = false;
};

struct CompanySize {
    int people = 50, projects = 200;
};

/// The people, clients, projects and tags of one workspace: made from a seed, the same every time. Time entries are not
/// here (see Timesheet); renaming is the only change.
class Company {
public:
    Company(std::uint64_t seed, CompanySize size, Day today);

    std::vector<Person> people; ///< those who book time first, then those who are only invited
    std::vector<Client> clients;
    std::vector<Project> projects; ///< internal ones first
    std::vector<Tag> tags;
    int booking = 0; ///< so many people book time
    int internal_projects = 0;
    std::int64_t default_rate = 9500;
    std::string currency = "EUR";

    /// -1 where there is none.
    [[nodiscard]] int person_of(std::string_view id) const { return find(person_ids_, id); }
    [[nodiscard]] int project_of(std::string_view id) const { return find(project_ids_, id); }
    [[nodiscard]] int client_of(std::string_view id) const { return find(client_ids_, id); }
    [[nodiscard]] int tag_of(std::string_view id) const { return find(tag_ids_, id); }

private:
    using Index = std::unordered_map<std::string, int>;
    static int find(const Index& index, std::string_view id);
    void make_people(std::uint64_t seed, int count, Instant founded);
    void make_clients(std::uint64_t seed, int count, Instant founded);
    void make_projects(std::uint64_t seed, int count, Instant founded);
    void make_tags(std::uint64_t seed, Instant founded);

    Index person_ids_, project_ids_, client_ids_, tag_ids_;
};

} // namespace millrace::sandbox
