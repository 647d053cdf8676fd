#include "flows/project.hpp"

#include "flows/grammar/form.hpp"
#include "flows/grammar/source_tables.hpp"
#include "flows/limit_key.hpp"
#include "flows/nearest.hpp"
#include "flows/substitute.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace millrace {
namespace {

/// The connections that the shipped flows use: filled from the environment names of the original pipelines. The field
/// empty: the connection has none from the environment (`warehouse` is the local PostgreSQL, filled in by the daemon).
struct ImpliedField {
    std::string_view connection, type, field, variable;
    bool secret = false;
};

constexpr std::array<ImpliedField, 38> implied_fields{{
    {"warehouse", "postgres", "", ""},
    {"clockify", "clockify", "api_key", "CLOCKIFY_API_KEY", true},
    {"clockify", "clockify", "workspace_id", "CLOCKIFY_WORKSPACE_ID"},
    {"clockify", "clockify", "url", "CLOCKIFY_API_URL"},
    {"clockify", "clockify", "reports_url", "CLOCKIFY_REPORTS_URL"},
    {"dataverse", "dataverse", "url", "DATAVERSE_URL"},
    {"dataverse", "dataverse", "token_url", "DATAVERSE_TOKEN_URL"},
    {"dataverse", "dataverse", "client_id", "DATAVERSE_CLIENT_ID"},
    {"dataverse", "dataverse", "client_secret", "DATAVERSE_CLIENT_SECRET", true},
    {"dataverse", "dataverse", "api_key", "DATAVERSE_API_KEY", true},
    {"clickup", "clickup", "api_token", "CLICKUP_API_TOKEN", true},
    {"clickup", "clickup", "url", "CLICKUP_API_URL"},
    {"clickup", "clickup", "clients_list_id", "CLICKUP_CLIENTS_LIST_ID"},
    {"clickup", "clickup", "projects_list_id", "CLICKUP_PROJECTS_LIST_ID"},
    {"hubspot", "hubspot", "access_token", "HUBSPOT_ACCESS_TOKEN", true},
    {"hubspot", "hubspot", "url", "HUBSPOT_API_URL"},
    {"interpreter_intelligence", "interpreter_intelligence", "auth_url", "AUTH_URL"},
    {"interpreter_intelligence", "interpreter_intelligence", "url", "DATA_API_URL"},
    {"interpreter_intelligence", "interpreter_intelligence", "subject", "SUBJECT"},
    {"interpreter_intelligence", "interpreter_intelligence", "secret", "SECRET", true},
    {"ender_turing", "ender_turing", "url", "et_domain"},
    {"ender_turing", "ender_turing", "user", "et_user"},
    {"ender_turing", "ender_turing", "password", "et_password", true},
    {"postgres", "postgres", "url", "DATABASE_URL", true},
    {"mongodb", "mongodb", "url", "MONGODB_URL", true},
    {"mongodb", "mongodb", "database", "MONGODB_DATABASE"},
    {"sqlserver", "sqlserver", "driver", "DB_DRIVER"},
    {"sqlserver", "sqlserver", "server", "SERVER"},
    {"sqlserver", "sqlserver", "database", "DATABASE"},
    {"sqlserver", "sqlserver", "user", "DB_USER"},
    {"sqlserver", "sqlserver", "password", "DB_PASSWORD", true},
    {"sqlserver", "sqlserver", "url", "DATABASE_URL", true},
    {"bigquery", "bigquery", "project", "GCP_PROJECT_ID"},
    {"bigquery", "bigquery", "staging", "GCS_BUCKET_NAME"},
    {"bigquery", "bigquery", "credentials", "GOOGLE_APPLICATION_CREDENTIALS"},
    {"bigquery", "bigquery", "url", "BIGQUERY_EMULATOR_HOST"},
    {"files", "files", "path", "GCS_BUCKET_NAME"},
    {"files", "files", "url", "STORAGE_EMULATOR_HOST"},
}};

/// A type of the original pipelines: without a source, this version has none for it.
bool comes_later(std::string_view type) {
    return std::any_of(implied_fields.begin(), implied_fields.end(), [&](const ImpliedField& field) { return field.type == type; });
}

class ProjectParser {
public:
    ProjectParser(const YamlNode& root, const Sources& sources, Diagnostics& diagnostics)
        : form_(root, {&project_table}, "millrace.yaml", diagnostics), sources_(sources), diagnostics_(diagnostics) {}

