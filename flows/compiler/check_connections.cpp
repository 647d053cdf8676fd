#include "flows/column_type.hpp"
#include "flows/compiler/draft.hpp"
#include "flows/compiler/policies.hpp"
#include "flows/guarantees.hpp"
#include "flows/limit_key.hpp"
#include "flows/nearest.hpp"
#include "flows/substitute.hpp"
#include "flows/type_names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace {
namespace {

template <class Map>
std::vector<std::string> keys(const Map& map) {
    std::vector<std::string> names;
    for (const auto& [name, value] : map) names.push_back(name);
    return names;
}

const ResourceSpec* find_resource(const SourceSpec& spec, const std::string& name) {
    for (const auto& resource : spec.resources)
        if (resource.name == name) return &resource;
    return nullptr;
}

class ConnectionCheck {
public:
    ConnectionCheck(Draft& draft, CompileScope& scope) : draft_(draft), scope_(scope) {}

    void check() {
        for (const auto& param : draft_.plan.params) check_param(param);
        for (auto& task : draft_.tasks) {
            if (const auto* options = std::get_if<ExtractOptions>(&task.options)) check_extract(task, *options);
            if (const auto* options = std::get_if<LoadOptions>(&task.options)) check_load(task, *options);
            if (const auto* options = std::get_if<WaitOptions>(&task.options)) check_wait(task, *options);
        }
        check_limits();
    }

private:
    void check_param(const ParamSpec& param) {
        if (param.type != "connection") return;
        const auto mark = draft_.param_marks.at(param.name);
        auto named = param.enumeration;
        if (param.default_value.is_string()) named.push_back(param.default_value);
        for (const auto& name : named)
            if (!scope_.project.connections.contains(name))
                scope_.diagnostics.error(
                    mark, fmt::format("no connection is called '{}'", name),
                    did_you_mean(name, keys(scope_.project.connections), "declare it under `connections:` in millrace.yaml"));
    }

    void check_extract(DraftTask& task, const ExtractOptions& options) {
        if (options.connection.empty() || options.resource.empty()) return;
        const auto connection = resolve_connection(options.connection, task.object_mark, draft_, scope_);
        if (!connection) return;
        for (const auto& type : connection->types) {
            const auto spec = scope_.sources.find(type);
            if (spec == scope_.sources.end()) {
                scope_.diagnostics.error(task.object_mark, fmt::format("extracting from a {} connection is not available yet", type),
                                         fmt::format("the declared sources are {}", fmt::join(keys(scope_.sources), ", ")));
                continue;
            }
            const auto* resource = find_resource(spec->second, options.resource);
            if (resource == nullptr) {
                std::vector<std::string> names;
                for (const auto& r : spec->second.resources) names.push_back(r.name);
                scope_.diagnostics.error(
                    task.object_mark, fmt::format("{} has no resource '{}'", type, options.resource),
                    did_you_mean(options.resource, names, fmt::format("its resources are {}", fmt::join(names, ", "))));
                continue;
            }
            check_with(task, options, type, *resource);
            check_contract(task, type, *resource);
            task.resource = resource;
        }
        if (connection->open && connection->types.empty()) find_by_resource(task, options);
    }

    /// A parameter that may name any connection: some declared source must have the resource.
    void find_by_resource(const DraftTask& task, const ExtractOptions& options) {
        for (const auto& [type, spec] : scope_.sources)
            if (find_resource(spec, options.resource) != nullptr) return;
        scope_.diagnostics.error(task.object_mark, fmt::format("no declared source has a resource '{}'", options.resource));
    }

    void check_with(const DraftTask& task, const ExtractOptions& options, const std::string& type, const ResourceSpec& resource) {
        std::vector<std::string> names;
        for (const auto& param : resource.params) names.push_back(param.name);
        if (const auto* with = task.node->find("with"))
            for (const auto& entry : with->value.entries)
                if (std::find(names.begin(), names.end(), entry.key) == names.end())
                    scope_.diagnostics.error(entry.mark, fmt::format("{}.{} has no parameter '{}'", type, resource.name, entry.key),
                                             names.empty() ? "it takes none" : did_you_mean(entry.key, names));
        if (const auto* with = task.node->find("with"))
            for (const auto& entry : with->value.entries)
                for (const auto& param : resource.params)
                    if (param.name == entry.key) check_value(param, entry.value);
        for (const auto& param : resource.params)
            if (param.required && param.default_value.is_null() && !options.with.contains(param.name))
                scope_.diagnostics.error(task.object_mark, fmt::format("{}.{} needs the parameter `{}`", type, resource.name, param.name),
                                         param.name == "from" || param.name == "to"
                                             ? "with: {from: \"${interval.start}\", to: \"${interval.end}\"}"
                                             : fmt::format("with: {{{}: ...}}", param.name));
    }

