#pragma once
#include <nlohmann/json.hpp>

#include "workspace.hpp"

namespace millrace::sandbox {

using Json = nlohmann::ordered_json;

/// The objects of the core host as JSON, keys in the order in which the service writes them.
Json client_json(const Client& client, const Workspace& workspace);
Json project_json(Workspace& workspace, int project, bool hydrated);
Json tag_json(const Tag& tag, const Workspace& workspace);
Json task_json(const ProjectTask& task, const Project& project, const Company& company);
Json time_entry_json(const Entry& entry, const Workspace& workspace, bool hydrated);
Json workspace_json(const Workspace& workspace);

enum class Memberships { None, All, Workspace, Project, UserGroup };
Json person_json(int person, const Workspace& workspace, Memberships memberships);

} // namespace millrace::sandbox
