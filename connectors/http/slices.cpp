#include "connectors/http/slices.hpp"

#include "flows/error.hpp"
#include "flows/hash.hpp"
#include "flows/nearest.hpp"
#include "flows/zone.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace millrace {
namespace {

constexpr std::size_t most_slices = 1'000'000;

Instant instant_parameter(const ResourceSpec& resource, const Json& values, const std::string& name, const std::string& zone) {
    const Json& value = values.at(name);
    try {
        if (value.is_string()) return parse_date_or_instant(value.get<std::string>(), zone);
    } catch (const std::invalid_argument& e) {
        throw Error(ErrorClass::Permanent, fmt::format("`with: {}` of {}: {}", name, resource.name, e.what()));
    }
    throw Error(ErrorClass::Permanent, fmt::format("`with: {}` of {} is no date or instant: {}", name, resource.name, value.dump()),
                fmt::format("write {}: \"${{interval.{}}}\"", name, name == "from" ? "start" : "end"));
}

std::vector<std::optional<Interval>> windows_of(const ResourceSpec& resource, const Json& values, const std::string& zone) {
    if (!resource.window) return {std::nullopt};
    const Interval whole{instant_parameter(resource, values, "from", zone), instant_parameter(resource, values, "to", zone)};
    if (whole.end <= whole.start)
        throw Error(ErrorClass::Permanent, fmt::format("`with` of {}: to ({}) is not after from ({})", resource.name, to_rfc3339(whole.end),
                                                       to_rfc3339(whole.start)));
    std::vector<std::optional<Interval>> windows;
    for (const Interval& part : chunks(whole, resource.window->step, zone)) windows.emplace_back(part);
    return windows;
}

std::string label_of(const std::optional<Interval>& window, const std::optional<std::size_t>& item, const std::string& zone) {
    std::string text;
    if (window) {
        const auto& z = find_zone(zone);
        const auto local = [&](Instant t) {
            const std::string full = to_text(to_local(t, z));
            return full.ends_with("T00:00:00") ? full.substr(0, 10) : full;
        };
        text = local(window->start) + " .. " + local(window->end);
    }
    if (item) text += (text.empty() ? "item " : ", item ") + std::to_string(*item + 1);
    return text;
}

bool fits(const std::string& type, const Json& value) {
    if (value.is_null()) return true;
    if (type == "int") return value.is_number_integer();
    if (type == "bool") return value.is_boolean();
    if (type == "list") return value.is_array();
    if (type == "decimal") return value.is_number() || value.is_string();
    return value.is_string() || value.is_number();
}

} // namespace

std::string place_of(const ResourceSpec& resource, const std::string& label) {
    return label.empty() ? resource.name : resource.name + " of " + label;
}

Json resource_parameters(const ResourceSpec& resource, const Json& with) {
    std::vector<std::string> names;
    for (const ResourceParam& param : resource.params) names.push_back(param.name);
    for (const auto& [name, value] : with.items()) {
        if (std::find(names.begin(), names.end(), name) != names.end()) continue;
        const std::string near = nearest(name, names);
        throw Error(ErrorClass::Permanent, fmt::format("resource '{}' takes no parameter '{}'", resource.name, name),
                    near.empty() ? (names.empty() ? "it takes none" : "it takes " + fmt::format("{}", fmt::join(names, ", ")))
                                 : "did you mean '" + near + "'?");
    }
    Json values = Json::object();
    for (const ResourceParam& param : resource.params) {
        const auto given = with.find(param.name);
        const Json value = given != with.end() && !given->is_null() ? *given : param.default_value;
        if (param.required && value.is_null())
            throw Error(ErrorClass::Permanent, fmt::format("resource '{}' needs the parameter '{}'", resource.name, param.name),
                        "set it under `with`");
        if (!fits(param.type, value))
            throw Error(ErrorClass::Permanent,
                        fmt::format("`with: {}` of '{}' is {}, which is no {}", param.name, resource.name, value.dump(), param.type));
        values[param.name] = value;
    }
    return values;
}

bool is_narrowed(const ResourceSpec& resource, const Json& values) {
    return std::any_of(resource.params.begin(), resource.params.end(),
                       [&](const ResourceParam& p) { return p.narrows && !values.at(p.name).is_null(); });
}

std::vector<Slice> make_slices(const ResourceSpec& resource, const Json& with, const Scope& run, const std::vector<Json>& items,
                               bool mapped) {
    std::vector<Slice> slices;
    std::set<std::string> known;
    for (std::size_t i = 0; i < (mapped ? items.size() : 1); ++i) {
        Scope scope = run;
        std::string hash;
        if (mapped) {
            hash = sha256_hex(items[i].dump(-1, ' ', false, Json::error_handler_t::replace)).substr(0, 16);
            if (!known.insert(hash).second) continue;
            scope.set("item", items[i]);
        }
        const Json values = resource_parameters(resource, substitute(with, scope));
        for (const auto& window : windows_of(resource, values, run.timezone())) {
            if (slices.size() == most_slices)
                throw Error(ErrorClass::Permanent, fmt::format("more than {} slices of '{}'", most_slices, resource.name),
                            "use longer windows or fewer items");
            Slice slice{"", window, mapped ? std::optional(i) : std::nullopt, hash, values};
            slice.label = label_of(window, slice.item, run.timezone());
            slices.push_back(std::move(slice));
        }
    }
    return slices;
}

Scope slice_scope(const Slice& slice, const Json& connection, const std::string& zone) {
    Scope scope(zone);
    scope.set("connection", connection);
    for (const auto& [name, value] : slice.values.items()) scope.set(name, value);
    if (slice.window)
        scope.set("window", {{"start", to_rfc3339(slice.window->start)},
                             {"end", to_rfc3339(slice.window->end)},
                             {"last", to_rfc3339(slice.window->end - std::chrono::seconds(1))},
                             {"timezone", zone}});
    return scope;
}

} // namespace millrace
