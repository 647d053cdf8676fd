#include "flows/grammar/form.hpp"

#include "flows/grammar/flow_tables.hpp"
#include "flows/interval.hpp"
#include "flows/nearest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace millrace {
namespace {

constexpr const char* cut_by_comma = "between { and } a comma ends a value: put text with a comma in it in quotes";

const Field* find_in(const std::vector<const Table*>& tables, std::string_view key) {
    for (const Table* table : tables)
        if (const Field* field = find_field(*table, key)) return field;
    return nullptr;
}

std::vector<std::string> keys_of(const std::vector<const Table*>& tables) {
    std::vector<std::string> names;
    for (const Table* table : tables)
        for (const auto& field : table->fields)
            if (!field.later) names.emplace_back(field.key);
    return names;
}

/// The key that is meant. Of two that are equally near it is the one that must be there and is not.
std::string nearest_key(const YamlNode& node, const std::string& key, const std::vector<const Table*>& tables) {
    auto names = keys_of(tables);
    std::stable_partition(names.begin(), names.end(),
                          [&](const std::string& name) { return find_in(tables, name)->required && node.find(name) == nullptr; });
    const auto near = nearest(key, names);
    if (!near.empty()) return near;
    std::erase_if(names, [&](const std::string& name) { return node.find(name) != nullptr; });
    return our_word_for(key, names);
}

void collect(const Table& table, std::vector<const Table*>& all) {
    if (std::find(all.begin(), all.end(), &table) != all.end()) return;
    all.push_back(&table);
    for (const auto& field : table.fields)
        if (field.table != nullptr && !field.later) collect(*field.table, all);
}

/// Every mapping that a flow file may hold.
std::vector<const Table*> tables_of_flows() {
    std::vector<const Table*> all;
    collect(flow_table, all);
    for (const auto& verb : verb_table)
        if (!verb.later) collect(*verb.table, all);
    collect(dataset_table, all);
    return all;
}

/// Where else in a flow file the key belongs: "`cron` is a key of a schedule". Empty when nowhere.
std::string place_elsewhere(const std::vector<const Table*>& tables, const std::string& key) {
    static const auto all = tables_of_flows();
    if (std::find(all.begin(), all.end(), tables.front()) == all.end()) return {}; // not of a flow
    std::string places;
    for (const Table* table : all)
        if (const Field* field = find_field(*table, key); field != nullptr && !field->later)
            places += (places.empty() ? "" : ", or of ") + std::string(table->what);
    return places.empty() ? "" : "`" + key + "` is a key of " + places;
}

/// The nearest key, else all of them.
std::string suggestion(const std::vector<std::string>& names, const std::string& near) {
    if (!near.empty()) return "did you mean '" + near + "'?";
    std::string all = "its keys are ";
    for (std::size_t i = 0; i < names.size(); ++i) all += (i == 0 ? "" : i + 1 < names.size() ? ", " : " and ") + names[i];
    return names.size() == 1 ? "its only key is " + names[0] : all;
}

} // namespace

Form::Form(const YamlNode& node, std::initializer_list<const Table*> tables, std::string what, Diagnostics& diagnostics) : node_(node) {
    check(tables, what, diagnostics);
}

Form::Form(const YamlNode& node, std::vector<const Table*> tables, std::string what, Diagnostics& diagnostics) : node_(node) {
    check(tables, what, diagnostics);
}

