/// What systemd wants to know (sd_notify(3)); without systemd each call does nothing.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace millrace {

void notify_ready(const std::string& status);
void notify_stopping();
/// "I am alive", to be called more often than watchdog_period().
void notify_alive();
/// How long systemd waits for a sign of life; nothing when it does not.
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_period();

} // namespace millrace
