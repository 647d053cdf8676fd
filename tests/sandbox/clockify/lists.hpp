#pragma once
#include "../http.hpp"
#include "workspace.hpp"

namespace millrace::sandbox {

/// The lists of the core host. Each throws ApiError for parameters that the service refuses.
Response list_clients(const Request& request, const Workspace& workspace);
Response list_projects(const Request& request, Workspace& workspace);
Response list_users(const Request& request, const Workspace& workspace);
Response list_tags(const Request& request, const Workspace& workspace);
Response list_tasks(const Request& request, const Workspace& workspace, const std::string& project);
Response list_time_entries(const Request& request, const Workspace& workspace, const std::string& user);
/// The owner of the key.
Response current_user(const Request& request, const Workspace& workspace);
Response list_workspaces(const Workspace& workspace);
Response one_workspace(const Workspace& workspace);
Response one_project(const Request& request, Workspace& workspace, const std::string& project);
Response one_client(const Workspace& workspace, const std::string& client);

} // namespace millrace::sandbox
