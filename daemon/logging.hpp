/// The daemon's own log: one line per event, `key=value`, on stderr (journald's or a terminal's). Attempts log to files.
#pragma once

#include <string>

namespace millrace {

/// `level` is trace, debug, info, warning, error. Under journald the time is left to it.
void set_up_logging(const std::string& level);

} // namespace millrace
