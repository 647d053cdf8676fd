#include <algorithm>

#include <fmt/format.h>

#include "../mix.hpp"
#include "names.hpp"
#include "timesheet.hpp"

/// What happens to a timesheet after it was made: edits, moves, arrivals; and the text of its entries.
namespace millrace::sandbox {

namespace {
bool is_hit(std::uint64_t seed, std::uint64_t threshold, std::uint64_t index) { return mix(seed, 0xc4, index) < threshold; }
} // namespace

void Timesheet::apply_layers(Entry& entry) const {
    for (const Layer& layer : layers_) {
        if (layer.what == Change::Delete || layer.what == Change::Move || !is_hit(layer.seed, layer.threshold, entry.index)) continue;
        const std::uint64_t hash = mix(layer.seed, entry.index);
        const auto tags = company_.tags.size();
        switch (layer.what) {
        case Change::Edit:
            entry.seconds += entry.seconds > 3600 && hash % 2 ? -900 : 900;
            entry.edited = true;
            break;
        case Change::Retag:
            if (entry.tag_count == 0) entry.tag_count = 1;
            entry.tags[0] = static_cast<std::uint8_t>((entry.tags[0] + 1 + hash % (tags - 1)) % tags);
            entry.tag_count = 1;
            break;
        case Change::Reassign: {
            const auto projects = company_.projects.size();
            entry.project = static_cast<int>((static_cast<std::size_t>(std::max(entry.project, 0)) + 1 + hash % (projects - 1)) % projects);
            entry.task = -1;
            entry.billable = company_.projects[static_cast<std::size_t>(entry.project)].billable;
            break;
        }
        case Change::Delete:
        case Change::Move: break;
        }
    }
}

ChangeCounts Timesheet::change(Change what, double fraction, std::uint64_t seed) {
    ++generation_;
    ChangeCounts counts;
    const std::uint64_t limit = threshold(fraction);
    const bool leaves = what == Change::Delete || what == Change::Move;
    std::uint64_t hits = 0;
    for (std::size_t at = 0; at < days_.size(); ++at) {
        Workday& day = days_[at];
        const auto already = static_cast<std::ptrdiff_t>(day.removed.size());
        for (std::uint32_t position = 0; position < day.count; ++position) {
            if (!is_hit(seed, limit, day.first + position)) continue;
            if (std::binary_search(day.removed.begin(), day.removed.begin() + already, position)) continue;
            ++hits;
            if (leaves) day.removed.push_back(position);
            if (what == Change::Move) {
                Workday& other = days_[at + 1 < days_.size() ? at + 1 : at > 0 ? at - 1 : at];
                other.extras.push_back({day.first + position, start_of(day, position) + (other.date - day.date) * seconds_per_day});
            }
        }
        std::inplace_merge(day.removed.begin(), day.removed.begin() + already, day.removed.end());
    }
    if (!leaves) layers_.push_back({what, seed, limit});
    (what == Change::Edit       ? counts.edited
     : what == Change::Retag    ? counts.retagged
     : what == Change::Reassign ? counts.reassigned
     : what == Change::Delete   ? counts.deleted
                                : counts.moved) = hits;
    return counts;
}

void Timesheet::arrive(std::uint64_t count, Instant from, Instant to) {
    ++generation_;
    for (auto day = days_.rbegin(); day != days_.rend(); ++day) {
        // Just before the end of the window, and of the day: later than all others.
        const Instant latest = std::min(to, day->midnight + seconds_per_day - 3600) - 60;
        if (day->midnight >= to || (latest < from && day + 1 != days_.rend())) continue;
        for (std::uint64_t at = 0; at < count; ++at) day->extras.push_back({settings_.entries + arrived_++, latest});
        return;
    }
}

void Timesheet::vanish(std::uint64_t count, Instant from, Instant to) {
    ++generation_;
    for (const Place& place : page(from, to, Order::Descending, 0, count)) {
        Workday& day = days_[static_cast<std::size_t>(place.day)];
        if (place.extra)
            day.extras.erase(day.extras.begin() + place.at); // a descending page names a day's extras from the last
        else
            day.removed.insert(std::lower_bound(day.removed.begin(), day.removed.end(), place.at), place.at);
    }
}

void Timesheet::reset() {
    ++generation_;
    layers_.clear();
    arrived_ = 0;
    for (Workday& day : days_) {
        day.removed.clear();
        day.extras.clear();
    }
}

std::string Timesheet::description(const Entry& entry) const {
    if (entry.traits % 23 == 0) return entry.edited ? "(edited)" : "";
    const std::uint64_t hash = mix(entry.traits ^ 0xde5c);
    std::string text = hash % 5 == 0 ? fmt::format("[CARD-{}]: ", 100 + (hash >> 24) % 900) : "";
    text += names::verbs[(hash >> 8) % names::verbs.size()];
    text += ' ';
    text += names::objects[(hash >> 16) % names::objects.size()];
    if (entry.edited) text += " (edited)";
    return text;
}

namespace {
/// The words with what JSON demands escaped, made once.
std::vector<std::string> escaped(std::span<const std::string_view> words) {
    std::vector<std::string> out;
    for (std::string_view word : words) append_escaped(out.emplace_back(), word);
    return out;
}
} // namespace

void Timesheet::append_description(std::string& json, const Entry& entry) const {
    static const std::vector<std::string> verbs = escaped(names::verbs), objects = escaped(names::objects);
    if (entry.traits % 23 == 0) {
        if (entry.edited) json += "(edited)";
        return;
    }
    const std::uint64_t hash = mix(entry.traits ^ 0xde5c);
    if (hash % 5 == 0) {
        json += "[CARD-";
        fmt::format_to(std::back_inserter(json), "{}", 100 + (hash >> 24) % 900);
        json += "]: ";
    }
    json += verbs[(hash >> 8) % verbs.size()];
    json += ' ';
    json += objects[(hash >> 16) % objects.size()];
    if (entry.edited) json += " (edited)";
}

} // namespace millrace::sandbox
