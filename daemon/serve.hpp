/// The daemon: configuration, private PostgreSQL, engine and web server wired together, until a signal ends it.
#pragma once

#include "daemon/settings.hpp"

#include <filesystem>
#include <functional>
#include <string>

namespace millrace {

/// What a caller may hook into; all optional.
struct ServeHooks {
    /// Ready: listening, flows deployed. `url` is the dashboard's, empty without a TCP listener. `mistaken_files`:
    /// flow files whose mistakes kept their folders from being deployed. On the loop's thread.
    std::function<void(const std::string& url, std::size_t mistaken_files)> ready;
};

/// Makes a folder that only this user may enter. Throws Error{Permanent}, which tells to choose `other`.
void make_private_folder(const std::filesystem::path& folder,
                         const std::string& other = "another folder in `state:` of millrace.yaml or in MILLRACE_STATE");

/// Runs until SIGINT, SIGTERM, or the loss of the node's lease. SIGHUP deploys again: settings and flow folders. Returns
/// an ExitCode; what went wrong has been logged. Called once per process, from main.
[[nodiscard]] int serve(Settings& settings, const ServeHooks& hooks = {});

} // namespace millrace