    Project parse() {
        Project project = default_project();
        project.database = checked("database");
        project.listen = checked("listen");
        project.state = checked("state");
        project.staging = checked("staging");
        if (const auto* retention = form_.get("retention")) {
            const Form kinds(*retention, {&retention_table}, "`retention`", diagnostics_);
            for (const auto& entry : retention->entries) project.retention[entry.key] = kinds.text(entry.key);
            check_history(kinds);
        }
        if (form_.get("flows") != nullptr) project.flows = form_.texts("flows");
        if (const auto* connections = form_.get("connections"))
            for (const auto& entry : connections->entries) project.connections[entry.key] = parse_connection(entry);
        if (const auto* channels = form_.get("channels"))
            for (const auto& entry : channels->entries) project.channels[entry.key] = parse_channel(entry);
        if (const auto* limits = form_.get("limits"))
            for (const auto& entry : limits->entries) {
                check_limit(entry, project);
                project.limits[entry.key] = slots_of(entry.value);
            }
        return project;
    }

private:
    std::string checked(std::string_view key) {
        if (const auto* value = form_.get(key)) check_references(*value);
        return form_.text(key);
    }

    /// Nothing of a run is found without its row.
    void check_history(const Form& kinds) {
        const auto history = kinds.text("history");
        for (const auto& kind : kinds.node().entries)
            if (!history.empty() && kinds.seconds(kind.key) > kinds.seconds("history"))
                diagnostics_.error(kind.value.mark,
                                   fmt::format("`{}` is {}, and `history` only {}: what is kept of a run goes with the run", kind.key,
                                               kind.value.text, history),
                                   fmt::format("write `history: {}`, or `{}: {}`", kind.value.text, kind.key, history));
    }

    void check_name(const YamlEntry& entry, const char* what) {
        if (const auto why = name_mistake(entry.key); !why.empty())
            diagnostics_.error(entry.mark, fmt::format("{}: {}", what + 2, why), name_rule(entry.key));
    }

    /// Flows and tags are known when they are compiled (unmet_limits).
    void check_limit(const YamlEntry& entry, const Project& project) {
        const auto [kind, name] = limit_key(entry.key);
        if (kind == LimitKey::Kind::Named && entry.key.find('.') != std::string::npos)
            return diagnostics_.error(entry.mark, fmt::format("'{}' is no limit", entry.key),
                                      "a limit is a name, or all, flow.NAME, tag.TAG or connection.NAME");
        if (kind == LimitKey::Kind::Named) return check_name(entry, "a limit");
        if (kind != LimitKey::Kind::Connection || project.connections.contains(name)) return;
        std::vector<std::string> known;
        for (const auto& [connection, spec] : project.connections) known.push_back(connection);
        const auto near = nearest(name, known);
        diagnostics_.error(entry.mark, fmt::format("no connection is called '{}'", name),
                           near.empty() ? "declare it under `connections:`" : "did you mean '" + near + "'?");
    }

    /// Each is a row of the store.
    int slots_of(const YamlNode& value) {
        constexpr long most = 100'000;
        const long slots = std::strtol(value.text.c_str(), nullptr, 10); // LONG_MAX, where it is beyond that
        if (slots < 1) diagnostics_.error(value.mark, "a limit of no slots lets nothing run", "give it 1 or more");
        if (slots > most)
            diagnostics_.error(value.mark, fmt::format("a limit has at most {} slots", most),
                               "leave it out, where so many may be under way at once");
        return static_cast<int>(std::clamp(slots, 0L, most));
    }

    void check_references(const YamlNode& node) {
        try {
            for (const auto& reference : references(node.text))
                if (!reference.name.starts_with("secret.") && !reference.name.starts_with("env."))
                    diagnostics_.error(mark_inside(node, reference.offset, reference.length, diagnostics_.source()),
                                       fmt::format("there is no '{}' here", reference.name),
                                       "a configuration may refer to ${secret.NAME} and ${env.NAME}");
        } catch (const std::invalid_argument& e) {
            diagnostics_.error(node.mark, e.what());
        }
    }

    Json fields_of(const YamlEntry& entry) {
        Json fields = Json::object();
        for (const auto& field : entry.value.entries) {
            if (field.key == "type") continue;
            if (!field.value.is_scalar()) {
                diagnostics_.error(field.value.mark, fmt::format("`{}` takes text", field.key));
                continue;
            }
            check_references(field.value);
            fields[field.key] = field.value.text;
        }
        return fields;
    }

    std::string type_of(const YamlEntry& entry, const char* what, const std::vector<std::string>& known) {
        check_name(entry, what);
        const auto* type = entry.value.is_map() ? entry.value.find("type") : nullptr;
        if (type == nullptr) {
            diagnostics_.error(entry.mark, fmt::format("{} needs a mapping with `type`", what),
                               fmt::format("{}: {{type: {}, ...}}", entry.key, known.front()));
            return "";
        }
        if (std::find(known.begin(), known.end(), type->value.text) == known.end()) {
            const bool later = std::string_view(what) == "a connection" && comes_later(type->value.text);
            const auto near = later ? "" : nearest(type->value.text, known);
            diagnostics_.error(type->value.mark,
                               later ? fmt::format("connections of type {} are not available yet", type->value.text)
                                     : fmt::format("no type of {} is called '{}'", what + 2, type->value.text),
                               near.empty() ? fmt::format("the types are {}", fmt::join(known, ", ")) : "did you mean '" + near + "'?");
            return "";
        }
        return type->value.text;
    }

