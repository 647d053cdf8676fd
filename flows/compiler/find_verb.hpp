/// The verb of a task, and the mistakes that leave it without one: only for parse_task.cpp.
#pragma once

#include "flows/diagnostic.hpp"
#include "flows/grammar/flow_tables.hpp"
#include "flows/yaml.hpp"

namespace millrace {

/// A key of a task where a task's name belongs.
[[nodiscard]] bool is_misplaced(const YamlEntry& entry);

/// The one verb of a task; null, after an error, when there is none or two.
[[nodiscard]] const VerbRow* verb_of(const YamlEntry& entry, Diagnostics& diagnostics);

} // namespace millrace
