#include "timesheet.hpp"

#include <algorithm>
#include <numeric>

#include "../mix.hpp"
#include "names.hpp"

namespace millrace::sandbox {

namespace {

constexpr std::uint64_t day_salt = 0xd1, entry_salt = 0xe1, favourite_salt = 0xf1, machine_salt = 0x3c;
constexpr std::int64_t opening = 7 * 3600, working_span = 11 * 3600;
constexpr double entries_a_day = 4.6;

bool is_holiday(CivilDay day) {
    constexpr std::array<std::array<unsigned, 2>, 7> fixed{{{1, 1}, {1, 6}, {5, 1}, {10, 3}, {11, 1}, {12, 25}, {12, 26}}};
    return std::any_of(fixed.begin(), fixed.end(), [&](const auto& date) { return date[0] == day.month && date[1] == day.day; });
}

/// How much is booked on a day; 1 is a usual Tuesday.
double weight_of(Day day) {
    const CivilDay date = civil(day);
    const double noise = 0.92 + 0.16 * fraction_of(mix(day_salt, static_cast<std::uint64_t>(day)));
    if (is_holiday(date)) return 0.01;
    constexpr std::array<double, 7> week{1, 1.02, 1.03, 1, 0.86, 0.02, 0.004};
    const bool between_the_years = (date.month == 12 && date.day >= 24) || (date.month == 1 && date.day <= 5);
    return week[static_cast<std::size_t>(weekday(day))] * noise * (between_the_years ? 0.15 : 1);
}

} // namespace

std::uint64_t usual_entries(int people, int days, Day today) {
    double weight = 0;
    for (Day day = today - days; day <= today; ++day) weight += weight_of(day);
    return static_cast<std::uint64_t>(weight * people * entries_a_day * 0.92);
}

Timesheet::Timesheet(const Company& company, TimesheetSettings settings)
    : company_(company), settings_(std::move(settings)), zone_(settings_.zone) {
    make_calendar();
    make_favourites();
}

void Timesheet::make_calendar() {
    std::vector<double> until;
    double total = 0;
    for (Day day = settings_.today - settings_.days; day <= settings_.today; ++day) until.push_back(total += weight_of(day));
    std::uint64_t first = 0;
    const auto booking = static_cast<std::uint64_t>(company_.booking);
    for (std::size_t at = 0; at < until.size(); ++at) {
        Workday day;
        day.date = settings_.today - settings_.days + static_cast<Day>(at);
        const auto last = at + 1 == until.size() ? settings_.entries
                                                 : static_cast<std::uint64_t>(static_cast<double>(settings_.entries) * (until[at] / total));
        day.first = first;
        day.count = static_cast<std::uint32_t>(last - first);
        day.present = static_cast<std::uint32_t>(std::clamp<std::uint64_t>((day.count + 2) / 5, 1, booking));
        const std::uint64_t hash = mix(settings_.seed, day_salt, static_cast<std::uint64_t>(day.date));
        day.step = 1 + hash % booking;
        while (std::gcd(day.step, booking) != 1) ++day.step;
        day.shift = (hash >> 32) % booking;
        day.midnight = zone_.to_instant(day.date * seconds_per_day);
        day.early_offset = zone_.offset_at(day.midnight);
        day.offset = zone_.offset_at(day.midnight + seconds_per_day / 2);
        days_.push_back(std::move(day));
        first = last;
    }
}

void Timesheet::make_favourites() {
    const auto projects = static_cast<int>(company_.projects.size()), internal = company_.internal_projects;
    for (int person = 0; person < company_.booking; ++person) {
        std::array<int, 6> all{}, open{};
        for (std::size_t at = 0; at < all.size(); ++at) {
            const double share = fraction_of(mix(settings_.seed ^ favourite_salt, static_cast<std::uint64_t>(person), at));
            all[at] = internal + static_cast<int>((projects - internal) * share * share);
            open[at] = all[at];
            for (int tries = 0; company_.projects[static_cast<std::size_t>(open[at])].archived && tries < projects; ++tries) {
                open[at] = open[at] + 1 < projects ? open[at] + 1 : internal;
            }
        }
        favourites_.push_back(all);
        open_favourites_.push_back(open);
    }
}

std::uint64_t Timesheet::size() const {
    std::uint64_t size = 0;
    for (const Workday& day : days_) size += day.count - day.removed.size() + day.extras.size();
    return size;
}

Instant Timesheet::begin() const { return days_.front().midnight; }
Instant Timesheet::end() const { return zone_.to_instant((days_.back().date + 1) * seconds_per_day); }

/// The local second of the day. The first and the last of every 150 are on call at night; the others share the working
/// day evenly, so that each person's entries of the day lie one after the other.
std::int64_t Timesheet::second_of(const Workday& day, std::uint32_t position) const {
    const std::uint32_t night = day.count / 150;
    if (position < night) return 600 + std::int64_t{3000} * position / night / 60 * 60;
    if (position >= day.count - night) return 22 * 3600 + std::int64_t{6000} * (position - (day.count - night)) / night / 60 * 60;
    const std::uint32_t daytime = day.count - 2 * night;
    return opening + working_span * (position - night) / daytime / 60 * 60;
}

Instant Timesheet::start_of(const Workday& day, std::uint32_t position) const {
    const std::int64_t second = second_of(day, position);
    return day.date * seconds_per_day + second - (second < 2 * 3600 ? day.early_offset : day.offset);
}

std::uint32_t Timesheet::lower_bound(const Workday& day, Instant instant) const {
    std::uint32_t low = 0, high = day.count;
    while (low < high) {
        const std::uint32_t middle = low + (high - low) / 2;
        if (start_of(day, middle) < instant)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

Timesheet::Part Timesheet::part_of(std::size_t at, Instant from, Instant to) const {
    const Workday& day = days_[at];
    Part part;
    if (day.midnight >= to || day.midnight + 25 * 3600 <= from) return part;
    part.low = day.midnight >= from ? 0 : lower_bound(day, from);
    part.high = day.midnight + 25 * 3600 <= to ? day.count : lower_bound(day, to);
    part.high = std::max(part.low, part.high);
    const auto first = std::lower_bound(day.removed.begin(), day.removed.end(), part.low);
    const auto last = std::lower_bound(first, day.removed.end(), part.high);
    part.base_count = part.high - part.low - static_cast<std::uint32_t>(last - first);
    for (std::uint32_t extra = 0; extra < day.extras.size(); ++extra) {
        if (day.extras[extra].start >= from && day.extras[extra].start < to) part.extras.push_back(extra);
    }
    return part;
}

/// The place of the entry at `position` among those of `part`.
Place Timesheet::place_of(std::size_t at, const Part& part, std::uint32_t position) const {
    const auto day = static_cast<std::int32_t>(at);
    if (position >= part.base_count) return {day, true, part.extras[position - part.base_count]};
    const auto& removed = days_[at].removed;
    std::uint32_t found = part.low + position;
    for (auto next = std::lower_bound(removed.begin(), removed.end(), part.low); next != removed.end() && *next <= found; ++next) ++found;
    return {day, false, found};
}

std::uint64_t Timesheet::count(Instant from, Instant to) const {
    std::uint64_t count = 0;
    for (std::size_t day = 0; day < days_.size(); ++day) {
        const Part part = part_of(day, from, to);
        count += part.base_count + part.extras.size();
    }
    return count;
}

std::vector<Place> Timesheet::page(Instant from, Instant to, Order order, std::uint64_t skip, std::uint64_t limit) const {
    std::vector<Place> places;
    for (std::size_t step = 0; step < days_.size() && places.size() < limit; ++step) {
        const std::size_t day = order == Order::Ascending ? step : days_.size() - 1 - step;
        const Part part = part_of(day, from, to);
        const auto size = static_cast<std::uint32_t>(part.base_count + part.extras.size());
        if (skip >= size) {
            skip -= size;
            continue;
        }
        for (auto position = static_cast<std::uint32_t>(skip); position < size && places.size() < limit; ++position) {
            places.push_back(place_of(day, part, order == Order::Ascending ? position : size - 1 - position));
        }
        skip = 0;
    }
    return places;
}

namespace {
/// The x of step * x = 1 (mod modulus), for coprime numbers.
std::uint64_t inverse(std::uint64_t step, std::uint64_t modulus) {
    std::int64_t a = static_cast<std::int64_t>(step % modulus), b = static_cast<std::int64_t>(modulus), x = 1, y = 0;
    while (b != 0) {
        const std::int64_t quotient = a / b;
        std::swap(a -= quotient * b, b);
        std::swap(x -= quotient * y, y);
    }
    const auto m = static_cast<std::int64_t>(modulus);
    return static_cast<std::uint64_t>(((x % m) + m) % m);
}
} // namespace

std::vector<Place> Timesheet::of_person(int person, Instant from, Instant to, Order order) const {
    std::vector<Place> places;
    if (person >= company_.booking) return places;
    const auto booking = static_cast<std::uint64_t>(company_.booking);
    for (std::size_t at = 0; at < days_.size(); ++at) {
        const Workday& day = days_[at];
        const Part part = part_of(at, from, to);
        const auto wanted = static_cast<std::uint64_t>(person) + booking - day.shift;
        const auto x = static_cast<std::uint32_t>(wanted % booking * inverse(day.step, booking) % booking);
        if (x < day.present) {
            for (std::uint32_t position = x; position < part.high; position += day.present) {
                if (position < part.low || std::binary_search(day.removed.begin(), day.removed.end(), position)) continue;
                places.push_back({static_cast<std::int32_t>(at), false, position});
            }
        }
        for (std::uint32_t extra : part.extras) {
            const Place place{static_cast<std::int32_t>(at), true, extra};
            if (this->at(place).person == person) places.push_back(place);
        }
    }
    if (order == Order::Descending) std::reverse(places.begin(), places.end());
    return places;
}

Entry Timesheet::at(Place place) const {
    const Workday& day = days_[static_cast<std::size_t>(place.day)];
    if (!place.extra) return base_entry(day, place.at);
    const Extra& extra = day.extras[place.at];
    if (extra.index < settings_.entries) {
        const Workday& origin = days_[day_of_index(extra.index)];
        Entry entry = base_entry(origin, static_cast<std::uint32_t>(extra.index - origin.first));
        entry.start = extra.start;
        return entry;
    }
    Entry entry;
    entry.index = extra.index;
    entry.traits = mix(settings_.seed, entry_salt, extra.index);
    entry.created = entry.start = extra.start;
    entry.person = static_cast<int>((entry.traits >> 7) % static_cast<std::uint64_t>(company_.booking));
    entry.seconds = static_cast<int>(900 * (1 + entry.traits % 6));
    choose_work(entry, true);
    apply_layers(entry);
    return entry;
}

std::size_t Timesheet::day_of_index(std::uint64_t index) const {
    const auto after =
        std::upper_bound(days_.begin(), days_.end(), index, [](std::uint64_t wanted, const Workday& day) { return wanted < day.first; });
    std::size_t at = static_cast<std::size_t>(after - days_.begin()) - 1;
    while (index >= days_[at].first + days_[at].count) --at; // a day without entries begins where the next one does
    return at;
}

Entry Timesheet::base_entry(const Workday& day, std::uint32_t position) const {
    Entry entry;
    entry.index = day.first + position;
    entry.traits = mix(settings_.seed, entry_salt, entry.index);
    entry.created = entry.start = start_of(day, position);
    entry.person = static_cast<int>((day.step * (position % day.present) + day.shift) % static_cast<std::uint64_t>(company_.booking));
    // The person's next entry of the day begins one round of the present people later.
    const std::uint32_t rounds = (day.count + day.present - 1) / day.present;
    const int room = std::max(1, static_cast<int>(working_span / 60 / rounds) - 3);
    const auto longer = [&](int pieces) {
        const auto one = static_cast<int>(entry.traits % static_cast<std::uint64_t>(pieces));
        const auto other = static_cast<int>((entry.traits >> 20) % static_cast<std::uint64_t>(pieces));
        return 1 + std::max(one, other);
    };
    const bool quarters = room >= 15 && entry.traits % 10 < 7;
    entry.seconds = 60 * (quarters ? 15 * longer(room / 15) : longer(room));
    if (!quarters && entry.traits % 50 == 9) entry.seconds += static_cast<int>((entry.traits >> 30) % 60); // a stopped timer
    choose_work(entry, day.date + settings_.days / 2 > settings_.today);
    apply_layers(entry);
    return entry;
}

void Timesheet::choose_work(Entry& entry, bool recent) const {
    const std::uint64_t hash = mix(entry.traits);
    const auto kind = hash % 100;
    if (kind < 11)
        entry.project = static_cast<int>((hash >> 8) % static_cast<std::uint64_t>(company_.internal_projects));
    else if (kind >= 13) {
        const auto choice = std::min((hash >> 8) % 6, (hash >> 16) % 6);
        entry.project = (recent ? open_favourites_ : favourites_)[static_cast<std::size_t>(entry.person)][choice];
    }
    if (entry.project >= 0) {
        const Project& project = company_.projects[static_cast<std::size_t>(entry.project)];
        entry.billable = project.billable && (hash >> 24) % 12 != 0;
        if (!project.tasks.empty() && (hash >> 28) % 10 < 7) entry.task = static_cast<int>((hash >> 32) % project.tasks.size());
    }
    const auto amount = (hash >> 40) % 100;
    entry.tag_count = amount < 28 ? 0 : amount < 90 ? 1 : amount < 99 ? 2 : 3;
    const auto count = company_.tags.size();
    const auto first = (hash >> 48) % count;
    // Strides below half of the number of tags: the tags of an entry differ.
    for (std::size_t at = 0; at < 3; ++at) entry.tags[at] = static_cast<std::uint8_t>((first + at * (1 + (hash >> 56) % 7)) % count);
}

void Timesheet::append_id(std::string& out, const Entry& entry) const {
    append_hex(out, static_cast<std::uint64_t>(entry.created), 8);
    append_hex(out, mix(settings_.seed, machine_salt) & 0xffffffffff, 10);
    append_hex(out, entry.index & 0xffffff, 6);
}

std::string Timesheet::id_of(const Entry& entry) const {
    std::string id;
    append_id(id, entry);
    return id;
}

} // namespace millrace::sandbox
