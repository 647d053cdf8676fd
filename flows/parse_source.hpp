/// A source spec from its YAML (the form is in source_spec.hpp, the keys in grammar/source_tables.cpp).
#pragma once

#include "flows/diagnostic.hpp"
#include "flows/source_spec.hpp"

#include <map>
#include <optional>
#include <string>

namespace millrace {

/// By type.
using Sources = std::map<std::string, SourceSpec>;

/// Nothing when there are errors; all of them are reported.
[[nodiscard]] std::optional<SourceSpec> parse_source(const SourceText& source, Diagnostics& diagnostics);

} // namespace millrace
