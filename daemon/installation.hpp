/// Where the program's own files are, relative to the running executable, so that an installation can be moved. An
/// installed tree is `bin/ share/millrace/ lib/millrace/`; in a build tree (`build/PRESET/bin`) flows and sources are those
/// of the clone.
#pragma once

#include <filesystem>

namespace millrace {

struct Installation {
    std::filesystem::path bin;       ///< millrace, millrace-host, millrace-sandbox
    std::filesystem::path flows;     ///< the shipped flows
    std::filesystem::path sources;   ///< the declared sources
    std::filesystem::path dashboard; ///< index.html and its assets
};

/// Of this process. Throws Error{Permanent} when the sources are not where they should be: a broken installation.
[[nodiscard]] Installation find_installation();
/// The same for an executable elsewhere.
[[nodiscard]] Installation find_installation(const std::filesystem::path& executable);

} // namespace millrace
