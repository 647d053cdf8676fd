#pragma once
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "../company/timesheet.hpp"

namespace millrace::sandbox {

struct Totals {
    std::int64_t seconds = 0, billable_seconds = 0, entries = 0, earned = 0; ///< earned: minor units times 3600
};

/// One workspace of the service: a company, its timesheet and the key that opens it.
struct Workspace {
    Workspace(std::string id, std::string name, std::string key, std::uint64_t seed, CompanySize size, TimesheetSettings settings);

    std::string id, name, key;
    CompanySize size;
    std::uint64_t seed;
    Company company;
    Timesheet timesheet;

    /// Seconds booked on each project, ever.
    const std::vector<std::int64_t>& tracked();
    /// Gives this many clients, projects or tags a new name, chosen by `seed`; says how many.
    std::size_t rename_clients(std::size_t count, std::uint64_t seed);
    std::size_t rename_projects(std::size_t count, std::uint64_t seed);
    std::size_t rename_tags(std::size_t count, std::uint64_t seed);
    void reset();

    /// Parts of a detailed entry that repeat, as JSON.
    struct Pieces {
        std::vector<std::string> person, person_end, project, project_end, tag_id, tag;
    };
    const Pieces& pieces();

    /// Of a report's filter, by its text: what was found for it before. Forgotten when an entry changes.
    struct Memory {
        std::uint64_t generation = 0;
        std::unordered_map<std::string, Totals> totals;
        std::vector<std::pair<std::string, std::vector<Place>>> matches; ///< the latest few
        std::unordered_map<std::string, std::string> pages;              ///< detailed reports by their request, if told to keep them
        std::size_t page_bytes = 0;
    };
    Memory& memory();

private:
    void forget_names();

    std::optional<Pieces> pieces_;
    std::vector<std::int64_t> tracked_;
    std::optional<std::uint64_t> tracked_at_;
    Memory memory_;
    std::uint64_t renames_ = 0;
};

} // namespace millrace::sandbox
