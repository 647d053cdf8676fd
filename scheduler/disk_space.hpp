/// What free space means: whether task runs may begin, and whether the daemon's reserve is kept, given up or made again. Values
/// only; disk_guard.hpp looks at disks and acts.
///
///     free   0 ........ reserve/4 ........ enough ........ enough + reserve ........ size
///            the reserve is given up      task runs begin  it is made again
#pragma once

#include <cstdint>
#include <string>

namespace millrace {

/// Of one file system, in bytes.
struct DiskSpace {
    std::uint64_t free = 0; ///< for this user
    std::uint64_t size = 0;
};

/// Task runs begin while this much is free: 1 % of the disk, at least 512 MiB and at most 4 GiB; of a small one a tenth.
[[nodiscard]] std::uint64_t enough_free(const DiskSpace& disk);

/// Of the file that is given up when the disk is full: 64 MiB, four segments of PostgreSQL's WAL; of a small disk a fiftieth.
[[nodiscard]] std::uint64_t reserve_size(const DiskSpace& disk);

enum class ReserveStep { Keep, GiveUp, Make };
/// `held`: bytes of the reserve that are on the disk, 0 for none.
[[nodiscard]] ReserveStep reserve_step(const DiskSpace& disk, std::uint64_t held);

/// "12 MB are free in /data/staging, task runs begin with 537 MB"; empty: there is enough.
[[nodiscard]] std::string told_shortage(const DiskSpace& disk, const std::string& folder);

} // namespace millrace
