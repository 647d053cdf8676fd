/// The grammar as a JSON Schema (draft 2020-12, in the form that the YAML language server completes and checks with), and
/// as a reference in Markdown. Both are the tables in another form: nothing is said here that is not in a table.
#pragma once

#include "flows/json.hpp"

#include <string>

namespace millrace {

/// Of flow files: `millrace flows schema`.
[[nodiscard]] Json flow_schema();
/// Of source specs: `millrace sources schema`.
[[nodiscard]] Json source_schema();
/// Of millrace.yaml.
[[nodiscard]] Json project_schema();

/// flows/REFERENCE.md.
[[nodiscard]] std::string flow_reference();

} // namespace millrace
