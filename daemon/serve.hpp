/// The daemon: configuration, private PostgreSQL, engine and web server wired together, until a signal ends it.
#pragma once

#include "daemon/settings.hpp"

#include <exception>
#include <filesystem>
#include <functional>
#include <string>

namespace millrace {

/// What the daemon tells whoever starts it.
struct ServeHooks {
    /// What kept it from getting ready while nothing could be unwound any more: tells it, and returns the ExitCode.
    std::function<int(const std::exception_ptr& failure)> not_started;
    /// Ready: listening, flows deployed. `url` is the dashboard's, empty without a TCP listener. `mistaken_files`:
    /// flow files whose mistakes kept their folders from being deployed. On the loop's thread.
    std::function<void(const std::string& url, std::size_t mistaken_files)> ready; ///< optional
};

/// Makes a folder that only this user may enter. Throws Error{Permanent}, which tells to choose `other`.
void make_private_folder(const std::filesystem::path& folder,
                         const std::string& other = "another folder in `state:` of millrace.yaml or in MILLRACE_STATE");

/// Runs until SIGINT, SIGTERM, or the loss of the node's lease; begins anew when the store lost history. SIGHUP deploys again: settings and
/// flow folders. Returns an ExitCode; what ended a daemon that was ready has been logged. Throws what kept it from starting, or gives that
/// to `hooks.not_started` and ends the process. Called once per process, from main.
[[nodiscard]] int serve(Settings& settings, const ServeHooks& hooks);

} // namespace millrace