    /// A contract takes what it names of the record, and of the columns that say where the record comes from.
    void check_contract(const DraftTask& task, const std::string& type, const ResourceSpec& resource) {
        std::vector<std::string> names;
        for (const auto& column : resource.columns) names.push_back(column.name);
        if (resource.window) names.emplace_back("_window");
        if (task.for_each) names.emplace_back("_item");
        const auto has = [&](const std::string& name) {
            return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return lower_case(n) == lower_case(name); });
        };
        for (const auto& column : task.contract.columns)
            for (const auto& source : resource.columns)
                if (source.name == column.name)
                    if (const auto mistake = contradiction(source.type, column.type))
                        scope_.diagnostics.error(task.column_marks.at(column.name),
                                                 fmt::format("{}.{} gives '{}' as {}: {}", type, resource.name, column.name,
                                                             shown_type(source.type), mistake->what),
                                                 "read it as it is, and cast it in a transform");
        for (const auto& column : task.contract.columns)
            if (!has(column.name))
                scope_.diagnostics.error(task.column_marks.at(column.name),
                                         fmt::format("{}.{} has no column '{}'", type, resource.name, column.name),
                                         did_you_mean(column.name, names, fmt::format("its columns are {}", fmt::join(names, ", "))));
    }

    /// Texts with `${}` are known when the extract runs, lists and mappings are the source's own affair.
    void check_value(const ResourceParam& param, const YamlNode& value) {
        if (!value.is_scalar() || param.type == "list" || value.text.find("${") != std::string::npos) return;
        auto plain = value; // "true" and true are one in a request
        plain.style = YamlNode::Style::Plain;
        std::string why;
        ParamSpec spec;
        spec.name = param.name;
        spec.type = param.type == "date" ? "timestamptz" : param.type; // an instant has a date
        (void)typed_param(spec, plain, why);
        if (!why.empty()) scope_.diagnostics.error(value.mark, why);
    }

    void check_wait(const DraftTask& task, const WaitOptions& options) {
        const auto* in = options.in.empty() ? nullptr : task.node->find("wait")->value.find("in");
        if (in == nullptr) return;
        const auto mark = in->value.mark;
        if (options.in.find("${") != std::string::npos && options.in.find('}') != options.in.size() - 1)
            return scope_.diagnostics.error(mark, "`in` is the name of a connection, or one parameter of type connection",
                                            "in: warehouse, for example");
        const auto connection = resolve_connection(options.in, mark, draft_, scope_);
        if (!connection) return;
        for (const auto& type : connection->types)
            if (const auto* known = find_connection_type(type); known == nullptr || !known->takes_queries)
                scope_.diagnostics.error(mark, fmt::format("a {} connection cannot be asked with SQL", type), "postgres can");
        warn_of_unset(options.in, mark);
    }

    void check_load(const DraftTask& task, const LoadOptions& options) {
        const auto* into = task.node->find("into");
        if (options.connection.empty() || into == nullptr) return;
        const auto mark = into->value.mark;
        if (lacks_connection(options, into->value)) return;
        const auto connection = resolve_connection(options.connection, mark, draft_, scope_);
        if (!connection) return;
        if (task.node->find("load")->value.is_scalar() && split_object(into->value.text).rest.empty())
            return scope_.diagnostics.error(mark, "`into` names no table",
                                            fmt::format("write {0}.TABLE or {0}.SCHEMA.TABLE", options.connection));
        for (const auto& type : connection->types) check_target(task, options, type, into->value.mark);
        warn_of_unset(options.connection, mark);
    }

    /// `into: demo.hours`, where neither 'demo' nor a name like it is a connection: the warehouse was left out, or a declaration.
    bool lacks_connection(const LoadOptions& options, const YamlNode& into) {
        const auto& connections = scope_.project.connections;
        const auto& text = into.text;
        if (text.starts_with("${") || connections.contains(options.connection)) return false;
        if (!nearest(options.connection, keys(connections)).empty()) return false;
        const bool of_warehouse = connections.contains("warehouse") && std::count(text.begin(), text.end(), '.') <= 1;
        scope_.diagnostics.error(
            into.mark, fmt::format("no connection is called '{}'", options.connection),
            of_warehouse
                ? fmt::format("a table of the warehouse is written warehouse.{}; another connection is declared in millrace.yaml", text)
                : how_to_declare(options.connection));
        return true;
    }

    /// An implied connection is filled from the environment, which may be another one where the flow runs.
    void warn_of_unset(const std::string& connection, Mark mark) {
        const auto found = scope_.project.connections.find(connection);
        if (found == scope_.project.connections.end() || !found->second.unset || !takes_loads(found->second)) return;
        scope_.diagnostics.warning(
            mark, fmt::format("the connection '{}' is not declared, and the environment here does not fill it in", connection),
            how_to_declare(connection));
    }

    static bool takes_loads(const ConnectionSpec& spec) {
        const auto* type = find_connection_type(spec.type);
        return type != nullptr && !type->loads_later;
    }

    [[nodiscard]] std::string how_to_declare(const std::string& connection) const {
        std::string targets;
        for (const auto& [name, spec] : scope_.project.connections)
            if (takes_loads(spec) && !spec.unset) targets += fmt::format("{}{} ({})", targets.empty() ? "" : ", ", name, spec.type);
        return fmt::format("targets here: {}; another one is declared in millrace.yaml: connections: {{{}: {{type: postgres, url: "
                           "\"${{secret.{}}}\"}}}}",
                           targets, connection, upper_case(connection + "_url"));
    }

    void check_target(const DraftTask& task, const LoadOptions& options, const std::string& type, Mark mark) {
        const auto* guarantee = guarantee_of(type);
        const auto* known = find_connection_type(type);
        if (guarantee == nullptr || known == nullptr)
            return scope_.diagnostics.error(
                mark, fmt::format("'{}' is a {} connection, and that is a source, not a target", options.connection, type),
                "load into warehouse, for example");
        for (const auto& table : options.tables)
            if (!table.mode.empty() && promise(*guarantee, table.mode).empty())
                return scope_.diagnostics.error(task.node->find("mode")->value.mark,
                                                fmt::format("a {} target cannot do mode {}", type, table.mode),
                                                fmt::format("it can do {}", modes_of(*guarantee)));
        if (options.delete_rule == "missing" && promise(*guarantee, "delete: missing").empty())
            return scope_.diagnostics.error(task.node->find("delete")->value.mark,
                                            fmt::format("a {} target cannot delete missing rows", type));
        if (known->loads_later) scope_.diagnostics.error(mark, fmt::format("loading into {} is not available yet", type), "postgres is");
        if (known->longest_name != 0)
            for (const auto& table : options.tables) check_names(table, *known, mark);
    }

    /// The target would cut a longer name, or refuse it after everything was extracted.
    void check_names(const LoadTable& table, const ConnectionType& type, Mark mark) {
        const auto check = [&](const std::string& name, const char* what, Mark at) {
            if (name.size() > type.longest_name && name.find("${") == std::string::npos)
                scope_.diagnostics.error(at,
                                         fmt::format("the {} '{}' has {} bytes, and a name in {} has at most {}", what, name, name.size(),
                                                     type.name, type.longest_name),
                                         "choose a shorter name");
        };
        const auto point = table.table.find('.');
        if (point != std::string::npos) check(table.table.substr(0, point), "schema", mark);
        check(table.table.substr(point == std::string::npos ? 0 : point + 1), "table", mark);
        const auto* made = draft_.find(table.task);
        if (made == nullptr) return;
        for (const auto& column : made->columns_seen().value_or(std::vector<InferColumn>())) {
            const auto at = made->column_marks.find(column.name);
            check(column.name, "column", at == made->column_marks.end() ? mark : at->second);
        }
    }

    static std::string modes_of(const Guarantee& guarantee) {
        std::vector<std::string> modes;
        for (const char* mode : {"append", "insert_new", "upsert", "replace"})
            if (!promise(guarantee, mode).empty()) modes.emplace_back(mode);
        return fmt::format("{}", fmt::join(modes, ", "));
    }

    void check_limits() {
        for (std::size_t i = 0; i < draft_.limit_marks.size(); ++i) {
            const auto& [demand, mark] = draft_.limit_marks[i];
            const auto known = scope_.project.limits.find(demand.key);
            if (limit_key(demand.key).kind != LimitKey::Kind::Named)
                scope_.diagnostics.error(mark, fmt::format("the limit '{}' counts by itself, no flow asks for it", demand.key),
                                         "remove it here; millrace.yaml has it under `limits:`");
            else if (known == scope_.project.limits.end())
                scope_.diagnostics.error(
                    mark, fmt::format("no limit is called '{}'", demand.key),
                    did_you_mean(demand.key, named_limits(), fmt::format("declare it in millrace.yaml: limits: {{{}: 2}}", demand.key)));
            else if (demand.slots > known->second)
                scope_.diagnostics.error(
                    mark, fmt::format("{} slots of '{}' can never be had: the limit is {}", demand.slots, demand.key, known->second),
                    "ask for fewer, or raise the limit in millrace.yaml");
            else if (demand.slots == 0)
                scope_.diagnostics.error(mark, fmt::format("no slots of '{}' is no limit at all", demand.key),
                                         "give it 1 or more, or remove it");
        }
    }

    [[nodiscard]] std::vector<std::string> named_limits() const {
        auto names = keys(scope_.project.limits);
        std::erase_if(names, [](const std::string& key) { return limit_key(key).kind != LimitKey::Kind::Named; });
        return names;
    }

    Draft& draft_;
    CompileScope& scope_;
};

} // namespace

