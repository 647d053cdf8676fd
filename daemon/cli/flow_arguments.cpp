#include "daemon/cli/flow_arguments.hpp"

#include "daemon/cli/format.hpp"
#include "daemon/cli/project_flows.hpp"
#include "flows/nearest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <map>
#include <optional>
#include <sstream>

namespace millrace {
namespace {

/// The value in the parameter's own type; a text that does not fit is left to the daemon, whose message names the parameter.
Json typed_value(const std::string& text, const std::string& type) {
    const auto parsed = Json::parse(text, nullptr, false);
    if (type == "int" && parsed.is_number_integer()) return parsed;
    if (type == "bool" && parsed.is_boolean()) return parsed;
    if (type == "list") {
        if (parsed.is_array()) return parsed;
        Json items = Json::array();
        std::istringstream rest(text);
        for (std::string item; std::getline(rest, item, ',');) items.push_back(item);
        return items;
    }
    return text;
}

/// `--param a 3` in place of `--param a=3`: what follows was taken for a flow. `value` is it, or empty.
void require_assignments(const std::vector<std::string>& assignments, const std::string& value) {
    for (const auto& assignment : assignments)
        if (const auto equals = assignment.find('='); equals == std::string::npos || equals == 0)
            throw UsageError(fmt::format("--param {} is not NAME=VALUE", assignment),
                             equals == 0
                                 ? "for example: --param region=eu"
                                 : fmt::format("write --param {}={}, without a space", assignment, value.empty() ? "VALUE" : value));
}

std::map<std::string, std::string> types_of(const Json& flow) {
    std::map<std::string, std::string> types;
    for (const auto& param : list_of(flow, "params")) types[text_of(param, "name")] = text_of(param, "type");
    return types;
}

/// One that the list lacks, since another node deployed it a moment ago: asked for it by name, the daemon looks into its store.
std::optional<Json> just_deployed(const ApiClient& api, const std::string& name) {
    if (name.empty() || is_flow_file(name)) return std::nullopt;
    try {
        return api.get("/api/v1/flows/" + url_encoded(name));
    } catch (const ApiError& error) {
        if (error.says_later()) throw;
        return std::nullopt;
    }
}

/// `type_of` gives the type of a name, or throws. Throws UsageError.
template <class TypeOf>
Json typed_params(const std::vector<std::string>& assignments, TypeOf type_of) {
    require_assignments(assignments, "");
    Json params = Json::object();
    for (const auto& assignment : assignments) {
        const auto equals = assignment.find('=');
        const auto name = assignment.substr(0, equals);
        const std::string type = type_of(name);
        if (params.contains(name)) throw UsageError(fmt::format("parameter {} is given twice", name), "leave one of them out");
        params[name] = typed_value(assignment.substr(equals + 1), type);
    }
    return params;
}

} // namespace

std::vector<Json> flows_named(const ApiClient& api, const std::vector<std::string>& names, const std::vector<std::string>& params) {
    std::map<std::string, Json> deployed;
    std::vector<std::string> known;
    for (auto& flow : api.list("/api/v1/flows")) {
        const auto name = text_of(flow, "name");
        if (!flow.value("archived", false)) known.push_back(name);
        deployed[name] = std::move(flow);
    }
    std::vector<Json> flows;
    for (const auto& name : names) {
        auto found = deployed.find(name);
        if (found == deployed.end())
            if (auto flow = just_deployed(api, name)) found = deployed.emplace(name, std::move(*flow)).first;
        if (found == deployed.end()) {
            require_assignments(params, name);
            const bool is_file = is_flow_file(name);
            const auto near = nearest(is_file ? std::filesystem::path(name).stem().string() : name, known);
            throw UsageError("there is no flow " + name,
                             fmt::format("{}{} a new file needs `millrace deploy`",
                                         is_file ? "a run takes the name of a deployed flow; " : "",
                                         near.empty() ? "`millrace flows` lists them;" : "did you mean " + near + "?"));
        }
        flows.push_back(found->second);
    }
    require_assignments(params, "");
    return flows;
}

Json params_of(const Json& flow, const std::vector<std::string>& assignments) {
    const auto types = types_of(flow);
    return typed_params(assignments, [&](const std::string& name) {
        if (const auto type = types.find(name); type != types.end()) return type->second;
        std::vector<std::string> names;
        for (const auto& [known, of] : types) names.push_back(known);
        const auto near = nearest(name, names);
        throw UsageError(fmt::format("flow {} has no parameter {}", text_of(flow, "name"), name),
                         !near.empty()   ? fmt::format("did you mean {}?", near)
                         : names.empty() ? "it takes none"
                                         : fmt::format("its parameters are {}", fmt::join(names, ", ")));
    });
}

Json params_of_pinned(const Json& run, const Json& flow, const std::vector<std::string>& assignments) {
    const auto newest = types_of(flow);
    const Json had = run.value("params", Json::object());
    return typed_params(assignments, [&](const std::string& name) -> std::string {
        if (const auto value = had.find(name); value != had.end() && !value->is_null()) return value->is_array() ? "list" : "text";
        const auto type = newest.find(name);
        return type != newest.end() && type->second == "list" ? "list" : "text"; // the daemon makes what is wanted of a text
    });
}

} // namespace millrace
