/// What is said of somebody who waits for a limit: in the row of its task run or run, and read back by the list of limits.
#pragma once

#include <string>

namespace millrace {

inline constexpr const char* slot_wait_begins = "waits for the limit '";

/// `holders`: "run 12 (load) has it"; empty: not known.
inline std::string slot_wait_text(const std::string& limit, const std::string& holders) {
    return slot_wait_begins + limit + "'" + (holders.empty() ? "" : ": " + holders);
}

/// Empty: the message is of something else.
inline std::string limit_waited_for(const std::string& message) {
    const std::string begins = slot_wait_begins;
    if (!message.starts_with(begins)) return {};
    return message.substr(begins.size(), message.find('\'', begins.size()) - begins.size());
}

} // namespace millrace