std::optional<ResolvedConnection> resolve_connection(const std::string& connection, Mark mark, const Draft& draft, CompileScope& scope) {
    const auto& connections = scope.project.connections;
    if (!connection.starts_with("${")) {
        const auto found = connections.find(connection);
        if (found != connections.end()) return ResolvedConnection{{found->second.type}, false};
        scope.diagnostics.error(mark, fmt::format("no connection is called '{}'", connection),
                                did_you_mean(connection, keys(connections), "declare it under `connections:` in millrace.yaml"));
        return std::nullopt;
    }
    const auto name = connection.substr(2, connection.size() - 3);
    const auto* param = draft.param(name);
    if (param == nullptr) return std::nullopt; // reported with the templates
    if (param->type != "connection") {
        scope.diagnostics.error(
            mark, fmt::format("the parameter '{}' is of type {}; only one of type connection may stand here", name, param->type),
            fmt::format("params: {{{}: {{type: connection}}}}", name));
        return std::nullopt;
    }
    ResolvedConnection resolved;
    auto named = param->enumeration;
    if (param->default_value.is_string()) named.push_back(param->default_value);
    for (const auto& n : named)
        if (const auto found = connections.find(n); found != connections.end()) resolved.types.insert(found->second.type);
    resolved.open = param->enumeration.empty();
    return resolved;
}

void describe_extracts(Draft& draft, const CompileScope& scope) {
    const SourceText nowhere("", "");
    Diagnostics ignored(nowhere); // check_connections reports
    CompileScope quiet{scope.project, scope.sources, nullptr, ignored};
    for (auto& task : draft.tasks) {
        const auto* options = std::get_if<ExtractOptions>(&task.options);
        if (options == nullptr) continue;
        const auto connection = resolve_connection(options->connection, {}, draft, quiet);
        if (!connection || connection->types.size() != 1) continue;
        const auto spec = scope.sources.find(*connection->types.begin());
        const auto* resource = spec == scope.sources.end() ? nullptr : find_resource(spec->second, options->resource);
        if (resource == nullptr) continue;
        std::vector<InferColumn> columns;
        for (const auto& column : resource->columns) columns.push_back({column.name, column.type});
        if (resource->window)
            columns.push_back({"_window", "STRUCT(\"start\" TIMESTAMP WITH TIME ZONE, \"end\" TIMESTAMP WITH TIME ZONE, date DATE)"});
        task.dataset = std::move(columns);
    }
}

void check_connections(Draft& draft, CompileScope& scope) { ConnectionCheck(draft, scope).check(); }

} // namespace millrace
