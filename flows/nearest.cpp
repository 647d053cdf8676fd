#include "flows/nearest.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>

namespace millrace {
namespace {

constexpr std::size_t longest_name = 100;    ///< text beyond it is no mistyped name, and the table below is quadratic
constexpr std::size_t most_candidates = 300; ///< a hint is not worth more time

int lower(char c) { return std::tolower(static_cast<unsigned char>(c)); }

bool begins_with(std::string_view text, std::string_view start) {
    return text.size() >= start.size() &&
           std::equal(start.begin(), start.end(), text.begin(), [](char a, char b) { return lower(a) == lower(b); });
}

/// Words of other tools, with ours. A word may have several of ours: the candidates decide.
constexpr std::array<std::pair<std::string_view, std::string_view>, 65> foreign_words{{
    {"name", "flow"},
    {"id", "flow"},
    {"dag", "flow"},
    {"pipeline", "flow"},
    {"workflow", "flow"},
    {"jobs", "tasks"},
    {"steps", "tasks"},
    {"nodes", "tasks"},
    {"depends_on", "needs"},
    {"dependencies", "needs"},
    {"upstream", "needs"},
    {"after", "needs"},
    {"requires", "needs"},
    {"condition", "when"},
    {"if", "when"},
    {"retries", "retry"},
    {"max_retries", "attempts"},
    {"interval", "delay"},
    {"parameters", "params"},
    {"inputs", "params"},
    {"variables", "params"},
    {"source", "extract"},
    {"read", "extract"},
    {"sql", "transform"},
    {"query", "transform"},
    {"select", "transform"},
    {"command", "run"},
    {"cmd", "run"},
    {"shell", "run"},
    {"bash", "run"},
    {"script", "run"},
    {"exec", "run"},
    {"python", "run"},
    {"sleep", "wait"},
    {"delay", "wait"},
    {"approval", "approve"},
    {"target", "into"},
    {"destination", "into"},
    {"table", "into"},
    {"to", "into"},
    {"write_mode", "mode"},
    {"strategy", "mode"},
    {"primary_key", "key"},
    {"unique_key", "key"},
    {"keys", "key"},
    {"schema", "columns"},
    {"fields", "columns"},
    {"foreach", "for_each"},
    {"parallelism", "concurrency"},
    {"merge", "upsert"},
    {"update", "upsert"},
    {"overwrite", "replace"},
    {"truncate", "replace"},
    {"insert", "append"},
    {"string", "text"},
    {"number", "decimal"},
    {"float", "decimal"},
    {"double", "decimal"},
    {"array", "list"},
    {"timestamp", "timestamptz"},
    {"tz", "timezone"},
    {"zone", "timezone"},
    {"interval.begin", "interval.start"},
    {"interval.from", "interval.start"},
    {"interval.to", "interval.end"},
}};

} // namespace

std::string our_word_for(std::string_view word, const std::vector<std::string>& candidates) {
    for (const auto& [theirs, ours] : foreign_words)
        if (theirs == word && std::find(candidates.begin(), candidates.end(), ours) != candidates.end()) return std::string(ours);
    return {};
}

int edit_distance(std::string_view a, std::string_view b) {
    const std::size_t width = b.size() + 1;
    std::vector<int> table((a.size() + 1) * width);
    const auto at = [&](std::size_t i, std::size_t j) -> int& { return table[i * width + j]; };
    for (std::size_t i = 0; i <= a.size(); ++i) at(i, 0) = static_cast<int>(i);
    for (std::size_t j = 0; j <= b.size(); ++j) at(0, j) = static_cast<int>(j);
    for (std::size_t i = 1; i <= a.size(); ++i)
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            at(i, j) = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1)});
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
        }
    return at(a.size(), b.size());
}

std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
    if (name.empty() || name.size() > longest_name) return {};
    std::string best;
    int best_distance = 0;
    for (const auto& candidate : std::span(candidates).first(std::min(candidates.size(), most_candidates))) {
        const auto longer = std::max(name.size(), candidate.size()), difference = longer - std::min(name.size(), candidate.size());
        if (candidate.size() > longest_name || difference > std::max<std::size_t>(1, longer / 3)) continue;
        const int distance = edit_distance(name, candidate);
        const int allowed = std::max<int>(1, static_cast<int>(std::max(name.size(), candidate.size()) / 3));
        if (distance <= allowed && distance < static_cast<int>(candidate.size()) && (best.empty() || distance < best_distance)) {
            best = candidate;
            best_distance = distance;
        }
    }
    if (!best.empty()) return best;
    for (const auto& candidate : candidates) {
        const bool is_most_of_it = candidate.size() >= 3 && 2 * candidate.size() >= name.size(); // `user` is not meant by `user_groups`
        if (name.size() < 3 || !(begins_with(candidate, name) || (is_most_of_it && begins_with(name, candidate)))) continue;
        if (!best.empty()) return {};
        best = candidate;
    }
    return best;
}

} // namespace millrace
