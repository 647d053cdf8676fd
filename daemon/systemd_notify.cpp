#include "daemon/systemd_notify.hpp"

#include <systemd/sd-daemon.h>

namespace millrace {

void notify_ready(const std::string& status) { sd_notify(0, ("READY=1\nSTATUS=" + status).c_str()); }
void notify_stopping() { sd_notify(0, "STOPPING=1"); }
void notify_alive() { sd_notify(0, "WATCHDOG=1"); }

std::optional<std::chrono::microseconds> watchdog_period() {
    std::uint64_t us = 0;
    if (sd_watchdog_enabled(0, &us) <= 0 || us == 0) return {};
    return std::chrono::microseconds(us);
}

} // namespace millrace
