// Connections of a configuration: filled in, and as anybody may see them.
#include "daemon/configuration.hpp"
#include "flows/error.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <cctype>
#include <memory>

namespace millrace {
namespace {

constexpr const char* hidden = "***";

/// Words that the name of a secret holds.
constexpr const char* secret_words[] = {"pass", "pwd", "secret", "credential", "token", "key", "auth", "signature", "cookie"};

std::string lower(std::string text) {
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return text;
}

bool names_secret(const std::string& name) {
    const auto text = lower(name);
    return std::any_of(std::begin(secret_words), std::end(secret_words), [&](const char* word) { return text.find(word) != text.npos; });
}

/// "user:password@host", "?access_token=..", "Server=..;Pwd=..", and a JSON document, which may hold anything.
bool may_hold_secret(const std::string& field, const std::string& value) {
    const bool is_address = value.find("://") != value.npos || lower(field).find("url") != std::string::npos;
    if (is_address && value.find('@') != value.npos) return true;
    if (const auto first = value.find_first_not_of(" \t\n"); first != value.npos && value[first] == '{') return true;
    for (auto end = value.find('='); end != value.npos; end = value.find('=', end + 1)) {
        const auto before = value.find_last_of("?&;,", end);
        const auto begin = before == value.npos ? 0 : before + 1;
        if (names_secret(value.substr(begin, end - begin))) return true;
    }
    return false;
}

using ConnectionOptions = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

/// Null: PostgreSQL does not take the URL.
ConnectionOptions options_of(const std::string& url) {
    char* ignored = nullptr; // it repeats the URL
    ConnectionOptions options(PQconninfoParse(url.c_str(), &ignored), PQconninfoFree);
    PQfreemem(ignored);
    return options;
}

/// As it is written where it holds no password, else "user=etl password=*** host=db". A mark of URLs inside a password moves its
/// rest into another part: such a URL is not shown at all.
std::string shown_postgres(const std::string& url) {
    const auto options = options_of(url);
    if (!options) return hidden;
    std::string out;
    bool has_secret = false;
    for (const auto* o = options.get(); o->keyword; ++o) {
        if (!o->val) continue;
        const std::string key = o->keyword, value = o->val;
        const bool is_name = key == "host" || key == "hostaddr" || key == "dbname" || key == "port";
        if (is_name && value.find_first_of("@=?") != value.npos) return hidden;
        if (key == "user" && value.find(':') != value.npos) return hidden;
        if (key == "port" && value.find_first_not_of("0123456789,") != value.npos) return hidden;
        const bool is_secret = *o->dispchar == '*' || names_secret(key);
        has_secret = has_secret || is_secret;
        out += fmt::format("{}{}={}", out.empty() ? "" : " ", key, is_secret ? hidden : value);
    }
    return has_secret ? out : url;
}

/// A field of a connection as anybody may see it; in doubt hidden. `source`: the spec of its type; null: it has none.
std::string shown(const ConnectionSpec& spec, const SourceSpec* source, const std::string& field, const std::string& value) {
    if (spec.fields.contains(field) && spec.fields[field].get<std::string>().find("${secret.") != std::string::npos) return hidden;
    const SourceField* declared = nullptr;
    if (source)
        for (const auto& candidate : source->connection)
            if (candidate.name == field) declared = &candidate;
    if (declared ? declared->secret : names_secret(field)) return hidden;
    if (spec.type == "postgres" && field == "url") return shown_postgres(value);
    return may_hold_secret(field, value) ? hidden : value;
}

} // namespace

void check_database_url(const std::string& url) {
    if (!options_of(url))
        throw Error(ErrorClass::Permanent, "the database's URL is not one of PostgreSQL",
                    "write it like postgresql://USER:PASSWORD@HOST/DATABASE");
}

ConfiguredConnections::ConfiguredConnections(const Configuration& configuration, std::string warehouse_url)
    : configuration_(configuration), secrets_(configuration.folder), warehouse_url_(std::move(warehouse_url)) {}

ConfiguredConnections::Resolved ConfiguredConnections::fill(const std::string& name, const ConnectionSpec& spec) const {
    Resolved resolved;
    resolved.fields["type"] = spec.type;
    for (const auto& [field, text] : spec.fields.items()) {
        std::string missing;
        if (auto value = secrets_.fill(text.get<std::string>(), missing))
            resolved.fields[field] = *value;
        else
            resolved.missing[field] = missing;
    }
    if (name == "warehouse" && spec.implied && !warehouse_url_.empty()) resolved.fields["url"] = warehouse_url_;
    resolved.is_set = !spec.implied || resolved.fields.size() > 1;
    if (const auto source = configuration_.sources.find(spec.type); source != configuration_.sources.end())
        for (const auto& field : source->second.connection)
            if (field.default_value && !resolved.fields.contains(field.name)) {
                resolved.fields[field.name] = *field.default_value;
                resolved.missing.erase(field.name);
            }
    return resolved;
}

ConfiguredConnections::Lack ConfiguredConnections::lack(const std::string& name, const ConnectionSpec& spec, const std::string& field,
                                                        const std::string& variable) const {
    auto message = fmt::format("the connection '{}' needs {} for its `{}`, which is not set", name, variable, field);
    if (const auto line = spec.lines.find(field); line != spec.lines.end())
        message += fmt::format(" ({}:{})", configuration_.file.string(), line->second);
    return {name, variable, std::move(message), secrets_.remedy(variable), false};
}

/// A variable that is called like a field and fills in nothing: what it says would be missed in silence.
void ConfiguredConnections::add_unread(const std::string& name, const ConnectionSpec& spec, std::vector<Lack>& all) const {
    const auto tell = [&](const std::string& field, const std::string& variable, const std::string& remedy) {
        auto meant = name + "_" + field;
        std::transform(meant.begin(), meant.end(), meant.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        if (meant != variable && secrets_.find(meant))
            all.push_back({name, meant, fmt::format("{} is set, and nothing reads it", meant), remedy, true});
    };
    if (name == "warehouse")
        return tell("url", "",
                    "to use it: `connections: {warehouse: {type: postgres, url: \"${secret.WAREHOUSE_URL}\"}}` in millrace.yaml");
    for (const auto& [field, value] : spec.fields.items()) { // each is "${env.NAME}" or "${secret.NAME}"
        const auto text = value.get<std::string>();
        const auto name_begins = text.find('.') + 1;
        const auto variable = text.substr(name_begins, text.find('}') - name_begins);
        tell(field, variable, fmt::format("the `{}` of the connection '{}' comes from {}", field, name, variable));
    }
}

std::vector<ConfiguredConnections::Lack> ConfiguredConnections::lacks() const {
    std::vector<Lack> all;
    for (const auto& [name, spec] : configuration_.project.connections) {
        if (spec.implied)
            add_unread(name, spec, all);
        else
            for (const auto& [field, variable] : fill(name, spec).missing) all.push_back(lack(name, spec, field, variable));
    }
    return all;
}

Json ConfiguredConnections::resolve(const std::string& name) {
    const auto& all = configuration_.project.connections;
    const auto spec = all.find(name);
    if (spec == all.end())
        throw Error(ErrorClass::Permanent, fmt::format("there is no connection '{}'", name),
                    "declare it under `connections:` in millrace.yaml, then: millrace deploy");
    const auto resolved = fill(name, spec->second);
    const auto source = configuration_.sources.find(spec->second.type);
    std::string message, variables;
    for (const auto& [field, missing] : resolved.missing) {
        bool required = !spec->second.implied;
        if (source != configuration_.sources.end())
            for (const auto& declared : source->second.connection) required = required || (declared.name == field && declared.required);
        if (!required) continue;
        message += (message.empty() ? "" : "; ") + lack(name, spec->second, field, missing).message;
        variables += (variables.empty() ? "" : " and ") + missing;
    }
    if (!message.empty())
        throw Error(ErrorClass::Permanent, message,
                    secrets_.remedy(variables) + (spec->second.implied ? "; the sandbox has its own: millrace up --demo" : ""));
    if (spec->second.type == "postgres" && !resolved.fields.contains("url"))
        throw Error(ErrorClass::Permanent, fmt::format("the connection '{}' has no `url`", name),
                    fmt::format("declare it in millrace.yaml: {}: {{type: postgres, url: \"${{secret.{}_URL}}\"}}", name, name));
    return resolved.fields;
}

std::vector<std::string> ConfiguredConnections::names() const {
    std::vector<std::string> out;
    for (const auto& [name, spec] : configuration_.project.connections) out.push_back(name);
    return out;
}

Json ConfiguredConnections::describe() const {
    Json items = Json::array();
    for (const auto& [name, spec] : configuration_.project.connections) {
        const auto resolved = fill(name, spec);
        if (!resolved.is_set) continue;
        Json fields = Json::object();
        const auto source = configuration_.sources.find(spec.type);
        const auto* declared = source == configuration_.sources.end() ? nullptr : &source->second;
        for (const auto& [field, value] : resolved.fields.items())
            if (field != "type") fields[field] = shown(spec, declared, field, value.get<std::string>());
        Json missing = Json::array();
        for (const auto& [field, wanted] : resolved.missing) missing.push_back(wanted);
        items.push_back({{"name", name}, {"type", spec.type}, {"fields", fields}, {"implied", spec.implied}, {"missing", missing}});
    }
    return items;
}

} // namespace millrace
