#pragma once
#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "company.hpp"

namespace millrace::sandbox {

/// One booked piece of time, computed when it is asked for.
struct Entry {
    std::uint64_t index = 0; ///< its identity
    Instant created = 0;     ///< when it was first booked for; its id holds this
    Instant start = 0;
    int seconds = 0;
    int person = 0;
    int project = -1; ///< none
    int task = -1;    ///< of the project; none
    std::array<std::uint8_t, 3> tags{};
    int tag_count = 0;
    bool billable = false;
    bool edited = false;
    std::uint64_t traits = 0; ///< what its description is made of

    /// What it earns, in minor units times 3600: seconds times the hourly rate.
    [[nodiscard]] std::int64_t earned(const Company& company) const {
        return billable ? static_cast<std::int64_t>(seconds) * company.projects[static_cast<std::size_t>(project)].rate : 0;
    }
};

/// Where an entry is found: a day and the entry's index, or the number of an extra of that day.
struct Place {
    std::int32_t day = 0;
    bool extra = false;
    std::uint32_t at = 0;
};

enum class Order { Ascending, Descending };

enum class Change { Edit, Retag, Reassign, Delete, Move };

struct ChangeCounts {
    std::uint64_t edited = 0, retagged = 0, reassigned = 0, deleted = 0, moved = 0;
};

struct TimesheetSettings {
    std::uint64_t seed = 1;
    std::uint64_t entries = 0;
    int days = 84; ///< before today; today is booked too
    Day today = 0;
    std::string zone = "Europe/Berlin";
};

/// Every time entry of a company, each a pure function of its index: ten million cost the memory of the calendar.
/// Within a day they are numbered in the order of their start, so that a page of a list is found without making the
/// others. What changes (edited, deleted, moved, arrived) is kept apart, in memory in proportion to the changes.
class Timesheet {
public:
    Timesheet(const Company& company, TimesheetSettings settings);

    [[nodiscard]] std::uint64_t size() const;
    [[nodiscard]] Instant begin() const;
    [[nodiscard]] Instant end() const;
    [[nodiscard]] const Zone& zone() const { return zone_; }
    /// Changes with every change of any entry.
    [[nodiscard]] std::uint64_t generation() const { return generation_; }

    [[nodiscard]] Entry at(Place place) const;
    [[nodiscard]] std::string id_of(const Entry& entry) const;
    void append_id(std::string& out, const Entry& entry) const;

    /// How many start in [from, to).
    [[nodiscard]] std::uint64_t count(Instant from, Instant to) const;
    /// A page of those, by their start.
    [[nodiscard]] std::vector<Place> page(Instant from, Instant to, Order order, std::uint64_t skip, std::uint64_t limit) const;
    /// All of one person, by their start.
    [[nodiscard]] std::vector<Place> of_person(int person, Instant from, Instant to, Order order) const;
    /// Calls `visit(place, entry)` for each that starts in [from, to), in the order of the days.
    template <class Visit>
    void each(Instant from, Instant to, Visit visit) const {
        for (std::size_t day = 0; day < days_.size(); ++day) {
            const Part part = part_of(day, from, to);
            for (std::uint32_t position = 0; position < part.base_count + part.extras.size(); ++position) {
                const Place place = place_of(day, part, position);
                visit(place, at(place));
            }
        }
    }

    /// Changes this share of all entries, chosen by `seed`. Changes add up until reset().
    ChangeCounts change(Change what, double fraction, std::uint64_t seed);
    /// Books `count` new entries as the latest of those in [from, to), or of all.
    void arrive(std::uint64_t count, Instant from, Instant to);
    /// Deletes the latest `count` of those in [from, to).
    void vanish(std::uint64_t count, Instant from, Instant to);
    void reset();

    /// The text of a description, appended as JSON (escaped) or as it is.
    void append_description(std::string& json, const Entry& entry) const;
    [[nodiscard]] std::string description(const Entry& entry) const;

private:
    struct Extra {
        std::uint64_t index;
        Instant start;
    };
    struct Workday {
        Day date = 0;
        std::uint64_t first = 0; ///< index of its first entry
        std::uint32_t count = 0;
        std::uint32_t present = 1;         ///< people who book on this day
        std::uint64_t step = 1, shift = 0; ///< which ones: person = (step * x + shift) mod booking
        Instant midnight = 0;
        int early_offset = 0, offset = 0;   ///< of the zone, before 02:00 and after
        std::vector<std::uint32_t> removed; ///< positions within the day, ascending
        std::vector<Extra> extras;
    };
    /// What of a day lies in a window: base entries [low, high) less the removed ones, then extras.
    struct Part {
        std::uint32_t low = 0, high = 0, base_count = 0;
        std::vector<std::uint32_t> extras;
    };
    struct Layer {
        Change what;
        std::uint64_t seed, threshold;
    };

    void make_calendar();
    void make_favourites();
    [[nodiscard]] std::int64_t second_of(const Workday& day, std::uint32_t position) const;
    [[nodiscard]] Instant start_of(const Workday& day, std::uint32_t position) const;
    [[nodiscard]] std::uint32_t lower_bound(const Workday& day, Instant instant) const;
    [[nodiscard]] Part part_of(std::size_t day, Instant from, Instant to) const;
    [[nodiscard]] Place place_of(std::size_t day, const Part& part, std::uint32_t position) const;
    [[nodiscard]] Entry base_entry(const Workday& day, std::uint32_t position) const;
    [[nodiscard]] std::size_t day_of_index(std::uint64_t index) const;
    void choose_work(Entry& entry, bool recent) const;
    void apply_layers(Entry& entry) const;

    const Company& company_;
    TimesheetSettings settings_;
    Zone zone_;
    std::vector<Workday> days_;
    std::vector<std::array<int, 6>> favourites_,
        open_favourites_; ///< projects by person; the second without archived ones
    std::vector<Layer> layers_;
    std::uint64_t arrived_ = 0, generation_ = 0;
};

/// How many entries people make in so many days up to `today`: about four and a half a working day.
std::uint64_t usual_entries(int people, int days, Day today);

} // namespace millrace::sandbox
