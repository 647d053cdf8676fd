#pragma once
#include <span>
#include <string_view>

/// The words that a company's data is made of.
namespace millrace::sandbox::names {

extern const std::span<const std::string_view> first_names, last_names, client_stems, client_kinds, streets, cities, client_notes,
    project_themes, internal_projects, project_notes, tasks, tags, colors, verbs, objects, time_zones;

} // namespace millrace::sandbox::names
