/// Looks at the disks of staging and state: says why no task run may begin, tells of a disk that is full, and holds the reserve
/// `<state>/ballast`, a file that is given up so that the daemon, and a private PostgreSQL beside it, can still record and alert.
#pragma once

#include "scheduler/clock.hpp"
#include "scheduler/disk_space.hpp"
#include "scheduler/store/rows.hpp"

#include <functional>
#include <optional>
#include <string>

namespace millrace {

/// Of the file system that a folder is on; nothing where it cannot be asked.
[[nodiscard]] std::optional<DiskSpace> disk_space(const std::string& folder);

class DiskGuard {
public:
    using Measure = std::function<std::optional<DiskSpace>(const std::string& folder)>;
    /// `report` gets the events: `disk_full` when task runs begin to wait and when the reserve is given up, `disk_free` when task
    /// runs begin again. Both folders are there.
    DiskGuard(Clock& clock, std::string staging, std::string state, std::function<void(EventRow)> report, Measure measure = disk_space);

    /// Each second or so: measures, tells, and does to the reserve what is to be done. Takes a system call or two; more only when
    /// the reserve is made.
    void look();
    /// Why no task run may begin now; empty: there is room. Measured at most once in 100 ms, since many ask in one turn.
    [[nodiscard]] const std::string& shortage();
    /// Plain numbers for /metrics and the doctor: `staging_free_bytes`, `staging_needed_bytes`, `reserve_bytes`.
    [[nodiscard]] Json figures() const;

private:
    void measure_staging();
    void tell(const char* kind, const std::string& message);
    void keep_reserve();
    void give_up(const DiskSpace& disk);
    void make(std::uint64_t bytes);
    [[nodiscard]] std::string reserve_file() const { return state_ + "/ballast"; }

    Clock& clock_;
    const std::string staging_, state_;
    const std::function<void(EventRow)> report_;
    const Measure measure_;
    std::chrono::microseconds measured_at_{-1}; ///< uptime
    DiskSpace disk_;                            ///< of staging, as measured last
    std::string shortage_;                      ///< of staging, as measured last
    bool told_ = false;                         ///< that runs wait
    bool cannot_make_ = false;                  ///< the reserve, and that was told
    std::uint64_t reserve_ = 0;                 ///< bytes on the disk
};

} // namespace millrace