    ConnectionSpec parse_connection(const YamlEntry& entry) {
        std::vector<std::string> known, names;
        for (const auto& type : connection_types()) known.emplace_back(type.name);
        for (const auto& [type, spec] : sources_) known.push_back(type);
        ConnectionSpec connection;
        connection.type = type_of(entry, "a connection", known);
        connection.fields = fields_of(entry);
        for (const auto& field : entry.value.entries) connection.lines[field.key] = field.value.mark.line;
        if (connection.type.empty()) return connection;
        std::vector<std::string> required;
        if (const auto* type = find_connection_type(connection.type)) {
            names.assign(type->fields.begin(), type->fields.end());
        } else {
            names.emplace_back("requests_per_second");
            for (const auto& field : sources_.at(connection.type).connection) {
                names.push_back(field.name);
                if (field.required && !field.default_value) required.push_back(field.name);
            }
        }
        for (const auto& field : entry.value.entries) {
            if (field.key == "type" || std::find(names.begin(), names.end(), field.key) != names.end()) continue;
            const auto near = nearest(field.key, names);
            diagnostics_.error(field.mark, fmt::format("a connection of type {} has no field '{}'", connection.type, field.key),
                               near.empty() ? fmt::format("its fields are {}", fmt::join(names, ", ")) : "did you mean '" + near + "'?");
            std::erase(required, near); // it is there, but misspelt
        }
        for (const auto& name : required)
            if (!connection.fields.contains(name))
                diagnostics_.error(entry.mark, fmt::format("the connection '{}' lacks `{}`", entry.key, name));
        return connection;
    }

    Json parse_channel(const YamlEntry& entry) {
        const auto type = type_of(entry, "a channel", {"slack", "email", "webhook"});
        Json channel = fields_of(entry);
        channel["type"] = type;
        return channel;
    }

    Form form_;
    const Sources& sources_;
    Diagnostics& diagnostics_;
};

} // namespace

const std::vector<ConnectionType>& connection_types() {
    static const std::vector<ConnectionType> types{
        {"postgres", {"url", "schema"}, false, 63, true}, // NAMEDATALEN - 1
        {"mongodb", {"url", "database"}, true},
        {"sqlserver", {"url", "server", "database", "user", "password", "driver"}, true},
        {"bigquery", {"project", "dataset", "location", "credentials", "staging", "url"}, true},
        {"duckdb", {"path"}, true},
        {"files", {"path", "url"}, true},
        {"http", {"url"}, true},
    };
    return types;
}

const ConnectionType* find_connection_type(std::string_view name) {
    for (const auto& type : connection_types())
        if (type.name == name) return &type;
    return nullptr;
}

Project default_project() {
    Project project;
    for (const auto& [connection, type, field, variable, secret] : implied_fields) {
        auto& spec = project.connections[std::string(connection)];
        spec.type = type;
        spec.implied = true;
        if (!field.empty()) spec.fields[std::string(field)] = fmt::format("${{{}.{}}}", secret ? "secret" : "env", variable);
    }
    return project;
}

std::optional<Project> parse_project(const SourceText& source, const Sources& sources, Diagnostics& diagnostics) {
    const auto root = parse_yaml(source, diagnostics);
    if (!root) return std::nullopt;
    if (root->is_null()) {
        auto project = default_project();
        project.file = source.file();
        return project;
    }
    auto project = ProjectParser(*root, sources, diagnostics).parse();
    project.file = source.file();
    if (diagnostics.has_errors()) return std::nullopt;
    return project;
}

std::optional<Project> parse_part_of_project(const SourceText& source, const std::vector<std::string>& keys, Diagnostics& diagnostics) {
    auto root = parse_yaml(source, diagnostics);
    if (!root || !root->is_map()) return std::nullopt;
    std::vector<std::string> known;
    for (const auto& field : project_table.fields) known.emplace_back(field.key);
    std::erase_if(root->entries, [&](const YamlEntry& entry) {
        const auto meant = nearest(entry.key, known); // itself, where it is one
        return std::find(keys.begin(), keys.end(), meant) == keys.end();
    });
    for (auto& entry : root->entries)
        if (entry.key == "connections") std::erase_if(entry.value.entries, [](const YamlEntry& each) { return each.key != "warehouse"; });
    auto project = ProjectParser(*root, {}, diagnostics).parse();
    if (diagnostics.has_errors()) return std::nullopt;
    return project;
}

} // namespace millrace
