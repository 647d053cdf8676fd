#include "flows/compiler/find_verb.hpp"

#include "flows/nearest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace millrace {
namespace {

/// The verbs among the keys of a task.
std::vector<const VerbRow*> verbs_of(const YamlNode& node) {
    std::vector<const VerbRow*> found;
    for (const auto& row : verb_table)
        if (node.find(to_string(row.verb)) != nullptr) found.push_back(&row);
    return found;
}

bool is_key_of_tasks(const std::string& key) {
    return find_field(task_table, key) != nullptr || find_field(dataset_table, key) != nullptr ||
           std::any_of(verb_table.begin(), verb_table.end(), [&](const VerbRow& row) { return find_field(*row.table, key) != nullptr; });
}

std::string nearest_verb(const std::string& key, const std::vector<std::string>& verbs) {
    const auto near = nearest(key, verbs);
    return near.empty() ? our_word_for(key, verbs) : near;
}

} // namespace

bool is_misplaced(const YamlEntry& entry) {
    if (!entry.value.is_map()) return is_key_of_tasks(entry.key);
    constexpr std::array maps{"with", "columns", "rejects", "retry", "limits", "env"};
    return std::find(maps.begin(), maps.end(), entry.key) != maps.end() && verbs_of(entry.value).empty();
}

const VerbRow* verb_of(const YamlEntry& entry, Diagnostics& diagnostics) {
    if (entry.value.is_scalar())
        for (const auto& row : verb_table)
            if (const std::string verb(to_string(row.verb));
                entry.value.style == YamlNode::Style::Plain && entry.value.text.starts_with(verb + " ")) {
                diagnostics.error(entry.value.mark, fmt::format("a ':' is missing behind '{}'", verb),
                                  fmt::format("{}: {{{}: {}}}", entry.key, verb, entry.value.text.substr(verb.size() + 1)));
                return nullptr;
            }
    if (!entry.value.is_map() || is_misplaced(entry)) {
        diagnostics.error(entry.mark, fmt::format("the task '{}' has no verb", entry.key),
                          is_misplaced(entry) ? fmt::format("`{}` is a key of a task: indent it below the task's name", entry.key)
                                              : "a task is one verb with its object: extract, transform, load, run, flow, approve or wait");
        return nullptr;
    }
    const auto found = verbs_of(entry.value);
    if (found.size() > 1) {
        diagnostics.error(
            entry.value.find(to_string(found[1]->verb))->mark,
            fmt::format("the task '{}' has two verbs, {} and {}", entry.key, to_string(found[0]->verb), to_string(found[1]->verb)),
            "make it two tasks");
        return nullptr;
    }
    if (found.empty()) {
        std::vector<std::string> verbs;
        for (const auto& row : verb_table)
            if (!row.later) verbs.emplace_back(to_string(row.verb));
        if (entry.value.find("<<") != nullptr) return nullptr; // reported with the merge key
        for (const auto& key : entry.value.entries)
            if (const auto near = nearest_verb(key.key, verbs);
                !near.empty() && find_field(task_table, key.key) == nullptr && find_field(dataset_table, key.key) == nullptr) {
                diagnostics.error(key.mark, fmt::format("the task '{}' has no key '{}'", entry.key, key.key),
                                  "did you mean '" + near + "'?");
                return nullptr;
            }
        diagnostics.error(entry.mark, fmt::format("the task '{}' has no verb", entry.key),
                          "a task is one verb with its object: extract, transform, load, run, flow, approve or wait");
        return nullptr;
    }
    if (found[0]->later) {
        diagnostics.error(entry.value.find(to_string(found[0]->verb))->mark,
                          fmt::format("`{}` tasks are not available yet", to_string(found[0]->verb)), "this version does not act on them");
        return nullptr;
    }
    return found[0];
}

} // namespace millrace
