#include "daemon/settings.hpp"

#include <spdlog/spdlog.h>

#include <unistd.h>

namespace millrace {
namespace {

/// What somebody wrote: implied connections are always there.
std::map<std::string, ConnectionSpec> declared(const Project& project) {
    auto all = project.connections;
    std::erase_if(all, [](const auto& entry) { return entry.second.implied; });
    for (auto& [name, spec] : all) spec.lines.clear(); // it may move
    return all;
}

/// Connections whose secrets are others than before, while what is written of them is the same.
std::vector<std::string> with_other_secrets(const Configuration& before, const Configuration& now) {
    std::vector<std::string> names;
    for (const auto& [name, spec] : now.project.connections) {
        const auto known = before.project.connections.find(name);
        if (known == before.project.connections.end() || known->second.fields != spec.fields) continue;
        const auto was = before.secrets.find(name), is = now.secrets.find(name);
        const auto fingerprint = [](const auto& found, const auto& all) { return found == all.end() ? std::string() : found->second; };
        if (fingerprint(was, before.secrets) != fingerprint(is, now.secrets)) names.push_back(name);
    }
    return names;
}

void add(Json& changes, const std::string& setting, const char* change) { changes.push_back({{"setting", setting}, {"change", change}}); }

template <class Value>
void compare(Json& changes, const std::string& family, const std::map<std::string, Value>& before,
             const std::map<std::string, Value>& now) {
    for (const auto& [name, value] : now) {
        const auto known = before.find(name);
        if (known == before.end())
            add(changes, family + name, "new");
        else if (!(known->second == value))
            add(changes, family + name, "changed");
    }
    for (const auto& [name, value] : before)
        if (!now.contains(name)) add(changes, family + name, "removed");
}

} // namespace

Settings::Fresh Settings::read(const Configuration& before) const {
    Fresh fresh;
    fresh.changes = Json::array();
    auto now = load_(before.file);
    compare(fresh.changes, "connections.", declared(before.project), declared(now.project));
    compare(fresh.changes, "limits.", before.project.limits, now.project.limits);
    compare(fresh.changes, "retention.", before.project.retention, now.project.retention);
    for (const auto& name : with_other_secrets(before, now)) add(fresh.changes, "secrets." + name, "in_force");
    if (before.flows != now.flows) add(fresh.changes, "flows", "changed");
    const auto keep = [&](const char* setting, const auto& old_value, auto& new_value) {
        if (old_value == new_value) return;
        new_value = old_value;
        fresh.later.emplace_back(setting);
        add(fresh.changes, setting, "needs_restart");
    };
    keep("database", before.database, now.database);
    keep("listen", before.listen, now.listen);
    keep("state", before.state, now.state);
    keep("staging", before.staging, now.staging);
    fresh.configuration = std::make_shared<const Configuration>(std::move(now));
    return fresh;
}

void Settings::adopt(Fresh fresh) {
    for (const auto& change : fresh.changes) {
        const auto setting = change.at("setting").get<std::string>(), what = change.at("change").get<std::string>();
        const bool is_later = what == "needs_restart";
        spdlog::log(is_later ? spdlog::level::warn : spdlog::level::info, "setting={} change={}{}", setting, what,
                    is_later ? " remedy=\"restart to apply it\"" : "");
    }
    current_ = std::move(fresh.configuration);
    later_ = std::move(fresh.later);
}

Json Settings::describe() const {
    const auto& file = current_->file;
    Json missing = Json::array();
    for (const auto& lack : ConfiguredConnections(*current_, "").lacks())
        missing.push_back({{"connection", lack.connection},
                           {"variable", lack.variable},
                           {"message", lack.message},
                           {"remedy", lack.remedy},
                           {"unread", lack.unread}});
    return {{"file", file.empty() ? Json() : Json(file.string())},
            {"hash", current_->hash},
            {"state", current_->state.string()},
            {"url", url_},
            {"pid", getpid()},
            {"needs_restart", later_},
            {"missing", missing}};
}

Json SettingsConnections::resolve(const std::string& name) {
    const auto now = settings_.current();
    return ConfiguredConnections(*now, warehouse_url_).resolve(name);
}

std::optional<std::string> SettingsConnections::variable(const std::string& name) const {
    const auto now = settings_.current();
    return ConfiguredConnections(*now, warehouse_url_).variable(name);
}

std::vector<std::string> SettingsConnections::names() const {
    const auto now = settings_.current();
    return ConfiguredConnections(*now, warehouse_url_).names();
}

} // namespace millrace
