#pragma once
#include <memory>
#include <string>
#include <vector>

#include "../http.hpp"
#include "workspace.hpp"

namespace millrace::sandbox {

class ReportQuery;

struct ClockifySettings {
    std::uint64_t seed = 1;
    std::uint64_t entries = 0;    ///< of the first workspace; 0: what its people usually book
    int people = 0, projects = 0; ///< 0: 50 and 200, more where there are more entries
    int days = 84;
    Day today = 0;
    std::string zone = "Europe/Berlin";
    std::string api_key = "sandbox-key";
    int workspaces = 2;
    bool untagged_groups = true; ///< a summary has a group for entries without a tag
    std::size_t cache_bytes = 0; ///< keep so much of detailed reports that were rendered
    bool free_plan = false;      ///< reports over more than 31 days are refused
};

/// A time tracking service as its API v1 and its reports API answer today (core under /api/v1, reports under /v1 and
/// /report/v1). Rate limits and faults are the server's.
class Clockify {
public:
    explicit Clockify(const ClockifySettings& settings);

    /// Whether this path is one of this service's hosts.
    [[nodiscard]] static bool owns(const std::string& path);
    [[nodiscard]] Response answer(const Request& request);

    [[nodiscard]] std::vector<std::unique_ptr<Workspace>>& workspaces() { return workspaces_; }
    /// Null for an id that no workspace has; the first for an empty one.
    [[nodiscard]] Workspace* workspace(const std::string& id);
    [[nodiscard]] const ClockifySettings& settings() const { return settings_; }

private:
    Workspace& authenticate(const Request& request);
    Response route(const Request& request);
    Response core(const Request& request, Workspace& workspace, const std::vector<std::string>& path);
    Response report(const Request& request, Workspace& workspace, const std::string& kind);
    std::string kept_report(Workspace& workspace, const ReportQuery& query);

    ClockifySettings settings_;
    std::vector<std::unique_ptr<Workspace>> workspaces_;
};

} // namespace millrace::sandbox