void Form::check(const std::vector<const Table*>& tables, const std::string& what, Diagnostics& diagnostics) {
    if (!node_.is_map()) {
        diagnostics.error(node_.mark, fmt::format("{} must be a mapping of keys and values", what), suggestion(keys_of(tables), ""));
        return;
    }
    bool later = false;             // then what is missing may be missing because of it
    const Field* emptied = nullptr; // its entries stand at its own depth: told with the first of them
    for (std::size_t i = 0; i < node_.entries.size(); ++i) {
        const auto& entry = node_.entries[i];
        const Field* field = find_in(tables, entry.key);
        if (diagnostics.full()) return;
        const auto* next = i + 1 < node_.entries.size() ? &node_.entries[i + 1] : nullptr;
        constexpr Shape maps = Shape::Mapping | Shape::Named | Shape::Values | Shape::Slots | Shape::Strings;
        if (field != nullptr)
            emptied = !field->later && has(field->shape, maps) && entry.value.is_null() && next != nullptr &&
                              find_in(tables, next->key) == nullptr
                          ? field
                          : nullptr;
        if (emptied != nullptr && field == nullptr) {
            if (find_in(tables, node_.entries[i - 1].key) == emptied)
                diagnostics.error(entry.mark, fmt::format("`{}` is empty, and '{}' is no key of {}", emptied->key, entry.key, what),
                                  fmt::format("indent '{}' below `{}`", entry.key, emptied->key));
        } else if (emptied != nullptr) {
            continue;
        } else if (field == nullptr) {
            misspelt_.push_back(nearest_key(node_, entry.key, tables));
            const auto elsewhere = misspelt_.back().empty() ? place_elsewhere(tables, entry.key) : "";
            const bool cut = entry.value.is_null() && entry.key.find(' ') != std::string::npos;
            diagnostics.error(entry.mark, fmt::format("{} has no key '{}'", what, entry.key),
                              cut                  ? cut_by_comma
                              : !elsewhere.empty() ? elsewhere
                                                   : suggestion(keys_of(tables), misspelt_.back()));
        } else if (field->later) {
            later = true;
            diagnostics.error(entry.mark, fmt::format("`{}` is not available yet", entry.key),
                              "leave it out: this version does not act on it");
        } else {
            const auto found = mismatches(entry.value, *field);
            for (const auto& [mark, message, hint] : found) diagnostics.error(mark, message, hint);
            if (found.empty()) sound_.push_back(&entry);
        }
    }
    for (const Table* table : tables)
        for (const auto& field : table->fields)
            if (field.required && !later && node_.find(field.key) == nullptr && !lacks_by_spelling(field.key))
                diagnostics.error(node_.mark, fmt::format("{} lacks `{}`", what, field.key), fmt::format("`{}`: {}", field.key, field.doc));
}

bool Form::lacks_by_spelling(std::string_view key) const { return std::find(misspelt_.begin(), misspelt_.end(), key) != misspelt_.end(); }

const YamlNode* Form::get(std::string_view key) const {
    const auto found = std::find_if(sound_.begin(), sound_.end(), [&](const YamlEntry* e) { return e->key == key; });
    return found == sound_.end() ? nullptr : &(*found)->value;
}

Mark Form::key_mark(std::string_view key) const {
    const auto* entry = node_.find(key);
    return entry != nullptr ? entry->mark : node_.mark;
}

std::string Form::text(std::string_view key, std::string fallback) const {
    const auto* value = get(key);
    return value != nullptr && value->is_scalar() ? value->text : std::move(fallback);
}

std::optional<std::int64_t> Form::whole(std::string_view key) const {
    const auto* value = get(key);
    std::int64_t number = 0;
    if (value == nullptr || !value->is_scalar()) return std::nullopt;
    const auto [end, error] = std::from_chars(value->text.data(), value->text.data() + value->text.size(), number);
    return error == std::errc() && end == value->text.data() + value->text.size() ? std::optional(number) : std::nullopt;
}

bool Form::flag(std::string_view key, bool fallback) const {
    const auto* value = get(key);
    return value == nullptr ? fallback : value->text == "true";
}

std::optional<double> Form::seconds(std::string_view key) const {
    const auto* value = get(key);
    return value != nullptr && value->is_scalar() ? std::optional(parse_duration(value->text)) : std::nullopt;
}

Span Form::span(std::string_view key) const {
    const auto* value = get(key);
    return value != nullptr ? parse_span(value->text) : Span{};
}

std::optional<double> Form::percent(std::string_view key) const {
    const auto* value = get(key);
    return value != nullptr ? std::optional(parse_percent(value->text)) : std::nullopt;
}

std::optional<Share> Form::share(std::string_view key) const {
    const auto* value = get(key);
    return value != nullptr ? std::optional(parse_share(value->text)) : std::nullopt;
}

std::vector<std::string> Form::texts(std::string_view key) const {
    std::vector<std::string> all;
    if (const auto* value = get(key))
        for (const auto* element : elements(*value)) all.push_back(element->text);
    return all;
}

Json Form::json(std::string_view key) const {
    const auto* value = get(key);
    return value != nullptr ? to_json_value(*value) : Json();
}

std::vector<const YamlNode*> elements(const YamlNode& node) {
    if (node.is_scalar()) return {&node};
    std::vector<const YamlNode*> all;
    for (const auto& item : node.items)
        if (item.is_scalar()) all.push_back(&item);
    return all;
}

} // namespace millrace
