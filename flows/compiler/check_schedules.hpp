/// Warnings of schedules that are right as they are written, and likely mean something else.
#pragma once

#include "flows/compiler/draft.hpp"

namespace millrace {

/// `schedule` is what `node` says, without a mistake.
void warn_of_schedule(const YamlNode& node, const ScheduleSpec& schedule, Diagnostics& diagnostics);

/// `list` is where they are written.
void warn_of_same_schedules(const YamlNode& list, const std::vector<ScheduleSpec>& schedules, Diagnostics& diagnostics);

} // namespace millrace
