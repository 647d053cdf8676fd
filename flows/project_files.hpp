/// Where the files of a project are: the one place of this folder that reads the file system, so that the compiler need not.
#pragma once

#include "flows/project.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace millrace {

/// Reads no more than the first 11 MB: the parser refuses such a file anyway.
/// Throws Error{Permanent} that names the file and the reason.
[[nodiscard]] SourceText read_source_text(const std::filesystem::path& file);

/// The millrace.yaml of `folder` or the nearest parent that has one; empty: none.
[[nodiscard]] std::filesystem::path find_project_file(std::filesystem::path folder);

/// The *.yaml and *.yml files in `folder` and the folders below it, but for hidden ones, sorted. A link to a file that is gone is one
/// of them. Throws Error{Permanent} when a folder cannot be read.
[[nodiscard]] std::vector<std::filesystem::path> yaml_files(const std::filesystem::path& folder);

/// Whether `inner` is `outer` or below it, by their names alone. Both are absolute.
[[nodiscard]] bool is_within(const std::filesystem::path& inner, const std::filesystem::path& outer);

/// Every declared source of a folder; mistakes are appended to `diagnostics`, and such a source is left out.
[[nodiscard]] Sources read_sources(const std::filesystem::path& folder, std::vector<Diagnostic>& diagnostics);

} // namespace millrace
